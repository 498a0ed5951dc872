use std::sync::{Mutex, PoisonError};

use crate::port::Entropy;

/// Randomness that is the same for the same seed. For tests only: whoever knows the seed knows all.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// A source that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

/// The next state and its scrambled value (SplitMix64, Steele, Lea and Flood 2014).
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            let bytes = split_mix(&mut state).to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_stream() {
        let draw = |seed| {
            let mut bytes = [0; 21];
            SeededEntropy::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).iter().any(|byte| *byte != 0));
    }

    #[test]
    fn matches_the_published_sequence() {
        let mut state = 1_234_567;
        let values: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(
            values,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
