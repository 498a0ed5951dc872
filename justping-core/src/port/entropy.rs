use std::fmt::Debug;
use std::sync::Arc;
use std::sync::Mutex;

use uuid::{Builder, Uuid};

use super::Clock;

/// Where randomness comes from.
///
/// # Contract
/// Fills the whole buffer. A production source is cryptographically strong; a seeded one, for
/// tests, gives the same bytes for the same seed.
pub trait Entropy: Send + Sync + Debug + 'static {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Makes UUIDv7 ids from the clock and the entropy of the process.
///
/// Ids of one source grow strictly, even within one millisecond: the 12 bits behind the time count.
#[derive(Debug)]
pub struct IdSource {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
}

/// The last id's time and count, and randomness fetched ahead: an id costs no system call.
#[derive(Debug)]
struct State {
    millis: u64,
    count: u16,
    pool: [u8; POOL_BYTES],
    used: usize,
}

/// Random bytes of one id.
const RANDOM_BYTES: usize = 8;
/// Random bytes fetched at once.
const POOL_BYTES: usize = 64 * RANDOM_BYTES;

/// The largest count that fits the 12 bits behind the time (RFC 9562 §6.2, method 1).
const COUNTER_MAX: u16 = 0x0fff;

impl IdSource {
    /// Makes a source.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let state = State { millis: 0, count: 0, pool: [0; POOL_BYTES], used: POOL_BYTES };
        Self { clock, entropy, state: Mutex::new(state) }
    }

    /// The next id.
    pub fn uuid(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.tick(now);
        let [high, low] = state.count.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = state.random(&*self.entropy);
        let behind_time = [high, low, a, b, c, d, e, f, g, h];
        Builder::from_unix_timestamp_millis(state.millis, &behind_time).into_uuid()
    }
}

impl State {
    /// Advances the pair (millisecond, count); a full count borrows from the next millisecond.
    fn tick(&mut self, now: u64) {
        (self.millis, self.count) = match (self.millis, self.count) {
            (millis, _) if now > millis => (now, 0),
            (millis, count) if count < COUNTER_MAX => (millis, count + 1),
            (millis, _) => (millis + 1, 0),
        };
    }

    fn random(&mut self, entropy: &dyn Entropy) -> [u8; RANDOM_BYTES] {
        if self.used >= POOL_BYTES {
            entropy.fill(&mut self.pool);
            self.used = 0;
        }
        let bytes = self.pool.get(self.used..self.used + RANDOM_BYTES);
        self.used += RANDOM_BYTES;
        bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::memory::{ManualClock, SeededEntropy};
    use crate::model::Timestamp;

    #[test]
    fn ids_grow_within_one_millisecond_and_are_version_seven() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let source = IdSource::new(clock, Arc::new(SeededEntropy::new(1)));
        let ids: Vec<Uuid> = (0..10_000).map(|_| source.uuid()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        let tails: HashSet<[u8; 8]> =
            ids.iter().map(|id| id.as_bytes()[8..].try_into().unwrap()).collect();
        assert_eq!(tails.len(), ids.len());
    }
}
