//! Keeps plugins that break from being called: a plugin of a business is paused after a few faults in a
//! row, longer each time, and one call decides whether it is well again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use justping_core::model::{BusinessId, PluginId, Timestamp};

/// Faults in a row after which a plugin is paused.
pub const FAULTS_MAX: u32 = 5;
/// How long the first pause is.
pub const PAUSE_FIRST: Duration = Duration::from_secs(60);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// Most plugins whose faults are remembered. A plugin that is well is not.
const REMEMBERED_MAX: usize = 10_000;

type Key = (BusinessId, PluginId);

/// Whether a call may be made.
#[derive(Debug)]
pub(crate) enum Gate {
    /// It may; say how it went.
    Open(Pass),
    /// The plugin is paused until then, or until the one call that tries it has ended.
    Paused(Timestamp),
}

/// What the end of a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing changed.
    Same,
    /// The plugin is paused until then.
    Paused(Timestamp),
    /// The plugin is well again.
    Well,
}

/// All breakers of a process. Each process finds out by itself.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<Key, State>>);

#[derive(Debug)]
struct State {
    /// The release that failed: another one begins anew.
    digest: String,
    faults: u32,
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    until: Timestamp,
    length: Duration,
    /// Whether a call tries the plugin now.
    is_tried: bool,
}

/// Leave to make one call. Dropped without an end, the call does not count.
#[derive(Debug)]
pub(crate) struct Pass {
    breakers: Arc<Breakers>,
    key: Key,
    digest: String,
    is_try: bool,
}

impl Breakers {
    /// Asks for leave to call a release of a plugin.
    pub(crate) fn ask(self: &Arc<Self>, key: Key, digest: &str, now: Timestamp) -> Gate {
        let mut states = self.states();
        if states.get(&key).is_some_and(|state| state.digest != digest) {
            states.remove(&key);
        }
        let pause = states.get_mut(&key).and_then(|state| state.pause.as_mut());
        let is_try = match pause {
            None => false,
            Some(pause) if pause.is_tried || now < pause.until => {
                return Gate::Paused(pause.until.max(now));
            }
            Some(pause) => {
                pause.is_tried = true;
                true
            }
        };
        drop(states);
        Gate::Open(Pass { breakers: Arc::clone(self), key, digest: digest.to_owned(), is_try })
    }

    /// Until when a plugin is paused, if it is.
    pub(crate) fn paused_until(&self, key: Key, now: Timestamp) -> Option<Timestamp> {
        let states = self.states();
        let pause = states.get(&key)?.pause.as_ref()?;
        (now < pause.until).then_some(pause.until)
    }

