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
    last: Mutex<(u64, u16)>,
}

/// The largest count that fits the 12 bits behind the time (RFC 9562 §6.2, method 1).
const COUNTER_MAX: u16 = 0x0fff;

impl IdSource {
    /// Makes a source.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: Mutex::new((0, 0)) }
    }

    /// The next id.
    pub fn uuid(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        let (millis, count) = self.tick(now);
        let mut random = [0u8; 10];
        self.entropy.fill(&mut random);
        let [high, low] = count.to_be_bytes();
        random[0] = high;
        random[1] = low;
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Advances the pair (millisecond, count); a full count borrows from the next millisecond.
    fn tick(&self, now: u64) -> (u64, u16) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = match *last {
            (millis, _) if now > millis => (now, 0),
            (millis, count) if count < COUNTER_MAX => (millis, count + 1),
            (millis, _) => (millis + 1, 0),
        };
        *last
    }
}
