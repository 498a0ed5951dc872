use std::time::Duration;

use super::super::error::{Action, CLOUD_DOC, GRAPH_DOC, RULES, failure, rule, send_error};
use super::super::wire::{Fault, Maybe};
use crate::http::Answer;
use justping_core::model::FailureKind;
use justping_core::port::SendError;
use serde_json::{Value, json};

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, body: Some(body.as_bytes().to_vec()) }
}

fn coded(status: u16, code: i64) -> SendError {
    send_error(&answer(status, &json!({ "error": { "code": code, "message": "m" } }).to_string()))
}

/// The table as the research lists it: codes of each action.
const EXPECTED: &[(Action, &[i64])] = &[
    (Action::SlowDown, &[4, 80007, 130_429]),
    (Action::Retry(Some(6)), &[131_056]),
    (Action::Retry(None), &[1, 2, 131_000, 131_016]),
    (Action::Retry(Some(60)), &[131_057]),
    (
        Action::Reject,
        &[
            131_048, 131_064, 368, 131_031, 130_497, 131_042, 131_045, 131_037, 131_049, 130_472,
            131_050,
        ],
    ),
    (Action::BadRecipient, &[131_026, 131_021, 131_030, 131_062, 137_000]),
    (Action::UseTemplate, &[131_047]),
    (Action::Reject, &[131_051, 131_052, 131_053, 131_008, 131_009, 100, 33, 135_000]),
    (
        Action::Reject,
        &[132_000, 132_001, 132_005, 132_007, 132_008, 132_012, 132_015, 132_016, 132_068],
    ),
    (Action::Retry(Some(360)), &[132_069]),
    (Action::Reconnect, &[0, 3, 10, 190, 200, 250, 299, 131_005]),
    (Action::Reject, &[133_016]),
];

#[test]
fn the_table_is_the_researched_one_and_in_order() {
    for (action, codes) in EXPECTED {
        for code in *codes {
            assert_eq!(rule(*code).map(|rule| rule.action), Some(*action), "{code}");
        }
    }
    for pair in RULES.windows(2) {
        assert!(pair[0].last < pair[1].first, "{} before {}", pair[0].last, pair[1].first);
    }
    for rule in RULES {
        assert!(rule.doc == CLOUD_DOC || rule.doc == GRAPH_DOC);
        assert!(rule.first <= rule.last && !rule.meaning.is_empty());
    }
    for unknown in [-1, 5, 199, 300, 131_001, 999_999] {
        assert!(rule(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn each_action_is_one_error() {
    for rule in RULES {
        let error = coded(400, rule.first);
        let code = Some(rule.first.to_string());
        let expected = match rule.action {
            Action::Retry(seconds) => SendError::Retry {
                after: seconds.map(Duration::from_secs),
                detail: rule.meaning.to_owned(),
            },
            Action::SlowDown => SendError::RateLimited { after: None },
            Action::UseTemplate => SendError::WindowClosed { code },
            Action::BadRecipient => SendError::InvalidRecipient { code },
            Action::Reject => SendError::Rejected { code, reason: format!("{} (m)", rule.meaning) },
            Action::Reconnect => SendError::Unauthorized { code },
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn the_status_decides_where_no_code_does() {
    let by_status = |status| send_error(&answer(status, "<html>"));
    assert_eq!(by_status(401), SendError::Unauthorized { code: None });
    assert_eq!(by_status(403), SendError::Unauthorized { code: None });
    assert_eq!(by_status(429), SendError::RateLimited { after: None });
    assert!(matches!(by_status(503), SendError::Retry { .. }));
    for maybe_sent in [200, 202, 408, 500, 502, 504] {
        assert!(matches!(by_status(maybe_sent), SendError::Unknown { .. }), "{maybe_sent}");
    }
    for refused in [302, 400, 404, 413, 418] {
        assert!(matches!(by_status(refused), SendError::Rejected { code: None, .. }), "{refused}");
    }
    assert!(matches!(coded(500, 777_777), SendError::Retry { .. }), "an error document");
    let rejected = coded(400, 777_777);
    assert!(matches!(rejected, SendError::Rejected { code: Some(code), .. } if code == "777777"));
    assert!(matches!(coded(200, 777_777), SendError::Rejected { .. }));
}

#[test]
fn the_providers_wish_wins() {
    let mut answer = answer(429, &json!({ "error": { "code": 131_056 } }).to_string());
    answer.retry_after = Some(Duration::from_secs(9));
    assert!(matches!(send_error(&answer), SendError::Retry { after: Some(after), .. }
        if after == Duration::from_secs(9)));
    answer.body = None;
    let waits = SendError::RateLimited { after: Some(Duration::from_secs(9)) };
    assert_eq!(send_error(&answer), waits);
}

#[test]
fn failures_of_statuses_are_final() {
    let kind = |fault: Value| {
        let text = fault.to_string();
        let fault: Maybe<Fault<'_>> = serde_json::from_str(&text).unwrap();
        failure(fault.0.as_ref()).kind
    };
    for rule in RULES {
        let expected = match rule.action {
            Action::UseTemplate => FailureKind::WindowClosed,
            Action::BadRecipient => FailureKind::InvalidRecipient,
            Action::Reconnect => FailureKind::Unauthorized,
            Action::Retry(_) | Action::SlowDown | Action::Reject => FailureKind::Rejected,
        };
        assert_eq!(kind(json!({ "code": rule.last })), expected);
    }
    assert_eq!(kind(json!({ "code": "131026" })), FailureKind::InvalidRecipient);
    assert_eq!(kind(json!({ "code": [] })), FailureKind::Rejected);
    assert_eq!(kind(json!(null)), FailureKind::Rejected);
}

#[test]
fn the_providers_words_are_cut() {
    let text = json!({ "code": 1, "message": "x".repeat(5000) }).to_string();
    let fault: Maybe<Fault<'_>> = serde_json::from_str(&text).unwrap();
    assert!(failure(fault.0.as_ref()).detail.len() < 400);
}
