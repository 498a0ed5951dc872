//! Nodes that ask and wait for an answer.

use justping_core::model::SessionStatus::{Completed, Waiting};
use justping_core::model::{Content, MediaKind, MediaSource, Signal};
use justping_core::port::FlowRuntime;
use serde_json::{Value, json};

use crate::Flows;
use crate::play::{Play, document};

fn ask(kind: &str, mut data: Value, more: &[(&str, Value)]) -> Play {
    for (name, value) in more {
        data[*name] = value.clone();
    }
    let nodes = json!([
        ["q", kind, data],
        ["ok", "text", {"text": "got {{ v }}"}],
        ["bad", "text", {"text": "gave up"}],
        ["late", "text", {"text": "too late"}]
    ]);
    let exit = if kind == "input" { "reply" } else { "option:b" };
    let mut edges = vec![json!(["start", "next", "q"]), json!(["q", exit, "ok"])];
    edges.push(json!(["q", "invalid", "bad"]));
    if more.iter().any(|(name, _)| *name == "timeout_minutes") {
        edges.push(json!(["q", "timeout", "late"]));
    }
    Play::of(nodes, Value::from(edges))
}

fn input(kind: &str, more: &[(&str, Value)]) -> Play {
    ask("input", json!({"kind": kind, "prompt": "?", "variable": "v"}), more)
}

fn buttons(more: &[(&str, Value)]) -> Play {
    let options =
        json!([{"id": "a", "title": "Apple"}, {"id": "b", "title": "{{ contact.name }}"}]);
    ask("buttons", json!({"text": "Which?", "variable": "v", "options": options}), more)
}

#[test]
fn the_message_that_starts_does_not_answer() {
    let mut play = input("text", &[]);
    assert_eq!(play.say("42"), ["?"]);
    assert!(play.is(Waiting));
    assert_eq!(play.say(" Ada "), ["got Ada"]);
    assert!(play.is(Completed));
}

#[test]
fn input_asks_again_three_times_and_gives_up() {
    let mut play = input("number", &[("retry", json!("a number!"))]);
    play.say("hi");
    for _ in 0..3 {
        assert_eq!(play.say("abc"), ["a number!"]);
    }
    assert_eq!(play.say("abc"), ["gave up"]);
    let mut play = input("number", &[("max_retries", json!(0))]);
    play.say("hi");
    assert_eq!(play.say("abc"), ["gave up"]);
    assert_eq!(play.variable("v"), Value::Null);
}

#[test]
fn without_a_retry_text_the_question_comes_again() {
    let mut play = input("email", &[]);
    play.say("hi");
    assert_eq!(play.say("abc"), ["?"]);
    assert_eq!(play.say("Ada@Example.org"), ["got Ada@example.org"]);
}

#[test]
fn input_reads_each_kind() {
    let answer = |kind: &str, more: &[(&str, Value)], text: &str| {
        let mut play = input(kind, more);
        play.say("hi");
        play.say(text);
        play.variable("v")
    };
    assert_eq!(answer("number", &[], "1,234"), json!(1234));
    assert_eq!(answer("number", &[("min", json!(18))], "17"), Value::Null);
    assert_eq!(answer("number", &[("integer", json!(true))], "1.5"), Value::Null);
    assert_eq!(answer("text", &[("max", json!(2))], "abc"), Value::Null);
    let region = ("default_region", json!("DE"));
    assert_eq!(answer("phone", &[region], "030 123456"), json!("+4930123456"));
}

#[test]
fn a_file_without_a_caption_is_no_answer() {
    let mut play = input("text", &[]);
    play.say("hi");
    let source = MediaSource::Url("https://x/y".to_owned());
    let kind = MediaKind::Image;
    let file = Content::Media { kind, source, caption: None, filename: None, mime: None };
    assert_eq!(play.hear(file), ["?"]);
}

#[test]
fn no_answer_in_time_takes_the_timeout() {
    let mut play = input("text", &[("timeout_minutes", json!(5))]);
    assert_eq!(play.say("hi"), ["?", "timer t1 in 300s"]);
    assert_eq!(play.timer("t1"), ["too late"]);
}

#[test]
fn an_answer_clears_the_timer_and_a_bad_one_starts_it_anew() {
    let mut play = input("number", &[("timeout_minutes", json!(5))]);
    play.say("hi");
    assert_eq!(play.later(60).say("abc"), ["?", "timer t2 in 300s"]);
    assert!(play.timer("t1").is_empty());
    assert!(play.is(Waiting));
    assert_eq!(play.say("7"), ["clear timers", "got 7"]);
}

