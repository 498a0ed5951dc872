//! Which of the provider's errors asks for what: one table of data.
//!
//! Errors are decided by their code, never by their title: titles change, codes do not. An error
//! that no row knows is decided by the HTTP status of the answer.

use std::time::Duration;

use justping_core::model::{Failure, FailureKind};
use justping_core::port::SendError;

use super::wire::{Fault, Maybe, Reply};
use crate::http::Answer;

/// Meta's list of the codes of the Cloud API.
pub(super) const CLOUD_DOC: &str =
    "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes";
/// Meta's list of the codes that all of the Graph API shares.
pub(super) const GRAPH_DOC: &str =
    "https://developers.facebook.com/docs/graph-api/guides/error-handling";

/// Characters of a provider's own words that are kept.
const WORDS_MAX: usize = 300;

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Try this message again, after so many seconds where the documentation names a time.
    Retry(Option<u64>),
    /// The whole number is too fast.
    SlowDown,
    /// Send a template instead.
    UseTemplate,
    /// This contact cannot be reached.
    BadRecipient,
    /// This message will never be taken as it is.
    Reject,
    /// The credentials or permissions are at fault.
    Reconnect,
}

/// One row of the table: a range of codes, what they ask for and where that is documented.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) action: Action,
    /// What the code means, for people.
    pub(super) meaning: &'static str,
    /// Where it is documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the readers of the table"))]
    pub(super) doc: &'static str,
}

const fn cloud(code: i64, action: Action, meaning: &'static str) -> Rule {
    Rule { first: code, last: code, action, meaning, doc: CLOUD_DOC }
}

const fn graph(code: i64, action: Action, meaning: &'static str) -> Rule {
    Rule { first: code, last: code, action, meaning, doc: GRAPH_DOC }
}

/// Seconds between two messages to the same person.
const PAIR_SECONDS: u64 = 6;
/// Seconds that an upgrade of a number's throughput takes at most.
const UPGRADE_SECONDS: u64 = 60;
/// Seconds between two messages of a throttled flow: ten an hour.
const FLOW_SECONDS: u64 = 360;

/// The table, by code.
pub(super) const RULES: &[Rule] = &[
    graph(0, Action::Reconnect, "the access token does not authenticate"),
    graph(1, Action::Retry(None), "the provider has an unknown problem"),
    graph(2, Action::Retry(None), "the provider is temporarily down"),
    graph(3, Action::Reconnect, "the app lacks the capability"),
    graph(4, Action::SlowDown, "the app makes too many calls"),
    graph(10, Action::Reconnect, "the app lacks the permission"),
    graph(17, Action::SlowDown, "the user makes too many calls"),
    graph(32, Action::SlowDown, "the page makes too many calls"),
    cloud(33, Action::Reject, "the business phone number was deleted"),
    graph(100, Action::Reject, "a parameter is missing or wrong"),
    graph(190, Action::Reconnect, "the access token has expired"),
    Rule {
        first: 200,
        last: 299,
        action: Action::Reconnect,
        meaning: "a permission was not granted or was removed",
        doc: GRAPH_DOC,
    },
    cloud(368, Action::Reject, "the account is blocked for a policy violation"),
    graph(613, Action::SlowDown, "the app makes too many calls"),
    graph(803, Action::Reject, "the phone number id does not exist"),
    cloud(80007, Action::SlowDown, "the business account makes too many calls"),
    cloud(130_429, Action::SlowDown, "the number sends too fast"),
    cloud(130_472, Action::Reject, "the contact is part of an experiment and gets no marketing"),
    cloud(130_497, Action::Reject, "the account may not message this country"),
    cloud(131_000, Action::Retry(None), "the provider has an unknown problem"),
    cloud(131_005, Action::Reconnect, "a permission was not granted or was removed"),
    cloud(131_008, Action::Reject, "a required parameter is missing"),
    cloud(131_009, Action::Reject, "a parameter has a wrong value"),
    cloud(131_016, Action::Retry(None), "the provider is temporarily down"),
    cloud(131_021, Action::BadRecipient, "the number cannot message itself"),
    cloud(131_026, Action::BadRecipient, "the message cannot be delivered to this contact"),
    cloud(131_030, Action::BadRecipient, "the contact is not on the test number's list"),
    cloud(131_031, Action::Reject, "the account is locked"),
    cloud(131_037, Action::Reject, "the display name is not approved"),
    cloud(131_042, Action::Reject, "the account has a payment problem"),
    cloud(131_045, Action::Reject, "the number is not registered correctly"),
    cloud(131_047, Action::UseTemplate, "the customer-service window is closed"),
    cloud(131_048, Action::Reject, "the number is limited for spam"),
    cloud(131_049, Action::Reject, "the contact got enough marketing for now"),
    // The contact still wants answers, so this is no opt-out of the whole channel.
    cloud(131_050, Action::Reject, "the contact stopped marketing messages"),
    cloud(131_051, Action::Reject, "the type of message is not supported"),
    cloud(131_052, Action::Reject, "the media could not be downloaded"),
    cloud(131_053, Action::Reject, "the media could not be uploaded"),
    cloud(131_056, Action::Retry(Some(PAIR_SECONDS)), "too many messages to this contact"),
    cloud(131_057, Action::Retry(Some(UPGRADE_SECONDS)), "the number is under maintenance"),
    cloud(131_062, Action::BadRecipient, "this message needs a phone number"),
    cloud(131_064, Action::Reject, "the account is limited for template violations"),
    cloud(132_000, Action::Reject, "the number of template parameters is wrong"),
    cloud(132_001, Action::Reject, "the template does not exist in this language"),
    cloud(132_005, Action::Reject, "the template's text is too long when filled in"),
    cloud(132_007, Action::Reject, "the template violates a policy"),
    cloud(132_008, Action::Reject, "a template parameter has the wrong format"),
    cloud(132_012, Action::Reject, "a template parameter has the wrong format"),
    cloud(132_015, Action::Reject, "the template is paused"),
    cloud(132_016, Action::Reject, "the template is disabled"),
    cloud(132_068, Action::Reject, "the flow is blocked"),
    cloud(132_069, Action::Retry(Some(FLOW_SECONDS)), "the flow is throttled"),
    cloud(133_016, Action::Reject, "the number was registered too often"),
    cloud(135_000, Action::Reject, "the provider has an unknown problem with this message"),
    cloud(137_000, Action::BadRecipient, "the contact's identity key has changed"),
];

