//! The node that sends mails.

use justping_core::memory::MemoryCorrespondence;
use justping_core::model::{CallResult, FailureKind, SessionStatus};
use justping_core::port::{Letter, LetterError};
use serde_json::{Value, json};

use crate::play::Play;

fn play(data: &Value) -> Play {
    Play::of(
        json!([["n", "send_email", data], ["ok", "text", {"text": "sent"}],
            ["bad", "text", {"text": "not sent: {{ email_error }}"}]]),
        json!([["start", "next", "n"], ["n", "next", "ok"], ["n", "error", "bad"]]),
    )
}

#[tokio::test]
async fn a_letter_is_written_and_the_flow_goes_on() {
    let letters = MemoryCorrespondence::new();
    let mut play = play(&json!({
        "to": "{{ contact.name | lower }}@example.org", "subject": "Plan {{ contact.fields.plan }}",
        "text": "Dear {{ contact.name }}", "html": "<p>Dear {{ contact.name }}</p>"
    }));
    assert_eq!(play.say("hi"), [format!("call {} of n", play.call().token)]);
    assert_eq!(letters.letters(), []);
    assert_eq!(play.perform_by(&letters).await, ["sent"]);
    assert!(play.is(SessionStatus::Completed));
    let letter = Letter {
        to: Some("ada@example.org".to_owned()),
        channel: None,
        subject: "Plan Pro".to_owned(),
        text: "Dear Ada".to_owned(),
        html: Some("<p>Dear Ada</p>".to_owned()),
    };
    assert_eq!(letters.letters(), [letter]);
}

#[tokio::test]
async fn without_an_address_it_is_the_contacts() {
    let letters = MemoryCorrespondence::new();
    let mut play = play(&json!({"subject": "s", "text": "t", "html": " "}));
    play.say("hi");
    play.perform_by(&letters).await;
    let letter = Letter { subject: "s".to_owned(), text: "t".to_owned(), ..Letter::default() };
    assert_eq!(letters.letters(), [letter]);
}

#[tokio::test]
async fn what_is_refused_leaves_by_error_with_its_code() {
    for (error, code) in [
        (LetterError::NoAddress, "no_address"),
        (LetterError::InvalidAddress, "invalid_address"),
        (LetterError::NoChannel, "no_channel"),
        (LetterError::SeveralChannels, "several_channels"),
        (LetterError::Denied(FailureKind::OptedOut), "opted_out"),
        (LetterError::Denied(FailureKind::InvalidRecipient), "denied"),
        (LetterError::Unavailable("busy".to_owned()), "unavailable"),
    ] {
        let letters = MemoryCorrespondence::new();
        letters.refuse(error);
        let mut play = play(&json!({"subject": "s", "text": "t"}));
        play.say("hi");
        assert_eq!(play.perform_by(&letters).await, [format!("not sent: {code}")]);
        assert!(play.is(SessionStatus::Completed));
        assert_eq!(letters.letters(), []);
    }
}

#[test]
fn a_template_that_gives_no_address_asks_nobody() {
    let mut play = play(&json!({"to": "{{ nothing }}", "subject": "s", "text": "t"}));
    assert_eq!(play.say("hi"), ["not sent: no_address"]);
}

#[test]
fn messages_meanwhile_go_unheard() {
    let mut play = play(&json!({"subject": "s", "text": "t"}));
    play.say("hi");
    let token = play.call().token;
    assert_eq!(play.say("are you there?"), [""; 0]);
    assert_eq!(play.call_done(&token, CallResult::Ok(json!({}))), ["sent"]);
}
