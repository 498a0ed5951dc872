use crate::model::{ContactPatch, Content, InboundMessage, Mail};

/// What a contact decided about hearing from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentWord {
    /// Silence, please.
    OptOut,
    /// Speak again.
    OptIn,
}

/// What a message decides about hearing from us. Only what the contact wrote counts: the title of a
/// pressed button is ours.
pub fn consent_of(content: &Content) -> Option<ConsentWord> {
    match content {
        Content::Text { text } => consent_word(text),
        Content::Email(mail) => consent_of_mail(mail),
        _ => None,
    }
}

/// A mail is such a word when its subject or its first line is, since programs quote below the answer
/// what they answer. What a program wrote is none.
fn consent_of_mail(mail: &Mail) -> Option<ConsentWord> {
    let first = mail.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = consent_word(first).or_else(|| consent_word(&mail.subject));
    said.filter(|_| !mail.automatic)
}

/// What a message changes about hearing from us, on every kind of channel it names its sender by;
/// `None` when it is no such word.
///
/// Every store applies this together with the message, so that the newest word counts in the order
/// of the ledger, whatever webhook is repeated or overtaken.
pub fn consent_patch(message: &InboundMessage) -> Option<ContactPatch> {
    let kinds = message.from.iter().map(|identity| identity.kind.clone()).collect();
    Some(match consent_of(&message.content)? {
        ConsentWord::OptOut => ContactPatch { opt_out: kinds, ..ContactPatch::default() },
        ConsentWord::OptIn => ContactPatch { opt_in: kinds, ..ContactPatch::default() },
    })
}

const OPT_OUT: &[&str] = &["stop", "stopall", "stop all", "unsubscribe", "optout", "opt out"];
const OPT_IN: &[&str] = &["start", "unstop", "optin", "opt in"];

/// Longest text that can be such a word; longer texts are not looked at.
const WORD_MAX: usize = 16;

/// Recognises a message that is exactly an opt-out or opt-in word, whatever its case, spaces and
/// closing punctuation. The words are those that carriers and Twilio's defaults share and that
/// nobody types in passing; they win over every flow.
pub fn consent_word(text: &str) -> Option<ConsentWord> {
    let word = text.trim().trim_end_matches(['.', '!']).trim_end();
    if word.len() > WORD_MAX {
        return None;
    }
    let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is(OPT_OUT) {
        Some(ConsentWord::OptOut)
    } else if is(OPT_IN) {
        Some(ConsentWord::OptIn)
    } else {
        None
    }
}
