//! What a contact may say wherever the session is.

use super::FlowProgram;
use crate::document::{self, KeywordMatch};
use crate::keyword::Keywords;

/// Where something leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// To a node of the document's own flow.
    Node(usize),
    /// To the start of a flow.
    Flow(usize),
}

/// Session words and intents.
#[derive(Debug, Default)]
pub(super) struct Words {
    session: Vec<SessionWord>,
    intents: Vec<Intent>,
}

/// A word that always means the same.
#[derive(Debug)]
pub(super) struct SessionWord {
    words: Keywords,
    /// The node it goes to.
    pub(super) place: usize,
    /// Whether the variables start anew.
    pub(super) anew: bool,
}

/// Something that interrupts.
#[derive(Debug)]
pub(super) struct Intent {
    words: Keywords,
    pub(super) target: Target,
    /// Whether the node that waited goes on afterwards.
    pub(super) resume: bool,
}

impl Words {
    pub(super) fn of(
        program: &FlowProgram,
        session: Option<&document::SessionWords>,
        intents: &[document::Intent],
    ) -> Self {
        let exact = |words: &[String]| Keywords::new(words, KeywordMatch::Exact);
        let start = program.flows.first().map_or(0, |flow| flow.start);
        let node = |id: &String| program.ids.get(id).copied();
        let restart = session.and_then(|words| words.restart.as_ref()).map(|word| SessionWord {
            words: exact(&word.words),
            place: word.node.as_ref().and_then(node).unwrap_or(start),
            anew: true,
        });
        let menu = session.and_then(|words| words.menu.as_ref()).and_then(|word| {
            Some(SessionWord { words: exact(&word.words), place: node(&word.node)?, anew: false })
        });
        let intent = |intent: &document::Intent| {
            let by_node = intent.node.as_ref().and_then(node).map(Target::Node);
            let by_flow = || intent.flow.as_deref().and_then(|key| program.flow(key));
            Some(Intent {
                words: Keywords::new(&intent.keywords, intent.how),
                target: by_node.or_else(|| by_flow().map(Target::Flow))?,
                resume: intent.resume,
            })
        };
        Self {
            session: restart.into_iter().chain(menu).collect(),
            intents: intents.iter().filter_map(intent).collect(),
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.session.is_empty() && self.intents.is_empty()
    }

    /// The session word that a folded text is.
    pub(super) fn session(&self, text: &str) -> Option<&SessionWord> {
        self.session.iter().find(|word| word.words.are_in(text))
    }

    /// The first intent that a folded text has.
    pub(super) fn intent(&self, text: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.words.are_in(text))
    }
}
