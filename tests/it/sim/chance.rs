use std::sync::{Mutex, PoisonError};

use justping::memory::SeededEntropy;
use justping::port::Entropy;

/// Dice that fall the same for the same seed.
#[derive(Debug)]
pub(super) struct Chance {
    source: Mutex<SeededEntropy>,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { source: Mutex::new(SeededEntropy::new(seed)) }
    }

    /// Any number.
    pub(super) fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.source.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number smaller than `end`; 0 when there is none.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.place(choices.len())]
    }

    /// A place in a list of this length.
    pub(super) fn place(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }
}
