//! What the oracle saw, held against what the ledger tells, and both against what was written.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Sent};
use crate::ledger::{ECHOES, Fate, Thread};
use crate::provider::BURST;

/// What was written, as far as the writers know.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// Customers that wrote their burst, all of which was accepted.
    pub customers: usize,
    /// By conversation and text: what members wrote and was acknowledged under an id.
    pub letters: BTreeMap<(String, String), String>,
    /// What members wrote without ever being told whether it was taken.
    pub open: BTreeSet<(String, String)>,
}

/// How it ended. Whatever must never be is no part of it: it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Messages to contacts that the ledger holds.
    pub messages: usize,
    /// Messages of which nobody knows whether they left, and that say so.
    pub unknown: usize,
    /// Sends that had an effect.
    pub effects: usize,
    /// Of these, how many were not the first of their message.
    pub repeated: usize,
    /// Requests beyond the first one of each message.
    pub requests_again: usize,
}

impl Verdict {
    /// Insists that nothing is lost, made up, mixed up or out of order, and counts the rest.
    pub(super) fn of(written: &Written, bot: &[Thread], desk: &[Thread], graph: &Graph) -> Self {
        assert_eq!(bot.len(), written.customers, "a conversation for each customer");
        for thread in bot {
            assert_eq!((thread.heard, thread.texts()), (BURST, ECHOES.to_vec()), "{}", thread.id);
        }
        for thread in desk {
            insist_on_letters(thread, written);
        }
        let all: BTreeMap<&str, &Thread> =
            bot.iter().chain(desk).map(|thread| (thread.id.as_str(), thread)).collect();
        let effects = graph.effects();
        let by_message = by_message(&effects);
        for ((conversation, seq), sent) in &by_message {
            let thread = all.get(conversation).unwrap_or_else(|| panic!("no thread for {sent:?}"));
            let fate = thread.replies.iter().find(|fate| fate.seq == *seq);
            let fate = fate.unwrap_or_else(|| panic!("no message for {sent:?}"));
            assert!(sent.iter().all(|sent| sent.text == fate.text), "{fate:?}: {sent:?}");
            assert_eq!(fate.status, "read", "it was told as read: {fate:?}");
        }
        insist_on_order(&effects);
        let fates: Vec<&Fate> = all.values().flat_map(|thread| &thread.replies).collect();
        let unknown: Vec<_> = fates.iter().filter(|fate| fate.status != "read").collect();
        for fate in &unknown {
            assert_eq!(fate.failure.as_deref(), Some("unknown_outcome"), "{fate:?}");
        }
        // What is read left, so that those that did not leave are exactly those that say so.
        assert_eq!(by_message.len() + unknown.len(), fates.len(), "sent, or known not to be");
        Self {
            messages: fates.len(),
            unknown: unknown.len(),
            effects: effects.len(),
            repeated: effects.len() - by_message.len(),
            requests_again: graph.requests() - by_message.len(),
        }
    }
}

/// Each acknowledged message of a member is there once, under the id that was given; what was not
/// acknowledged is there once or not at all; nothing else is there.
fn insist_on_letters(thread: &Thread, written: &Written) {
    let mut texts = BTreeSet::new();
    for fate in &thread.replies {
        let letter = (thread.id.clone(), fate.text.clone());
        assert!(texts.insert(&fate.text), "{letter:?} is there twice");
        match written.letters.get(&letter) {
            Some(id) => assert_eq!(*id, fate.id, "{letter:?}"),
            None => assert!(written.open.contains(&letter), "nobody wrote {letter:?}"),
        }
    }
    let missing = written.letters.keys().filter(|(conversation, _)| *conversation == thread.id);
    let missing: Vec<_> = missing.filter(|(_, text)| !texts.contains(text)).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    // What was not acknowledged may have been taken at any later moment.
    let is_known =
        |text: &&str| written.letters.contains_key(&(thread.id.clone(), (*text).to_owned()));
    let known = thread.texts().into_iter().filter(is_known);
    assert!(known.is_sorted(), "out of order: {thread:?}");
}

/// The conversation and the place that a key names.
fn place(sent: &Sent) -> (&str, u64) {
    let mut parts = sent.key.split('.');
    let conversation = parts.next().unwrap_or_default();
    let seq = parts.next().and_then(|seq| seq.parse().ok());
    (conversation, seq.unwrap_or_else(|| panic!("not a key of ours: {sent:?}")))
}

fn by_message(effects: &[Sent]) -> BTreeMap<(&str, u64), Vec<&Sent>> {
    let mut by_message: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for sent in effects {
        by_message.entry(place(sent)).or_default().push(sent);
    }
    by_message
}

/// A message's first send comes after that of the message before it in the conversation.
fn insist_on_order(effects: &[Sent]) {
    let mut newest = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for sent in effects {
        let (conversation, seq) = place(sent);
        if seen.insert((conversation, seq)) {
            let before = newest.insert(conversation, seq);
            assert!(before < Some(seq), "{sent:?} after {before:?}");
        }
    }
}