#[test]
fn buttons_are_answered_by_press_words_or_number() {
    for answer in ["ada", "2", " Ada! "] {
        let mut play = buttons(&[]);
        assert_eq!(play.say("hi"), ["Which? [q.1.a=Apple q.1.b=Ada]"]);
        assert_eq!(play.say(answer), ["got Ada"]);
    }
    let mut play = buttons(&[("save", json!("id"))]);
    play.say("hi");
    assert_eq!(play.press("q.1-0.b", "Ada"), ["got b"]);
}

#[test]
fn an_option_without_an_edge_ends_the_session() {
    let mut play = buttons(&[]);
    play.say("hi");
    assert!(play.press("q.1-0.a", "Apple").is_empty());
    assert!(play.is(Completed));
    assert_eq!(play.variable("v"), json!("Apple"));
}

#[test]
fn what_fits_no_option_is_asked_again() {
    let mut play = buttons(&[("retry", json!("Pick one")), ("max_retries", json!(1))]);
    play.say("hi");
    assert_eq!(play.say("pear"), ["Pick one [q.2.a=Apple q.2.b=Ada]"]);
    assert_eq!(play.say("pear"), ["gave up"]);
}

#[test]
fn a_default_that_leads_somewhere_comes_before_asking_again() {
    let options = json!([{"id": "a", "title": "Apple"}]);
    let nodes = json!([
        ["q", "buttons", {"text": "Which?", "options": options}],
        ["d", "text", {"text": "You said {{ message.text }}"}]
    ]);
    let mut play = Play::of(nodes, json!([["start", "next", "q"], ["q", "default", "d"]]));
    play.say("hi");
    assert_eq!(play.say("pear"), ["You said pear"]);
}

#[test]
fn a_list_has_sections_and_one_exit_for_each_row() {
    let data = json!({"text": "Which?", "button": "Open", "variable": "v", "sections": [
        {"title": "Fruit", "options": [{"id": "a", "title": "Apple", "description": "red"}]},
        {"options": [{"id": "b", "title": "Bread"}]}
    ]});
    let mut play = ask("list", data, &[]);
    let sent = json!({"type": "list", "text": "Which?", "button": "Open", "sections": [
        {"title": "Fruit", "options": [{"id": "q.1-0.a", "title": "Apple", "description": "red"}]},
        {"options": [{"id": "q.1-0.b", "title": "Bread"}]}
    ]});
    let said: Value = serde_json::from_str(&play.say("hi").join("")).unwrap();
    assert_eq!(said, sent);
    assert_eq!(play.press("q.1-0.b", "Bread"), ["got Bread"]);
}

#[test]
fn a_button_whose_title_changed_still_means_its_option() {
    let mut play = buttons(&[]);
    play.say("hi");
    assert_eq!(play.press("q.1-0.b", "Another title"), ["got Ada"]);
}

/// A question of a kind and what it does with an answer.
fn of_kind(mut more: Value) -> Play {
    let own = json!({"prompt": "?", "variable": "v", "retry": "again", "max_retries": 1});
    more.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    let nodes = json!([["q", "input", more], ["no", "text", {"text": "no"}]]);
    let mut play = Play::of(nodes, json!([["start", "next", "q"], ["q", "invalid", "no"]]));
    assert_eq!(play.say("hi"), ["?"]);
    play
}

#[test]
fn a_file_of_a_kind_is_taken_and_no_other() {
    let media = |kind| Content::Media {
        kind,
        source: MediaSource::Url("https://x/y".to_owned()),
        caption: Some("mine".to_owned()),
        filename: None,
        mime: Some("image/png".to_owned()),
    };
    let mut play = of_kind(json!({"kind": "file", "accept": ["image"]}));
    assert_eq!(play.hear(media(MediaKind::Audio)), ["again"]);
    assert!(play.hear(media(MediaKind::Image)).is_empty());
    let value =
        json!({"kind": "image", "url": "https://x/y", "caption": "mine", "mime": "image/png"});
    assert_eq!(play.variable("v"), value);
    let mut play = of_kind(json!({"kind": "file"}));
    assert_eq!(play.say("here"), ["again"]);
    assert_eq!(play.say("here"), ["no"]);
}

