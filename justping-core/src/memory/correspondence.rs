use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{CallId, ConversationId, MessageId};
use crate::port::{CallScope, Correspondence, Letter, LetterError, Posted};

/// Keeps letters to be looked at.
#[derive(Debug, Default)]
pub struct MemoryCorrespondence {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    letters: BTreeMap<CallId, Letter>,
    refuses: Option<LetterError>,
}

impl MemoryCorrespondence {
    /// One that takes every letter.
    pub const fn new() -> Self {
        Self { kept: Mutex::new(Kept { letters: BTreeMap::new(), refuses: None }) }
    }

    /// Refuses every letter from now on.
    pub fn refuse(&self, error: LetterError) {
        self.kept().refuses = Some(error);
    }

    /// The letters it took, in the order of their calls.
    pub fn letters(&self) -> Vec<Letter> {
        self.kept().letters.values().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Correspondence for MemoryCorrespondence {
    async fn write(&self, scope: &CallScope, letter: &Letter) -> Result<Posted, LetterError> {
        let mut kept = self.kept();
        if let Some(error) = &kept.refuses {
            return Err(error.clone());
        }
        kept.letters.entry(scope.call_id).or_insert_with(|| letter.clone());
        Ok(Posted {
            message_id: MessageId::from_uuid(scope.call_id.uuid()),
            conversation_id: ConversationId::from_uuid(scope.call_id.uuid()),
        })
    }
}
