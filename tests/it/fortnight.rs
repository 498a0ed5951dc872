//! Fourteen days pass without waiting, and nobody is forgotten.

use std::sync::Arc;

use jiff::SignedDuration;
use justping::agents::{Flows, replay};
use justping::model::{Content, SessionStatus};
use justping::port::FlowRuntime;
use justping::stage::Stage;
use serde_json::{Value, json};

const CONTACTS: usize = 1_000;

fn flow() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "hello", "type": "text", "data": {"text": "Welcome!"}},
            {"id": "week", "type": "wait", "data": {"amount": 7, "unit": "days"}},
            {"id": "still", "type": "text", "data": {"text": "Still there?"}},
            {"id": "more", "type": "wait", "data": {"amount": 7, "unit": "days"}},
            {"id": "bye", "type": "text", "data": {"text": "Good-bye!"}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "hello"},
            {"id": "2", "source": "hello", "target": "week"},
            {"id": "3", "source": "week", "target": "still"},
            {"id": "4", "source": "still", "target": "more"},
            {"id": "5", "source": "more", "target": "bye"},
        ],
    })
}

#[tokio::test]
async fn every_contact_is_written_to_on_its_days_and_every_session_replays() {
    let flows = Arc::new(Flows::new());
    let stage = Stage::builder(Arc::clone(&flows) as _).open(&[flow()]).await.unwrap();
    for contact in 0..CONTACTS {
        stage.drop_in(&contact.to_string(), Content::text("hi")).await.unwrap();
    }
    let day = SignedDuration::from_hours(24);
    assert_eq!(stage.advance(day * 7 - SignedDuration::from_secs(1)).await.unwrap(), 1_000);
    assert_eq!(stage.advance(SignedDuration::from_secs(1)).await.unwrap(), 1_000);
    assert_eq!(stage.advance(day * 7).await.unwrap(), 1_000);
    assert_eq!(stage.advance(day * 365).await.unwrap(), 0);

    let program = flows.compile(&flow()).unwrap();
    for contact in 0..CONTACTS {
        let sessions = stage.sessions(&contact.to_string()).await.unwrap();
        let [(session, trace)] = sessions.as_slice() else { panic!("{sessions:?}") };
        assert_eq!(session.status, SessionStatus::Completed);
        assert_eq!(trace.len(), 3);
        replay(&*program, trace.clone()).unwrap();
    }
}
