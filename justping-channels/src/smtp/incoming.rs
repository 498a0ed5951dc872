//! What a raw mail says. Total: any bytes give news or say that they are no mail.

use justping_core::model::{
    Attachment, Content, Inbound, InboundMessage, MAIL_ATTACHMENTS_MAX, MAIL_SUBJECT_MAX_CHARS,
    MAIL_TEXT_MAX_BYTES, Mail, MailAddress, Timestamp,
};
use justping_core::port::ReceiveError;
use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};
use serde_json::json;

use super::bounce;
use super::config::NAME_MAX;
use super::map::{REFERENCE_MAX, digest, is_reference};

/// Characters of an attachment's name that are kept.
const FILE_NAME_MAX: usize = 200;
/// Headers that programs mark their answers with, besides `Auto-Submitted` (RFC 3834).
const MARKS: &[&str] = &["X-Autoreply", "X-Autorespond", "X-Auto-Reply", "List-Id"];
/// What `Precedence` says of mails that no person wrote to us.
const IMPERSONAL: &[&str] = &["bulk", "junk", "list", "auto_reply"];

/// Reads a mail that came for the address of a channel.
pub(super) fn read(raw: &[u8], domain: &str, own: &str) -> Result<Vec<Inbound>, ReceiveError> {
    let malformed = |what: &str| ReceiveError::Malformed(what.to_owned());
    let mail = MessageParser::default().parse(raw).ok_or_else(|| malformed("it is no mail"))?;
    if let Some(news) = bounce::read(&mail, domain) {
        return Ok(news);
    }
    let (address, name) = sender(&mail).ok_or_else(|| malformed("it has no sender"))?;
    if address.as_str() == own {
        // Whoever answers itself never stops.
        return Ok(vec![unsupported("own_mail", &mail)]);
    }
    let provider_ref = reference(mail.message_id()).unwrap_or_else(|| digest(raw));
    let content = Mail {
        subject: line(mail.subject().unwrap_or_default(), MAIL_SUBJECT_MAX_CHARS),
        text: text(&mail),
        html: None,
        address: Some(address.to_string()),
        automatic: is_automatic(&mail),
        attachments: attachments(&mail),
    };
    Ok(vec![Inbound::Message(InboundMessage {
        provider_ref,
        from: vec![address.identity()],
        name,
        content: Content::Email(content),
        reply_to: answered(&mail),
        sent_at: mail.date().and_then(|date| Timestamp::from_second(date.to_timestamp()).ok()),
    })])
}

/// News that is no message, by the mail's own name only: what it says is not kept.
pub(super) fn unsupported(kind: &str, mail: &Message<'_>) -> Inbound {
    let id = reference(mail.message_id());
    Inbound::Unsupported { kind: kind.to_owned(), raw: json!({ "message_id": id }) }
}

/// A Message-ID without brackets, if it can be one of ours or be answered.
pub(super) fn reference(id: Option<&str>) -> Option<String> {
    id.map(str::trim).filter(|id| is_reference(id)).map(str::to_owned)
}

/// The first header of a name as text, in lower case.
pub(super) fn header<'m>(mail: &'m Message<'_>, name: &str) -> Option<&'m str> {
    match mail.header(name.to_owned())? {
        HeaderValue::Text(text) => Some(text),
        HeaderValue::TextList(list) => list.first().map(AsRef::as_ref),
        _ => mail.header_raw(name.to_owned()),
    }
}

fn sender(mail: &Message<'_>) -> Option<(MailAddress, Option<String>)> {
    let found = mail.from()?.iter().find_map(|from| {
        let address = MailAddress::parse(from.address()?)?;
        Some((address, from.name().map(|name| line(name, NAME_MAX))))
    });
    found.map(|(address, name)| (address, name.filter(|name| !name.is_empty())))
}

/// The mail it answers: the one it says, else the newest of its thread.
fn answered(mail: &Message<'_>) -> Option<String> {
    let said = ids(mail.in_reply_to()).next();
    let last = || ids(mail.references()).last();
    reference(said.or_else(last))
}

fn ids<'m>(header: &'m HeaderValue<'_>) -> impl Iterator<Item = &'m str> {
    let (one, many) = match header {
        HeaderValue::Text(text) => (Some(text.as_ref()), [].as_slice()),
        HeaderValue::TextList(list) => (None, list.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(many.iter().map(AsRef::as_ref))
}

/// All of its text. What it quotes stays: no two programs quote alike, and nobody's words are lost.
fn text(mail: &Message<'_>) -> String {
    let parts = (0..mail.text_body_count()).filter_map(|part| mail.body_text(part));
    let mut whole = String::new();
    for part in parts {
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.extend(part.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')));
        if whole.len() > MAIL_TEXT_MAX_BYTES {
            break;
        }
    }
    whole.truncate(whole.floor_char_boundary(MAIL_TEXT_MAX_BYTES));
    whole.trim().to_owned()
}

fn attachments(mail: &Message<'_>) -> Vec<Attachment> {
    let file = |part: &mail_parser::MessagePart<'_>| {
        let mime = part.content_type().map(|kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => kind.ctype().to_owned(),
        });
        let name = line(part.attachment_name().unwrap_or("attachment"), FILE_NAME_MAX);
        Attachment { name, mime: mime.map(|mime| line(&mime, FILE_NAME_MAX)) }
    };
    mail.attachments().take(MAIL_ATTACHMENTS_MAX).map(file).collect()
}

/// Says whether a program wrote it: an answer in somebody's absence, a list, a returned mail.
fn is_automatic(mail: &Message<'_>) -> bool {
    let is = |name: &str, words: &dyn Fn(&str) -> bool| {
        header(mail, name).is_some_and(|text| words(text.trim()))
    };
    let submitted = |text: &str| !text.to_ascii_lowercase().starts_with("no");
    let impersonal = |text: &str| IMPERSONAL.iter().any(|word| word.eq_ignore_ascii_case(text));
    is("Auto-Submitted", &submitted)
        || is("Precedence", &impersonal)
        || mail.header_raw("Return-Path").is_some_and(|path| path.trim() == "<>")
        || MARKS.iter().any(|mark| mail.header(*mark).is_some())
}

/// One line of at most `max` characters.
fn line(text: &str, max: usize) -> String {
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(max).collect::<String>().trim().to_owned()
}

const _: () = assert!(REFERENCE_MAX <= 998, "a line of a mail has no more");
