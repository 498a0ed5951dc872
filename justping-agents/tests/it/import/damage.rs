//! Damaged sources give an error or a whole report, never a panic, and no broken document.

use justping_agents::import::{Format, import};
use justping_core::port::FlowRuntime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::count::{assert_nothing_lost, flows, is_broken};
use super::fixture;
use crate::generate::{any_json, part};

fn other() -> impl Strategy<Value = Value> {
    let odd = [
        json!(""),
        json!(" "),
        json!("{{"),
        json!("{% if x %}{{ y }}"),
        json!("{{ a | upcase }} {{=1}} }}"),
        json!("@(flow.x) @contact.name @("),
        json!("\u{0}\n"),
        json!("x".repeat(300)),
        json!(["a", {"id": "a", "type": "text"}]),
        json!(1e300),
        json!(-1),
        json!("99999999999999999999"),
        json!("start"),
        json!("text input"),
        json!("choice input"),
    ];
    prop_oneof![1 => any_json(), 2 => prop::sample::select(odd.to_vec())]
}

fn damaged(sources: Vec<Value>) -> impl Strategy<Value = Value> {
    let way = prop::collection::vec(any::<prop::sample::Index>(), 1..9);
    let damage = prop::collection::vec((way, other()), 1..5);
    (prop::sample::select(sources), damage).prop_map(|(mut source, damage)| {
        for (way, other) in damage {
            *part(&mut source, &way) = other;
        }
        source
    })
}

fn check(format: Option<Format>, source: &Value) {
    let Ok(import) = import(format, source) else { return };
    assert_nothing_lost("damaged", source, &import);
    let findings = flows().check(&import.document);
    let broken = findings.iter().find(|finding| is_broken(finding));
    assert!(broken.is_none(), "{broken:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_sources_are_survived(source in damaged(fixture::all())) {
        check(None, &source);
    }

    #[test]
    fn any_json_is_survived(
        source in any_json(),
        format in prop::sample::select(vec![Format::Typebot, Format::Twilio, Format::Floip]),
    ) {
        check(Some(format), &source);
    }
}
