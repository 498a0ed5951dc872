use super::super::webhook::{BODY_MAX, CHALLENGE_MAX};
use super::{RECEIVER, SECRET, at_once, message_hook, post, sign};
use justping_core::port::{Channel, HttpMethod, ReceiveError, Received, WebhookRequest};
use serde_json::json;

fn subscribe(query: &[(&str, &str)]) -> Result<Received, ReceiveError> {
    let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    at_once(RECEIVER.receive(&WebhookRequest {
        method: HttpMethod::Get,
        query: &query,
        headers: &[],
        body: b"",
    }))
}

#[test]
fn a_challenge_is_answered_for_whoever_knows_the_token() {
    let (mode, token, text) =
        (("hub.mode", "subscribe"), ("hub.verify_token", "open sesame"), ("hub.challenge", "1158"));
    assert_eq!(subscribe(&[mode, token, text]), Ok(Received::Challenge("1158".to_owned())));
    let refused = Err(ReceiveError::Unauthorized);
    assert_eq!(subscribe(&[mode, text]), refused);
    assert_eq!(subscribe(&[mode, ("hub.verify_token", ""), text]), refused);
    assert_eq!(subscribe(&[mode, ("hub.verify_token", "open sesam"), text]), refused);
    assert_eq!(subscribe(&[mode, ("hub.verify_token", "open sesame "), text]), refused);
    assert_eq!(subscribe(&[("hub.mode", "unsubscribe"), token, text]), refused);
    assert_eq!(subscribe(&[token, text]), refused);
    assert!(matches!(subscribe(&[mode, token]), Err(ReceiveError::Malformed(_))));
    let long = "1".repeat(CHALLENGE_MAX + 1);
    assert_eq!(subscribe(&[mode, token, ("hub.challenge", &long)]), Err(ReceiveError::TooLarge));
}

#[test]
fn only_the_secret_signs() {
    let body = message_hook(json!({ "type": "text", "text": { "body": "h\u{e9}" } })).to_string();
    let body = body.as_bytes();
    let good = sign(SECRET, body);
    assert!(post(&RECEIVER, body, &good).is_ok());
    assert!(post(&RECEIVER, body, &good.to_uppercase().replace("SHA256", "sha256")).is_ok());
    let wrong = [
        String::new(),
        "sha256=".to_owned(),
        good.trim_start_matches("sha256=").to_owned(),
        good.replace("sha256=", "sha1="),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        format!(" {good}"),
        good.replace(|c: char| c.is_ascii_digit(), "g"),
        format!("sha256={}", "\u{e9}".repeat(32)),
        sign("another secret", body),
        sign(SECRET, b"another body"),
        sign(SECRET, &[body, b" "].concat()),
    ];
    for header in wrong {
        assert_eq!(post(&RECEIVER, body, &header), Err(ReceiveError::Unauthorized), "{header}");
    }
    let unsigned = WebhookRequest { method: HttpMethod::Post, query: &[], headers: &[], body };
    assert_eq!(at_once(RECEIVER.receive(&unsigned)), Err(ReceiveError::Unauthorized));
}

#[test]
fn any_flipped_bit_of_body_or_signature_is_noticed() {
    let body = message_hook(json!({ "type": "text", "text": { "body": "hi" } })).to_string();
    let header = sign(SECRET, body.as_bytes());
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        assert_eq!(post(&RECEIVER, &changed, &header), Err(ReceiveError::Unauthorized));
    }
    for at in "sha256=".len()..header.len() {
        let digit = if &header[at..=at] == "0" { "1" } else { "0" };
        let changed = format!("{}{digit}{}", &header[..at], &header[at + 1..]);
        assert_eq!(post(&RECEIVER, body.as_bytes(), &changed), Err(ReceiveError::Unauthorized));
    }
}

#[test]
fn a_giant_is_turned_away_before_it_is_hashed() {
    let giant = vec![b' '; BODY_MAX + 1];
    assert_eq!(post(&RECEIVER, &giant, "sha256="), Err(ReceiveError::TooLarge));
}
