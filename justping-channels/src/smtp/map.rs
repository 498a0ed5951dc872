//! From messages to mails (RFC 5322, RFC 2045).

use std::time::{Duration, SystemTime};

use justping_core::model::{
    ChannelKind, Content, MAIL_SUBJECT_MAX_CHARS, Mail, MailAddress, OutboxRow,
};
use justping_core::port::{Outbound, SendError};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

use super::config::Checked;

/// Bytes of the longest reference that is written into a header.
pub(super) const REFERENCE_MAX: usize = 250;

/// A mail, ready to be handed over.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: Address,
    /// Its Message-ID without brackets.
    pub(super) id: String,
    pub(super) bytes: Vec<u8>,
}

/// Writes a message as a mail. The same message gives the same bytes each time, but for `now`, which is
/// its date where its key does not tell one.
pub(super) fn letter(
    outbound: &Outbound,
    sender: &Checked,
    now: SystemTime,
) -> Result<Letter, SendError> {
    let plain;
    let mail = match &outbound.content {
        Content::Email(mail) => mail,
        Content::Text { text } => {
            plain = Mail::new("", &**text);
            &plain
        }
        _ => return Err(rejected("content of this type cannot be sent by mail")),
    };
    let to = recipient(outbound, mail.address.as_deref())?;
    let id = message_id(&outbound.idempotency_key, sender);
    let date = OutboxRow::moment_of_key(&outbound.idempotency_key)
        .and_then(|ms| u64::try_from(ms).ok())
        .map_or(now, |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    let builder = Message::builder()
        .from(Mailbox::new(Some(sender.from_name.clone()), sender.from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(subject(&mail.subject, &sender.subject))
        .date(date);
    let builder = match &sender.reply_to {
        Some(address) => builder.reply_to(Mailbox::new(None, address.clone())),
        None => builder,
    };
    let builder = headers(builder, outbound, sender, (mail, &id));
    let written = match mail.html.as_deref().filter(|html| !html.trim().is_empty()) {
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .boundary(digest(&outbound.idempotency_key))
                .singlepart(SinglePart::plain(mail.text.clone()))
                .singlepart(SinglePart::html(html.to_owned())),
        ),
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
    };
    let written = written.map_err(|error| rejected(&error.to_string()))?;
    Ok(Letter { to, id, bytes: written.formatted() })
}

/// The headers that thread mails, say who wrote them and how to end them.
fn headers(
    builder: MessageBuilder,
    outbound: &Outbound,
    sender: &Checked,
    (mail, id): (&Mail, &str),
) -> MessageBuilder {
    let mut builder = raw(builder, "Message-ID", format!("<{id}>"));
    if let Some(reference) = outbound.reply_to.as_deref().filter(|text| is_reference(text)) {
        builder = raw(builder, "In-Reply-To", format!("<{reference}>"));
        builder = raw(builder, "References", format!("<{reference}>"));
    }
    if mail.automatic {
        builder = raw(builder, "Auto-Submitted", "auto-generated".to_owned());
    }
    if let Some(address) = &sender.list_unsubscribe {
        builder = raw(builder, "List-Unsubscribe", format!("<{address}>"));
        if address.starts_with("https://") {
            let one_click = "List-Unsubscribe=One-Click".to_owned();
            builder = raw(builder, "List-Unsubscribe-Post", one_click);
        }
    }
    builder
}

/// A header that is one word, which must not be folded or encoded. What is written here has no line
/// ends: references and addresses were looked at, the rest is ours.
fn raw(builder: MessageBuilder, name: &'static str, value: String) -> MessageBuilder {
    let name = HeaderName::new_from_ascii_str(name);
    builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value))
}

/// The address of the contact that the mail names, else its first.
fn recipient(outbound: &Outbound, named: Option<&str>) -> Result<Address, SendError> {
    let known = || outbound.to.iter().filter(|identity| identity.kind == ChannelKind::EMAIL);
    let named = named.and_then(MailAddress::parse);
    let named = named.filter(|named| known().any(|identity| identity.id == named.as_str()));
    let address = named.or_else(|| known().find_map(|identity| MailAddress::parse(&identity.id)));
    let address = address.and_then(|address| address.as_str().parse().ok());
    address.ok_or(SendError::InvalidRecipient { code: None })
}

/// One line: a line end in a subject would begin another header.
fn subject(own: &str, usual: &str) -> String {
    let text = if own.trim().is_empty() { usual } else { own };
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(MAIL_SUBJECT_MAX_CHARS).collect::<String>().trim().to_owned()
}

/// The Message-ID of a message: its key, so that a repeat is the same mail to whoever gets both, and
/// that news of it names the message.
fn message_id(key: &str, sender: &Checked) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = !key.is_empty() && key.len() <= 120 && key.bytes().all(plain);
    let local = if fits { key.to_owned() } else { digest(key) };
    format!("{local}@{}", sender.from.domain())
}

/// The key in a Message-ID of ours.
pub(super) fn key_of(id: &str, domain: &str) -> Option<String> {
    let (key, host) = id.rsplit_once('@')?;
    let ours = host.eq_ignore_ascii_case(domain) && OutboxRow::parse_key(key).is_some();
    ours.then(|| key.to_owned())
}

/// Says whether a text can stand between the brackets of a reference.
pub(super) fn is_reference(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>');
    (1..=REFERENCE_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// Forty hexadecimal digits that name a text or a body.
pub(super) fn digest(bytes: impl AsRef<[u8]>) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn rejected(reason: &str) -> SendError {
    SendError::Rejected { code: None, reason: reason.to_owned() }
}
