//! Nodes about the contact and the people who answer it.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::collections::BTreeSet;

use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::model::{GROUPS_OF_CONTACT_MAX, GroupId};
use justping_core::port::{Effect, Severity};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::play::{Play, document};
use crate::{Flows, replay};

fn one(kind: &str, data: Value) -> Play {
    Play::of(json!([["n", kind, data]]), json!([["start", "next", "n"]]))
}

fn patch(play: &Play) -> Value {
    let patch = |effect: &Effect| match effect {
        Effect::UpdateContact { patch } => Some(serde_json::to_value(patch).unwrap()),
        _ => None,
    };
    play.effects.iter().find_map(patch).unwrap_or_default()
}

#[test]
fn what_a_node_notes_of_the_contact_the_next_one_reads() {
    let note = json!({
        "name": " {{ message.text }} ", "locale": "pt-BR", "time_zone": "Europe/Lisbon",
        "fields": {"plan": "{{ contact.fields.plan }}+", "age": {"variable": "n"}, "old": null, "on": true},
        "add_tags": ["new", "{{ nothing }}"], "remove_tags": ["vip"]
    });
    let nodes = json!([
        ["set", "set", {"assignments": [{"variable": "n", "json": 36}]}],
        ["note", "contact", note],
        ["say", "text", {"text": "{{ contact.name }} {{ contact.fields.plan }} {{ contact.fields.age }} {{ contact.tags|join }}"}]
    ]);
    let edges = json!([["start", "next", "set"], ["set", "next", "note"], ["note", "next", "say"]]);
    let mut play = Play::of(nodes, edges);
    assert_eq!(play.say("Grace"), ["update contact", "Grace Pro+ 36 new"]);
    assert_eq!(
        patch(&play),
        json!({
            "name": "Grace", "locale": "pt-BR", "time_zone": "Europe/Lisbon",
            "fields": {"plan": "Pro+", "age": 36, "old": null, "on": true},
            "add_tags": ["new"], "remove_tags": ["vip"]
        })
    );
}

const VIPS: &str = "grp_00000000000000000000000001";
const GUESTS: &str = "grp_00000000000000000000000002";

#[test]
fn a_contact_moves_between_groups_and_conditions_see_it() {
    let ask = |group: &str| json!({"field": "contact.groups", "op": "contains", "value": group});
    let nodes = json!([
        ["guest", "condition", {"condition": ask(GUESTS)}],
        ["note", "contact", {"join_groups": [VIPS], "leave_groups": [GUESTS]}],
        ["switch", "switch", {"cases": [
            {"id": "vip", "condition": {"all": [ask(VIPS), {"not": ask(GUESTS)}]}}
        ]}],
        ["say", "text", {"text": "{{ contact.groups|join }}"}]
    ]);
    let edges = json!([
        ["start", "next", "guest"],
        ["guest", "true", "note"],
        ["note", "next", "switch"],
        ["switch", "option:vip", "say"]
    ]);
    let mut play = Play::of(nodes, edges);
    play.groups = [GUESTS.parse().unwrap()].into();
    assert_eq!(play.say("x"), ["update contact", VIPS]);
    assert_eq!(patch(&play), json!({"join_groups": [VIPS], "leave_groups": [GUESTS]}));
    replay(&*play.program, play.trace).unwrap();
}

#[test]
fn a_contact_in_all_the_groups_it_may_be_in_fails_the_node() {
    let mut play = one("contact", json!({"join_groups": [VIPS]}));
    let groups =
        (10..10 + GROUPS_OF_CONTACT_MAX as u128).map(|n| GroupId::from_uuid(Uuid::from_u128(n)));
    play.groups = groups.collect();
    play.say("x");
    assert_eq!(play.status, Failed);
}

/// Groups are warned of at their nodes, wherever they are named, once the business is known.
#[test]
fn groups_that_are_not_there_are_told() {
    let ask = json!({"field": "contact.groups", "op": "in", "value": [GUESTS, "vip"]});
    let nodes = json!([
        ["note", "contact", {"join_groups": [VIPS], "leave_groups": [GUESTS]}],
        ["if", "condition", {"condition": {"any": [{"not": ask}]}}]
    ]);
    let document = document(nodes, json!([["start", "next", "note"], ["note", "next", "if"]]));
    let flows = Flows::new();
    let known = BTreeSet::from([VIPS.parse().unwrap()]);
    let all = BTreeSet::from([VIPS.parse().unwrap(), GUESTS.parse().unwrap()]);
    assert_eq!(flows.groups(&document), all);
    assert_eq!(flows.check_groups(&document, &all), []);
    let told: Vec<_> = flows
        .check_groups(&document, &known)
        .into_iter()
        .map(|one| (one.code, one.node.unwrap(), one.severity))
        .collect();
    let warning = |node: &str| ("missing_group".to_owned(), node.to_owned(), Severity::Warning);
    assert_eq!(told, [warning("note"), warning("if")]);
    assert_eq!(flows.check_groups(&json!(7), &known), []);
}

#[test]
fn a_contact_that_is_left_as_it_is_is_not_written() {
    let mut play = one("contact", json!({"name": "{{ nothing }}"}));
    assert!(play.say("hi").is_empty());
    assert!(play.is(Completed));
}

#[test]
fn silence_is_for_the_channel_of_the_conversation() {
    let mut play = one("contact", json!({"opt_out": true}));
    play.say("hi");
    assert_eq!(patch(&play), json!({"opt_out": ["memory"]}));
}