/// The row of a code.
pub(super) fn rule(code: i64) -> Option<&'static Rule> {
    RULES.iter().find(|rule| (rule.first..=rule.last).contains(&code))
}

/// Sorts an answer that is no success.
pub(super) fn send_error(answer: &Answer) -> SendError {
    let body = answer.body.as_deref().unwrap_or_default();
    let reply = serde_json::from_slice::<Maybe<Reply<'_>>>(body).ok().and_then(|reply| reply.0);
    let fault = reply.as_ref().and_then(|reply| reply.error.0.as_ref());
    let Some(fault) = fault else {
        return by_status(answer, None, None);
    };
    let code = fault.code.owned();
    match code.as_deref().and_then(|code| code.parse().ok()).and_then(rule) {
        Some(rule) => by_rule(rule, answer, code, words(fault)),
        None => by_status(answer, code, words(fault)),
    }
}

fn by_rule(rule: &Rule, answer: &Answer, code: Option<String>, words: Option<String>) -> SendError {
    match rule.action {
        Action::Retry(seconds) => SendError::Retry {
            after: answer.retry_after.or(seconds.map(Duration::from_secs)),
            detail: rule.meaning.to_owned(),
        },
        Action::SlowDown => SendError::RateLimited { after: answer.retry_after },
        Action::UseTemplate => SendError::WindowClosed { code },
        Action::BadRecipient => SendError::InvalidRecipient { code },
        Action::Reject => SendError::Rejected { code, reason: sentence(rule.meaning, words) },
        Action::Reconnect => SendError::Unauthorized { code },
    }
}

/// Decides by the HTTP status. An error document proves that nothing was sent; a bare 5xx may come
/// from a gateway behind which the message went on, except 503, with which one is turned away.
fn by_status(answer: &Answer, code: Option<String>, words: Option<String>) -> SendError {
    let detail = format!("the provider answered {}", answer.status);
    match answer.status {
        401 | 403 => SendError::Unauthorized { code },
        429 => SendError::RateLimited { after: answer.retry_after },
        503 => SendError::Retry { after: answer.retry_after, detail },
        500..=599 if code.is_some() => SendError::Retry { after: answer.retry_after, detail },
        200..=299 if code.is_none() => SendError::Unknown { detail },
        408 | 500..=599 => SendError::Unknown { detail },
        _ => SendError::Rejected { code, reason: sentence(&detail, words) },
    }
}

/// The failure that a status reports.
pub(super) fn failure(fault: Option<&Fault<'_>>) -> Failure {
    let code = fault.and_then(|fault| fault.code.owned());
    let rule = code.as_deref().and_then(|code| code.parse().ok()).and_then(rule);
    let kind = match rule.map(|rule| rule.action) {
        Some(Action::UseTemplate) => FailureKind::WindowClosed,
        Some(Action::BadRecipient) => FailureKind::InvalidRecipient,
        Some(Action::Reconnect) => FailureKind::Unauthorized,
        // The provider gave up: what it would have asked for before then no longer matters.
        Some(Action::Retry(_) | Action::SlowDown | Action::Reject) | None => FailureKind::Rejected,
    };
    let meaning = rule.map_or("the provider could not deliver the message", |rule| rule.meaning);
    Failure { kind, code, detail: sentence(meaning, fault.and_then(words)) }
}

/// What the provider itself says: its details, else its message, else its title.
fn words(fault: &Fault<'_>) -> Option<String> {
    let details = fault.error_data.0.as_ref().and_then(|data| data.details.filled());
    let text = details.or(fault.message.filled()).or(fault.title.filled())?;
    Some(text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect())
}

fn sentence(meaning: &str, words: Option<String>) -> String {
    match words {
        Some(words) => format!("{meaning} ({words})"),
        None => meaning.to_owned(),
    }
}
