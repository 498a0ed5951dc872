use std::time::Duration;

/// Tries of one message before it fails as exhausted.
pub const ATTEMPTS_MAX: u32 = 8;
/// The wait after the first failed try.
const BASE: Duration = Duration::from_millis(500);
/// No wait is longer than this, a provider's own wish apart.
const CAP: Duration = Duration::from_secs(300);
/// Not even a provider may ask for more.
const WISH_CAP: Duration = Duration::from_secs(3600);

/// How long to wait after `attempts` failed tries: the provider's wish if it has one, else
/// exponential with a spread of 50–100 %, so that a fleet does not return in step.
///
/// The spread comes from `salt`, not from chance: the same message waits the same on replay.
pub fn retry_delay(attempts: u32, wish: Option<Duration>, salt: u64) -> Duration {
    if let Some(wish) = wish {
        return wish.min(WISH_CAP);
    }
    let doubled =
        BASE.saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let full = doubled.min(CAP);
    let spread = u32::try_from(mix(salt.wrapping_add(u64::from(attempts))) % 512).unwrap_or(0);
    full / 2 + full / 2 * spread / 511
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