    /// Forgets what a plugin did, as when somebody changed it.
    pub(crate) fn forget(&self, key: Key) {
        self.states().remove(&key);
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Key, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Says that the call went well enough.
    pub(crate) fn well(mut self) -> Turn {
        let mut states = self.breakers.states();
        let is_ours = states.get(&self.key).is_some_and(|state| state.digest == self.digest);
        // A call that began before the pause says nothing about the plugin now.
        let counts =
            is_ours && states.get(&self.key).is_some_and(|s| s.pause.is_none() || self.is_try);
        if counts {
            states.remove(&self.key);
        }
        drop(states);
        let was_try = std::mem::take(&mut self.is_try);
        if counts && was_try { Turn::Well } else { Turn::Same }
    }

    /// Says that the plugin broke.
    pub(crate) fn fault(mut self, now: Timestamp) -> Turn {
        let is_try = std::mem::take(&mut self.is_try);
        let mut states = self.breakers.states();
        if !states.contains_key(&self.key) {
            make_room(&mut states, now);
        }
        let state = states.entry(self.key).or_insert_with(|| State::new(&self.digest));
        if state.digest != self.digest {
            return Turn::Same;
        }
        let length = match &state.pause {
            Some(pause) if is_try => (pause.length * 2).min(PAUSE_MAX),
            Some(_) => return Turn::Same,
            None => {
                state.faults += 1;
                if state.faults < FAULTS_MAX {
                    return Turn::Same;
                }
                PAUSE_FIRST
            }
        };
        let span = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(span).unwrap_or(Timestamp::MAX);
        state.pause = Some(Pause { until, length, is_tried: false });
        Turn::Paused(until)
    }
}

impl Drop for Pass {
    /// A try that came to no end leaves the next one free to try.
    fn drop(&mut self) {
        if !self.is_try {
            return;
        }
        if let Some(state) = self.breakers.states().get_mut(&self.key)
            && state.digest == self.digest
            && let Some(pause) = &mut state.pause
        {
            pause.is_tried = false;
        }
    }
}

impl State {
    fn new(digest: &str) -> Self {
        Self { digest: digest.to_owned(), faults: 0, pause: None }
    }
}

/// Forgets all but the pauses that last; when even these are too many, everything.
fn make_room(states: &mut HashMap<Key, State>, now: Timestamp) {
    if states.len() < REMEMBERED_MAX {
        return;
    }
    states.retain(|_, state| state.pause.as_ref().is_some_and(|pause| now < pause.until));
    if states.len() >= REMEMBERED_MAX {
        states.clear();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> Key {
        let id = Uuid::from_u128(number);
        (BusinessId::from_uuid(id), PluginId::from_uuid(id))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn open(breakers: &Arc<Breakers>, digest: &str, now: i64) -> Pass {
        match breakers.ask(key(1), digest, at(now)) {
            Gate::Open(pass) => pass,
            Gate::Paused(until) => panic!("paused until {until}"),
        }
    }

    fn paused(breakers: &Arc<Breakers>, now: i64) -> i64 {
        match breakers.ask(key(1), "a", at(now)) {
            Gate::Open(_) => panic!("open"),
            Gate::Paused(until) => until.as_second(),
        }
    }

    /// Breaks a plugin as often as it takes.
    fn broken(now: i64) -> Arc<Breakers> {
        let breakers = Arc::new(Breakers::default());
        for _ in 1..FAULTS_MAX {
            assert_eq!(open(&breakers, "a", now).fault(at(now)), Turn::Same);
        }
        assert_eq!(open(&breakers, "a", now).fault(at(now)), Turn::Paused(at(now + 60)));
        breakers
    }

    #[test]
    fn five_faults_in_a_row_pause_and_each_pause_is_longer() {
        let breakers = broken(0);
        assert_eq!(paused(&breakers, 59), 60);
        assert_eq!(breakers.paused_until(key(1), at(59)), Some(at(60)));
        let mut now = 60;
        for length in [120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(breakers.paused_until(key(1), at(now)), None);
            let turn = open(&breakers, "a", now).fault(at(now));
            assert_eq!(turn, Turn::Paused(at(now + length)));
            assert_eq!(paused(&breakers, now + length - 1), now + length);
            now += length;
        }
        assert_eq!(open(&breakers, "a", now).well(), Turn::Well);
        for _ in 1..FAULTS_MAX {
            assert_eq!(open(&breakers, "a", now).fault(at(now)), Turn::Same, "it begins anew");
        }
    }

    #[test]
    fn a_good_call_begins_the_count_anew() {
        let breakers = Arc::new(Breakers::default());
        for _ in 0..3 * FAULTS_MAX {
            for _ in 1..FAULTS_MAX {
                assert_eq!(open(&breakers, "a", 0).fault(at(0)), Turn::Same);
            }
            assert_eq!(open(&breakers, "a", 0).well(), Turn::Same);
        }
        assert!(breakers.states().is_empty(), "who is well is not remembered");
    }

    #[test]
    fn one_call_tries_and_one_that_is_cut_off_lets_the_next_try() {
        let breakers = broken(0);
        let trying = open(&breakers, "a", 61);
        assert_eq!(paused(&breakers, 61), 61);
        drop(trying);
        let trying = open(&breakers, "a", 62);
        assert_eq!(trying.well(), Turn::Well);
        drop(open(&breakers, "a", 62));
    }

    #[test]
    fn calls_from_before_the_pause_neither_end_nor_prolong_it() {
        let breakers = Arc::new(Breakers::default());
        let (good, bad) = (open(&breakers, "a", 0), open(&breakers, "a", 0));
        for _ in 0..FAULTS_MAX {
            let _ = open(&breakers, "a", 0).fault(at(0));
        }
        assert_eq!(good.well(), Turn::Same);
        assert_eq!(bad.fault(at(30)), Turn::Same);
        assert_eq!(paused(&breakers, 59), 60);
    }

    #[test]
    fn another_release_or_a_change_begins_anew() {
        let breakers = broken(0);
        let old = open(&breakers, "b", 1);
        assert_eq!(old.well(), Turn::Same);
        let breakers = broken(0);
        breakers.forget(key(1));
        drop(open(&breakers, "a", 1));
        let old = open(&breakers, "a", 1);
        let _ = open(&breakers, "b", 1).fault(at(1));
        assert_eq!(old.fault(at(1)), Turn::Same, "the old one is not counted for the new one");
    }

    #[test]
    fn plugins_do_not_pause_each_other_and_are_forgotten_in_time() {
        let breakers = broken(0);
        assert!(matches!(breakers.ask(key(2), "a", at(1)), Gate::Open(_)));
        for number in 0..2 * REMEMBERED_MAX as u128 {
            let Gate::Open(pass) = breakers.ask(key(number + 10), "a", at(2)) else { panic!() };
            let _ = pass.fault(at(2));
        }
        assert!(breakers.states().len() <= REMEMBERED_MAX);
        assert_eq!(paused(&breakers, 59), 60, "who is paused stays paused");
    }
}