#[test]
fn what_a_contact_cannot_hold_fails_the_node() {
    for data in [
        json!({"time_zone": "Mars/{{ message.text }}"}),
        json!({"add_tags": ["{{ message.text }}"]}),
        json!({"fields": {"a": "{{ message.text }}{{ message.text }}"}}),
    ] {
        let mut play = one("contact", data.clone());
        assert!(play.say(&"x".repeat(4_097)).is_empty(), "{data}");
        assert!(play.is(Failed), "{data}");
    }
}

#[test]
fn a_split_tells_which_arm_the_contact_met_and_takes_it() {
    let data = json!({
        "experiment": "prices", "variable": "arm",
        "arms": [{"id": "a", "weight": 0}, {"id": "b", "weight": 1}]
    });
    let nodes = json!([["s", "split", data], ["b", "text", {"text": "{{ arm }}"}]]);
    let edges = json!([["start", "next", "s"], ["s", "option:b", "b"]]);
    let mut play = Play::of(nodes, edges);
    let said = play.say("hi");
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("emit experiment.exposed") && said[0].contains(r#""arm":"b""#));
    assert_eq!(said[1], "b");
}

#[test]
fn business_hours_go_two_ways_and_tell_the_next_opening() {
    // Plays start on 2025-10-09, a Thursday, at 08:53:20 UTC.
    let way = |zone: &str| {
        let data = json!({
            "time_zone": zone, "next_opening_variable": "next",
            "hours": [{"days": ["thu"], "from": "09:00", "to": "17:00"}]
        });
        let nodes = json!([
            ["h", "business_hours", data],
            ["o", "text", {"text": "open"}], ["c", "text", {"text": "from {{ next }}"}]
        ]);
        let edges = json!([["start", "next", "h"], ["h", "open", "o"], ["h", "closed", "c"]]);
        Play::of(nodes, edges).say("hi").join("")
    };
    assert_eq!(way("Europe/Berlin"), "open");
    assert_eq!(way("UTC"), "from 2025-10-09T09:00:00+00:00");
    assert_eq!(way("Asia/Tokyo"), "from 2025-10-16T09:00:00+09:00");
}

#[test]
fn a_template_is_sent_with_its_parameters() {
    let data = json!({
        "template": "order_update", "language": "en_US",
        "parameters": [{"text": "{{ contact.name }}"}, {"name": "plan", "text": "{{ contact.fields.plan }}"}]
    });
    assert_eq!(
        one("send_template", data).say("hi"),
        [
            r#"{"type":"template","name":"order_update","language":"en_US","parameters":[{"text":"Ada"},{"name":"plan","text":"Pro"}]}"#
        ]
    );
}

#[test]
fn a_score_counts_at_once_and_a_comment_may_follow() {
    let data = json!({
        "text": "How was it?", "scale": 3, "labels": ["bad", "fine", "great"], "variable": "score",
        "comment": "What went wrong?", "comment_up_to": 2, "comment_variable": "why",
        "timeout_minutes": 5
    });
    let mut play = one("csat", data);
    let asked = play.say("hi");
    assert_eq!(asked[0], "How was it? [n.1.1=bad n.1.2=fine n.1.3=great]");
    let said = play.say("meh");
    assert_eq!(said[0], "How was it? [n.2.1=bad n.2.2=fine n.2.3=great]", "asked again");
    let said = play.press("n.2.2", "fine");
    assert_eq!(said[..2], [r#"emit csat.answered {"scale":3,"score":2}"#, "What went wrong?"]);
    assert_eq!(play.variable("score"), json!(2));
    assert!(play.is(Waiting));
    let said = play.say(" The queue ");
    assert!(said.contains(&r#"emit csat.commented {"comment":"The queue","score":2}"#.to_owned()));
    assert_eq!(play.variable("why"), json!("The queue"));
    assert!(play.is(Completed));
}

#[test]
fn a_good_score_needs_no_comment_and_numbers_are_understood() {
    let data = json!({"text": "?", "comment": "Why?", "comment_up_to": 3, "max_retries": 9});
    for (words, score) in [("5", 5), ("4/5", 4), ("4 stars", 4), ("a 5 out of 5!", 5)] {
        let mut play = one("csat", data.clone());
        play.say("hi");
        let said = play.say(words);
        assert_eq!(
            said,
            [format!(r#"emit csat.answered {{"scale":5,"score":{score}}}"#)],
            "{words}"
        );
        assert!(play.is(Completed));
    }
    let mut play = one("csat", data);
    play.say("hi");
    for words in ["6", "0", "4 or 3", "no", "99999999999999999999999"] {
        play.say(words);
        assert!(play.is(Waiting), "{words}");
    }
}

#[test]
fn a_comment_that_never_comes_keeps_the_score() {
    let data = json!({"text": "?", "comment": "Why?", "timeout_minutes": 5});
    let nodes = json!([["n", "csat", data], ["t", "text", {"text": "late"}], ["d", "text", {"text": "done"}]]);
    let edges = json!([["start", "next", "n"], ["n", "timeout", "t"], ["n", "next", "d"]]);
    let timer = |said: &[String]| {
        let timer = said.iter().find_map(|word| word.strip_prefix("timer ")).unwrap();
        timer.split(' ').next().unwrap().to_owned()
    };
    let mut play = Play::of(nodes.clone(), edges.clone());
    play.say("hi");
    let said = play.later(60).say("1");
    assert_eq!(said[1], "Why?");
    assert_eq!(play.timer(&timer(&said)), ["done"]);
    let mut play = Play::of(nodes, edges);
    let said = play.say("hi");
    assert_eq!(play.timer(&timer(&said)), ["late"]);
}
