//! What is counted, by day.

use jiff::SignedDuration;
use justping::model::{DeliveryStatus, Inbound, StatusUpdate};
use serde_json::{Value, json};

use crate::platform::Platform;

const PATH: &str = "/analytics/messages?from=2026-01-04&to=2026-01-07";

/// Asks for four days and gives one of them.
async fn day(platform: &Platform, query: &str, number: usize) -> Value {
    let answer = platform.viewer.get(&format!("{PATH}{query}")).await.expect(200).json();
    let days = answer["days"].as_array().unwrap();
    let asked = ["2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07"];
    assert_eq!(days.iter().map(|day| &day["day"]).collect::<Vec<_>>(), asked);
    days[number].clone()
}

/// A day on which nothing happened but this.
fn only(day: &str, happened: &Value) -> Value {
    let mut all = json!({"day": day, "received": 0, "sent": 0, "delivered": 0, "read": 0,
        "failed": 0, "conversations_opened": 0, "conversations_closed": 0});
    all.as_object_mut().unwrap().extend(happened.as_object().unwrap().clone());
    all
}

async fn messages_are_counted_by_day(platform: Platform) {
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    let quiet = platform.memory_channel(None).await;
    for (line, reference) in [(&channel, "1"), (&channel, "1"), (&quiet, "1"), (&quiet, "2")] {
        platform.hear(line, "ann", reference, "hello").await;
    }
    platform.settle().await;
    let expected = json!({"received": 3, "sent": 1, "conversations_opened": 2});
    assert_eq!(day(&platform, "", 1).await, only("2026-01-05", &expected));
    let expected = json!({"received": 2, "conversations_opened": 1});
    let query = format!("&channel_id={quiet}");
    assert_eq!(day(&platform, &query, 1).await, only("2026-01-05", &expected));

    platform.clock.advance(SignedDuration::from_hours(24));
    let conversations = platform.owner.get(&format!("/conversations?channel_id={channel}")).await;
    let id = conversations.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/conversations/{id}");
    let messages = platform.owner.get(&format!("{path}/messages")).await.json();
    let sent = &messages["items"][0];
    assert_eq!(sent["status"], "sent");
    for status in [DeliveryStatus::Read, DeliveryStatus::Delivered, DeliveryStatus::Read] {
        let news = StatusUpdate {
            provider_ref: sent["provider_ref"].as_str().unwrap_or_default().to_owned(),
            key: Some(format!("{id}.{}", sent["seq"])),
            status,
            at: None,
            failure: None,
        };
        let channel = channel.parse().unwrap();
        let news = vec![Inbound::Status(news)];
        platform.jp().receive(platform.business, channel, news).await.unwrap();
    }
    platform.owner.post(&format!("{path}/close"), json!({})).await.expect(200);
    let expected = json!({"delivered": 1, "read": 1, "conversations_closed": 1});
    assert_eq!(day(&platform, "", 2).await, only("2026-01-06", &expected));
    let today = platform.owner.get("/analytics/messages").await.expect(200).json();
    let days = today["days"].as_array().unwrap();
    assert_eq!((days.len(), &days[29]["day"]), (30, &json!("2026-01-06")));
    assert_eq!(days[28]["received"], 3);
}

async fn counters_of_another_business_are_not_shown(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    let stranger = &platform.stranger;
    let theirs = stranger.get(PATH).await.expect(200).json();
    assert_eq!(theirs["days"][1], only("2026-01-05", &json!({})));
    for id in [channel.as_str(), "chn_x", "%00", ""] {
        stranger.get(&format!("{PATH}&channel_id={id}")).await.problem(404, "not_found");
    }
}

async fn what_are_no_days_is_refused(platform: Platform) {
    let owner = &platform.owner;
    let path = |query: &str| format!("/analytics/messages?{query}");
    for query in [
        "from=2026-01-07&to=2026-01-06",
        "from=2025-01-01&to=2026-01-02",
        "from=-009999-01-01&to=9999-12-31",
    ] {
        let problem = owner.get(&path(query)).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], "from");
    }
    owner.get(&path("from=2025-01-02&to=2026-01-02")).await.expect(200);
    for query in ["from=2026-02-30", "from=yesterday", "to=", "from=1767603600", "day=2026-01-01"] {
        owner.get(&path(query)).await.problem(400, "malformed");
    }
}

on_every_store!(
    messages_are_counted_by_day,
    counters_of_another_business_are_not_shown,
    what_are_no_days_is_refused,
);
