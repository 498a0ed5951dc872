use std::time::Instant;

/// A token bucket of one socket: no key, no lock, sixteen bytes of memory worth of state.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        let (burst, per_second) = (f64::from(burst), f64::from(per_second));
        Self { tokens: burst, burst, per_second, filled_at: Instant::now() }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&mut self, now: Instant) -> bool {
        let back = now.saturating_duration_since(self.filled_at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + back).min(self.burst);
        self.filled_at = now;
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn gives_the_burst_then_the_rate() {
        let mut bucket = Bucket::new(3, 2);
        let start = bucket.filled_at;
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((0..5).filter(|_| bucket.take_at(at(0))).count(), 3);
        assert!(!bucket.take_at(at(400)));
        assert!(bucket.take_at(at(500)));
        assert_eq!((0..9).filter(|_| bucket.take_at(at(60_000))).count(), 3);
    }
}