#[test]
fn a_place_is_sent_or_written() {
    let place = |latitude| Content::Location {
        latitude,
        longitude: 13.4,
        name: Some("Berlin".to_owned()),
        address: None,
    };
    let mut play = of_kind(json!({"kind": "location"}));
    assert_eq!(play.hear(place(91.0)), ["again"]);
    assert!(play.hear(place(52.5)).is_empty());
    assert_eq!(play.variable("v"), json!({"latitude": 52.5, "longitude": 13.4, "name": "Berlin"}));
    let mut play = of_kind(json!({"kind": "location"}));
    assert!(play.say(" 52.5, -13.4 ").is_empty());
    assert_eq!(play.variable("v"), json!({"latitude": 52.5, "longitude": -13.4}));
    for odd in ["Berlin", "52.5", "NaN,1", "1,inf", "1,2,3", ","] {
        assert_eq!(of_kind(json!({"kind": "location"})).say(odd), ["again"], "{odd}");
    }
}

#[test]
fn a_payment_is_told_from_outside() {
    let name = |name: &str| Signal::Name(name.to_owned());
    let mut play = of_kind(json!({"kind": "payment"}));
    assert!(play.say("I paid!").is_empty(), "saying so is not paying");
    assert!(play.outside(name("payment.pending"), json!({})).is_empty());
    assert_eq!(play.outside(name("payment.failed"), json!({})), ["again"]);
    assert!(play.outside(name("payment.succeeded"), json!({"amount": 3})).is_empty());
    assert_eq!(play.variable("v"), json!({"amount": 3}));
    let mut play = of_kind(json!({"kind": "payment"}));
    play.outside(name("payment.failed"), json!({}));
    assert_eq!(play.outside(name("payment.expired"), json!({})), ["no"]);
}

#[test]
fn points_days_times_and_pages_are_read() {
    for (kind, answer, value) in [
        ("rating", "⭐⭐⭐⭐", json!(4)),
        ("date", "31.12.2026", json!("2026-12-31")),
        ("time", "5pm", json!("17:00")),
        ("url", "example.com", json!("https://example.com/")),
    ] {
        let mut play = of_kind(json!({"kind": kind}));
        assert_eq!(play.say("what?"), ["again"]);
        assert!(play.say(answer).is_empty());
        assert_eq!(play.variable("v"), value);
    }
}

#[test]
fn the_next_page_is_shown_when_asked_for() {
    let option = |n: usize| json!({"id": format!("o{n}"), "title": format!("Fruit {n}")});
    let options = |from: usize, to: usize| (from..to).map(option).collect::<Vec<_>>();
    let sections = json!([
        {"title": "First", "options": options(0, 7)}, {"title": "Then", "options": options(7, 12)}
    ]);
    let data = json!({
        "text": "Which?", "button": "Open", "variable": "v", "sections": sections,
        "timeout_minutes": 5
    });
    let nodes = json!([["q", "list", data], ["ok", "text", {"text": "got {{ v }}"}]]);
    let mut play = Play::of(nodes, json!([["start", "next", "q"], ["q", "option:o10", "ok"]]));
    play.say("hi");
    let shown = play.later(60).press("q.1.o9+", "More…");
    assert_eq!(shown.len(), 1, "the clock keeps running: {shown:?}");
    let list: Value = serde_json::from_str(&shown[0]).unwrap();
    assert_eq!(list["sections"].as_array().unwrap().len(), 1);
    let ids: Vec<&str> = list["sections"][0]["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| option["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["q.2-0.o9", "q.2-0.o10", "q.2-0.o11"]);
    assert!(play.is(Waiting));
    assert_eq!(play.press("q.2-0.o10", "Fruit 10"), ["clear timers", "got Fruit 10"]);
    // The first page can still be pressed, and numbers count over all pages.
    let nodes = json!([["q", "list", data], ["ok", "text", {"text": "got {{ v }}"}]]);
    let mut play = Play::of(nodes, json!([["start", "next", "q"], ["q", "option:o10", "ok"]]));
    play.say("hi");
    play.press("q.1.o9+", "More…");
    assert_eq!(play.say("11"), ["clear timers", "got Fruit 10"]);
}

#[test]
fn a_reminder_that_is_no_template_is_told_with_its_place() {
    let reminders =
        json!([{"after_minutes": 5, "text": "fine"}, {"after_minutes": 6, "text": "{{"}]);
    let data = json!({"prompt": "?", "variable": "v", "follow_ups": reminders});
    let edges = json!([["start", "next", "q"]]);
    let findings = Flows::new().check(&document(json!([["q", "input", data]]), edges));
    let told: Vec<(&str, &str)> =
        findings.iter().map(|finding| (finding.code.as_str(), finding.path.as_str())).collect();
    assert!(told.contains(&("invalid_template", "/nodes/1/data/follow_ups/1/text")), "{told:?}");
}
