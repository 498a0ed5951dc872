//! What a channel cannot show at once comes page by page, and the linter says so beforehand.

use std::sync::Arc;

use justping::agents::{Flows, channel_limits, known_channels};
use justping::model::{Choice, Content};
use justping::port::Capabilities;
use justping::stage::Stage;
use serde_json::{Value, json};

fn fruits(count: usize) -> Value {
    let options: Vec<Value> = (1..=count)
        .map(|n| json!({"id": format!("f{n}"), "title": format!("Fruit {n}")}))
        .collect();
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "ask", "type": "buttons",
             "data": {"text": "Which?", "options": options, "variable": "fruit"}},
            {"id": "got", "type": "text", "data": {"text": "You get {{ fruit }}."}}
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "ask"},
            {"id": "2", "source": "ask", "sourceHandle": format!("option:f{count}"), "target": "got"}
        ]
    })
}

fn rows(content: &Content) -> Vec<Choice> {
    let Content::List { sections, .. } = content else { panic!("{content:?}") };
    sections.iter().flat_map(|section| section.options.clone()).collect()
}

#[tokio::test]
async fn a_contact_turns_the_pages_of_a_long_list() {
    let document = fruits(25);
    let stage =
        Stage::builder(Arc::new(Flows::new())).open(std::slice::from_ref(&document)).await.unwrap();
    let mut sent = stage.say("ann", "hi").await.unwrap();
    let mut seen = Vec::new();
    for page in 1..=3 {
        let rows = rows(&sent.last().unwrap().content);
        let more = rows.last().unwrap().clone();
        let is_last = more.title != "More…";
        assert_eq!((rows.len(), is_last), if page < 3 { (10, false) } else { (7, true) });
        let shown = if is_last { &rows[..] } else { &rows[..rows.len() - 1] };
        seen.extend(shown.iter().map(|row| row.title.clone()));
        let pressed = Content::Reply { option: more.id, title: more.title };
        sent = stage.hear("ann", pressed).await.unwrap();
    }
    let all: Vec<String> = (1..=25).map(|n| format!("Fruit {n}")).collect();
    assert_eq!(seen, all, "every option is on one page");
    assert_eq!(sent.last().unwrap().content.plain(), "You get Fruit 25.");

    let notes = Flows::new().channel_notes(&document, "whatsapp");
    assert_eq!(notes[0].message, "WhatsApp: the options come as a list, page by page");
}

#[test]
fn the_linter_knows_the_limits_that_adapters_have() {
    let same = |kind: &str, adapter: &Capabilities| {
        let known = channel_limits(kind).unwrap();
        let Capabilities { service_window, templates, echoes_key, .. } = *adapter;
        let rate = adapter.rate;
        let known = Capabilities { service_window, templates, echoes_key, rate, ..known };
        assert_eq!(&known, adapter);
    };
    #[cfg(feature = "whatsapp")]
    same("whatsapp", &justping::channels::whatsapp::CAPABILITIES);
    #[cfg(feature = "webchat")]
    same("webchat", &justping::channels::webchat::CAPABILITIES);
    let _ = same;
    assert!(known_channels().count() >= 4);
}
