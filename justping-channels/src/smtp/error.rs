//! Which replies of mail servers ask for what: one table of data.
//!
//! Replies are decided by their code (RFC 5321, section 4.2) and, where there is one, by the enhanced
//! code in front of their words (RFC 3463), never by the words.

use std::error::Error as _;

use justping_core::model::{Failure, FailureKind};
use justping_core::port::SendError;
use lettre::transport::smtp::Error as SmtpError;

/// Reply codes.
pub(super) const REPLIES: &str = "https://www.rfc-editor.org/rfc/rfc5321#section-4.2";
/// Enhanced codes, as the register of IANA lists them.
pub(super) const ENHANCED: &str =
    "https://www.iana.org/assignments/smtp-enhanced-status-codes/smtp-enhanced-status-codes.xhtml";
/// Reply codes of authentication.
pub(super) const AUTH: &str = "https://www.rfc-editor.org/rfc/rfc4954#section-6";

/// Characters of a server's own words that are kept.
const WORDS_MAX: usize = 300;

/// Where in the dialogue a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before a mail was spoken of: greeting, encryption.
    Hello,
    /// The sender shows who it is.
    Auth,
    /// The sender's address.
    Sender,
    /// The recipient's address, or news of what became of a mail to it.
    Recipient,
    /// The mail itself.
    Data,
}

/// What a reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Try this mail again.
    Retry,
    /// The whole channel is too fast.
    SlowDown,
    /// This address gets no mail.
    BadRecipient,
    /// This mail will never be taken as it is.
    Reject,
    /// The credentials are at fault.
    Reconnect,
}

/// One row of the table: a range of replies, at one stage or at any, with an enhanced code that begins
/// so or with any. The first row that fits counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) enhanced: &'static str,
    pub(super) stage: Option<Stage>,
    pub(super) action: Action,
    /// What it means, for people.
    pub(super) meaning: &'static str,
    /// Where it is documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the readers of the table"))]
    pub(super) doc: &'static str,
}

const fn reply(code: u16, action: Action, meaning: &'static str) -> Rule {
    Rule { first: code, last: code, enhanced: "", stage: None, action, meaning, doc: REPLIES }
}

const fn enhanced(enhanced: &'static str, action: Action, meaning: &'static str) -> Rule {
    Rule { first: 500, last: 599, enhanced, stage: None, action, meaning, doc: ENHANCED }
}

const fn at(
    stage: Stage,
    (first, last): (u16, u16),
    action: Action,
    meaning: &'static str,
) -> Rule {
    Rule { first, last, enhanced: "", stage: Some(stage), action, meaning, doc: REPLIES }
}

/// The table.
pub(super) static RULES: &[Rule] = &[
    Rule {
        first: 400,
        last: 499,
        enhanced: "4.7.",
        stage: None,
        action: Action::SlowDown,
        meaning: "the server limits the sender",
        doc: ENHANCED,
    },
    reply(421, Action::Retry, "the server is closing"),
    reply(450, Action::Retry, "the mailbox is busy"),
    reply(451, Action::Retry, "the server has a problem"),
    reply(452, Action::Retry, "the server has no room"),
    Rule { doc: AUTH, ..reply(454, Action::Retry, "the server cannot authenticate now") },
    Rule { last: 499, ..reply(400, Action::Retry, "the server cannot now") },
    at(Stage::Hello, (500, 599), Action::Retry, "the server turns the sender away"),
    at(Stage::Auth, (500, 599), Action::Reconnect, "the server does not take the credentials"),
    Rule { doc: AUTH, ..reply(530, Action::Reconnect, "the server asks for credentials") },
    Rule { doc: AUTH, ..reply(534, Action::Reconnect, "the way to authenticate is too weak") },
    Rule { doc: AUTH, ..reply(535, Action::Reconnect, "the server does not take the credentials") },
    Rule { doc: AUTH, ..reply(538, Action::Reconnect, "the way to authenticate needs encryption") },
    enhanced("5.1.7", Action::Reject, "the sender's address is malformed"),
    enhanced("5.1.8", Action::Reject, "the sender's address is not taken"),
    enhanced("5.1.", Action::BadRecipient, "the mailbox does not exist"),
    enhanced("5.2.1", Action::BadRecipient, "the mailbox is closed"),
    enhanced("5.2.2", Action::Reject, "the mailbox is full"),
    enhanced("5.2.3", Action::Reject, "the mail is too large"),
    enhanced("5.3.4", Action::Reject, "the mail is too large"),
    enhanced("5.4.1", Action::BadRecipient, "no host answers for the address"),
    enhanced("5.4.4", Action::BadRecipient, "no way leads to the address"),
    enhanced("5.7.8", Action::Reconnect, "the server does not take the credentials"),
    enhanced("5.7.9", Action::Reconnect, "the way to authenticate is too weak"),
    enhanced("5.7.", Action::Reject, "the server's policy refuses the mail"),
    // An enhanced code that no row knows says more than a bare reply: it is no word on the mailbox.
    enhanced("5.", Action::Reject, "the server refuses the mail"),
    at(Stage::Recipient, (550, 551), Action::BadRecipient, "the mailbox does not exist"),
    at(Stage::Recipient, (553, 553), Action::BadRecipient, "the mailbox is not allowed"),
    reply(552, Action::Reject, "the mail is too large, or the mailbox is full"),
    reply(554, Action::Reject, "the server refuses the mail"),
    Rule { last: 599, ..reply(500, Action::Reject, "the server refuses the mail") },
];

