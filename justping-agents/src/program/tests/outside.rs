//! Events of others, by name and by link.

use std::sync::Arc;

use justping_core::model::SessionStatus::{Completed, Waiting};
use justping_core::model::Signal;
use justping_core::port::{Expectation, LinkKey};
use serde_json::{Value, json};

use crate::play::Play;
use crate::{EARLY_BYTES_MAX, EARLY_MAX};

fn name(name: &str) -> Signal {
    Signal::Name(name.to_owned())
}

/// Waits for a payment and then, by link, for a form; a question comes first.
fn paying() -> Play {
    let nodes = json!([
        ["q", "input", {"prompt": "ready?", "variable": "q"}],
        ["pay", "wait_event", {"event": "payment.*", "variable": "p", "link": "never", "timeout_minutes": 5}],
        ["form", "wait_event", {"event": "form", "variable": "f"}],
        ["done", "text", {"text": "{{ p.id }} {{ f.ok }} {{ resume_url }}"}],
        ["late", "text", {"text": "late"}]
    ]);
    let edges = json!([
        ["start", "next", "q"],
        ["q", "reply", "pay"],
        ["pay", "next", "form"],
        ["pay", "timeout", "late"],
        ["form", "next", "done"]
    ]);
    let mut play = Play::of(nodes, edges);
    play.link = Some(Arc::new(LinkKey { start: "https://x/".to_owned(), key: "00".to_owned() }));
    play.say("hi");
    play
}

#[test]
fn an_event_ends_the_wait_for_it_and_brings_its_data() {
    let mut play = paying();
    assert_eq!(play.say("yes"), ["timer t1 in 300s"]);
    assert!(play.outside(name("form.other"), json!(1)).is_empty());
    assert!(play.say("done it").is_empty(), "what is said meanwhile goes unheard");
    assert_eq!(play.outside(name("payment.succeeded"), json!({"id": 7})), ["clear timers"]);
    assert!(play.outside(Signal::Link(1), json!({"ok": 0})).is_empty(), "no such link yet");
    let said = play.outside(Signal::Link(0), json!({"ok": true}));
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("7 true https://x/1."), "{said:?}");
    assert!(play.is(Completed));
    assert_eq!(crate::replay(&*play.program, play.trace), Ok(()));
}

#[test]
fn a_wait_for_an_event_ends_in_time() {
    let mut play = paying();
    play.say("yes");
    assert_eq!(play.later(300).timer("t1"), ["late"]);
}

#[test]
fn an_event_before_its_time_is_kept() {
    let mut play = paying();
    assert!(play.outside(name("payment.failed"), json!({"id": 9})).is_empty());
    assert!(play.outside(Signal::Link(0), json!({"ok": 1})).is_empty());
    assert!(play.outside(name("nobody.waits"), json!(1)).is_empty());
    assert!(play.is(Waiting));
    let said = play.say("yes");
    assert!(said.last().unwrap().starts_with("9 1 https://x/1."), "{said:?}");
    assert!(play.is(Completed));
}

#[test]
fn what_is_expected_can_be_asked() {
    let mut play = paying();
    let expects =
        |play: &Play, signal: Signal| play.program.expects(play.state.as_deref().unwrap(), &signal);
    assert_eq!(expects(&play, name("payment.x")), Expectation::Early);
    assert_eq!(expects(&play, name("refund")), Expectation::Over);
    assert_eq!(expects(&play, Signal::Link(0)), Expectation::Early);
    assert_eq!(expects(&play, Signal::Link(1)), Expectation::Over);
    play.outside(Signal::Link(0), json!(1));
    assert_eq!(expects(&play, Signal::Link(0)), Expectation::Over, "used");
    play.say("yes");
    assert_eq!(expects(&play, name("payment.x")), Expectation::Awaited);
    play.outside(name("payment.x"), json!(1));
    assert_eq!(expects(&play, name("payment.x")), Expectation::Over);
    for state in ["", "{}", "{\"n\":\"gone\"}"] {
        assert_eq!(play.program.expects(state, &name("payment.x")), Expectation::Over);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut play = paying();
    let filler = "x".repeat(EARLY_BYTES_MAX / 2);
    play.outside(name("payment.a"), json!(filler));
    play.outside(name("payment.b"), json!(filler));
    let kept = |play: &Play| {
        let state: Value = serde_json::from_str(play.state.as_deref().unwrap()).unwrap();
        state["y"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(kept(&play), 1);
    for _ in 0..EARLY_MAX + 3 {
        play.outside(name("payment.c"), json!(1));
    }
    assert_eq!(kept(&play), EARLY_MAX);
}

#[test]
fn links_are_made_only_where_they_are_needed() {
    let nodes = json!([["t", "text", {"text": "{{ resume_url }}x"}]]);
    let mut play = Play::of(nodes, json!([["start", "next", "t"]]));
    assert!(play.program.needs_link());
    assert_eq!(play.say("hi"), ["x"], "no address without a platform that has one");
    let nodes = json!([["t", "text", {"text": "hi"}]]);
    assert!(!Play::of(nodes, json!([["start", "next", "t"]])).program.needs_link());
}