/// The row of a reply.
pub(super) fn rule(stage: Stage, code: u16, enhanced: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| {
        (rule.first..=rule.last).contains(&code)
            && rule.stage.is_none_or(|only| only == stage)
            && enhanced.starts_with(rule.enhanced)
    })
}

/// The enhanced code in front of a reply's words, such as `5.1.1`; empty where there is none.
pub(super) fn enhanced_of(words: &str) -> &str {
    let first = words.split_whitespace().next().unwrap_or_default();
    let mut parts = first.split('.');
    let is_class = parts.next().is_some_and(|class| matches!(class, "2" | "4" | "5"));
    let number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let is_whole = parts.clone().count() == 2 && parts.all(number);
    if is_class && is_whole { first } else { "" }
}

/// Sorts what went wrong before the mail itself was handed over: whatever it is, nothing has left.
pub(super) fn before_data(stage: Stage, error: &SmtpError) -> SendError {
    match error.status() {
        Some(code) => by_reply(stage, u16::from(code), &words_of(error)),
        None if error.is_client() => unfit(stage, &words_of(error)),
        None => SendError::Retry { after: None, detail: detail(error) },
    }
}

/// Sorts what went wrong once the mail was handed over: without a reply it may have been taken.
pub(super) fn after_data(error: &SmtpError) -> SendError {
    match error.status() {
        Some(code) => by_reply(Stage::Data, u16::from(code), &words_of(error)),
        None => SendError::Unknown { detail: detail(error) },
    }
}

/// The server cannot do what the channel asks for.
fn unfit(stage: Stage, words: &str) -> SendError {
    match stage {
        Stage::Auth => SendError::Unauthorized { code: Some("no_mechanism".to_owned()) },
        // A certificate is renewed, and somebody in between goes away.
        Stage::Hello => SendError::Retry { after: None, detail: words.to_owned() },
        Stage::Sender | Stage::Recipient | Stage::Data => {
            SendError::Rejected { code: Some("unfit".to_owned()), reason: words.to_owned() }
        }
    }
}

fn by_reply(stage: Stage, code: u16, words: &str) -> SendError {
    let enhanced = enhanced_of(words);
    let known = Some(named(code, enhanced));
    let Some(rule) = rule(stage, code, enhanced) else {
        return SendError::Rejected { code: known, reason: words.to_owned() };
    };
    let sentence = sentence(rule.meaning, words);
    match rule.action {
        Action::Retry => SendError::Retry { after: None, detail: sentence },
        Action::SlowDown => SendError::RateLimited { after: None },
        Action::BadRecipient => SendError::InvalidRecipient { code: known },
        Action::Reject => SendError::Rejected { code: known, reason: sentence },
        Action::Reconnect => SendError::Unauthorized { code: known },
    }
}

/// The failure that a report about a mail tells of (RFC 3464).
pub(super) fn failure(code: u16, enhanced: &str, words: &str) -> Failure {
    let rule = rule(Stage::Recipient, code, enhanced);
    let kind = match rule.map(|rule| rule.action) {
        Some(Action::BadRecipient) => FailureKind::InvalidRecipient,
        // The server gave up: what it would have asked for before then no longer matters.
        _ => FailureKind::Rejected,
    };
    let meaning = rule.map_or("the mail came back", |rule| rule.meaning);
    let code = if enhanced.is_empty() { code.to_string() } else { enhanced.to_owned() };
    Failure { kind, code: Some(code), detail: sentence(meaning, words) }
}

fn named(code: u16, enhanced: &str) -> String {
    if enhanced.is_empty() { code.to_string() } else { format!("{code} {enhanced}") }
}

fn sentence(meaning: &str, words: &str) -> String {
    let words: String = words.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    if words.is_empty() { meaning.to_owned() } else { format!("{meaning} ({words})") }
}

fn words_of(error: &SmtpError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// The innermost error names the trouble.
fn detail(error: &SmtpError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(deeper) = deepest.source() {
        deepest = deeper;
    }
    sentence("the connection failed", &deepest.to_string())
}
