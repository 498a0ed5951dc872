//! Webhooks: who sent them, and what they say.

use std::cell::OnceCell;

use justping_core::model::{
    ChannelKind, Content, DeliveryStatus, Echo, Identity, Inbound, InboundMessage, StatusUpdate,
    Timestamp,
};
use justping_core::port::{ReceiveError, WebhookRequest};
use secrecy::ExposeSecret;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::config::Checked;
use super::error::failure;
use super::map::inbound_content;
use super::mend::mend;
use super::wire::{Contact, Hook, Maybe, Message, Status, System, Text, UserIdUpdate, Value};
use crate::mac::{MacKey, TAG_BYTES, same};

/// Bytes of the largest webhook the provider sends.
pub(super) const BODY_MAX: usize = 3 * 1024 * 1024;
/// Objects and lists of the largest webhook that is read: some ten thousand messages.
pub(super) const OBJECTS_MAX: usize = 65_536;
/// How deep objects and lists may stand in each other; real ones stay below 16.
pub(super) const DEPTH_MAX: usize = 64;
/// Bytes of a challenge; real ones are a dozen digits.
pub(super) const CHALLENGE_MAX: usize = 256;

/// The header that carries the signature.
const SIGNATURE: &str = "x-hub-signature-256";
/// What stands in front of the hexadecimal digits.
const SIGNATURE_PREFIX: &str = "sha256=";
/// The `object` of every webhook of this product.
const OBJECT: &str = "whatsapp_business_account";

/// The field of what people send with the app on a phone
/// (<https://developers.facebook.com/docs/whatsapp/embedded-signup/custom-flows/onboarding-business-app-users>).
const ECHOES: &str = "smb_message_echoes";

/// Says why a piece of news is not understood, where the provider has no name for that.
mod unsupported {
    /// Another phone number's news.
    pub(super) const OTHER_NUMBER: &str = "other_phone_number";
    /// A message in a group.
    pub(super) const GROUP_MESSAGE: &str = "group_message";
    /// A status of a message in a group.
    pub(super) const GROUP_STATUS: &str = "group_status";
    /// A message without id or sender.
    pub(super) const MESSAGE: &str = "message";
    /// A status without id or of an unknown name.
    pub(super) const STATUS: &str = "status";
    /// Errors that belong to no message.
    pub(super) const ERRORS: &str = "errors";
    /// The advertisement that a message came from.
    pub(super) const REFERRAL: &str = "referral";
    /// A document of some other form.
    pub(super) const WEBHOOK: &str = "webhook";
}

/// Answers a subscription: the challenge, for whoever knows the token.
pub(super) fn challenge(
    request: &WebhookRequest<'_>,
    sender: &Checked,
) -> Result<String, ReceiveError> {
    let token = request.parameter("hub.verify_token").unwrap_or_default();
    let expected = sender.verify_token.expose_secret();
    let subscribes = request.parameter("hub.mode") == Some("subscribe");
    if !same(expected.as_bytes(), token.as_bytes()) || !subscribes {
        return Err(ReceiveError::Unauthorized);
    }
    match request.parameter("hub.challenge") {
        Some(text) if text.len() > CHALLENGE_MAX => Err(ReceiveError::TooLarge),
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(ReceiveError::Malformed("hub.challenge is missing".to_owned())),
    }
}

/// Verifies the signature over the raw body, then reads it.
pub(super) fn news(
    request: &WebhookRequest<'_>,
    sender: &Checked,
) -> Result<Vec<Inbound>, ReceiveError> {
    if request.body.len() > BODY_MAX {
        return Err(ReceiveError::TooLarge);
    }
    let header = request.header(SIGNATURE).unwrap_or_default();
    if !is_signed(&sender.signing, header, request.body) {
        return Err(ReceiveError::Unauthorized);
    }
    parse(request.body, &sender.settings.phone_number_id)
}

/// Says whether `header` signs `body`.
pub(super) fn is_signed(key: &MacKey, header: &str, body: &[u8]) -> bool {
    let claimed = header.strip_prefix(SIGNATURE_PREFIX).and_then(tag_of_hex);
    claimed.is_some_and(|claimed| key.verify(&[body], &claimed))
}

fn tag_of_hex(digits: &str) -> Option<[u8; TAG_BYTES]> {
    if digits.len() != TAG_BYTES * 2 {
        return None;
    }
    let mut tag = [0; TAG_BYTES];
    for (slot, pair) in tag.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else {
            return None;
        };
        *slot = digit(high)? << 4 | digit(low)?;
    }
    Some(tag)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Reads a verified body. Every JSON document gives at least one event.
///
/// The borrowing structs read nearly every document in one pass. What they refuse (a name twice in
/// one object, half a surrogate pair in a text) is first mended and then read again.
pub(super) fn parse(body: &[u8], phone_number_id: &str) -> Result<Vec<Inbound>, ReceiveError> {
    guard(body)?;
    if let Ok(hook) = serde_json::from_slice::<Maybe<Hook<'_>>>(body) {
        return Ok(Reader { phone_number_id, raw: Raw::new(body) }.hook(hook.0.as_ref()));
    }
    let text = mend(body);
    let document = match serde_json::from_str::<Json>(&text) {
        Ok(document) => document.to_string(),
        Err(_) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
            let raw = Json::String(text);
            return Ok(vec![Inbound::Unsupported { kind: unsupported::WEBHOOK.to_owned(), raw }]);
        }
        Err(error) => return Err(ReceiveError::Malformed(position(&error))),
    };
    let hook = serde_json::from_str::<Maybe<Hook<'_>>>(&document).unwrap_or_default();
    let raw = Raw::new(document.as_bytes());
    Ok(Reader { phone_number_id, raw }.hook(hook.0.as_ref()))
}

/// Names the place of the fault and nothing of the body.
fn position(error: &serde_json::Error) -> String {
    format!("no JSON at line {}, column {}", error.line(), error.column())
}

/// Refuses bodies that would cost more than they can be worth. Counting the opening brackets, in
/// strings too, is a fast upper bound of both the depth and the number of objects.
fn guard(body: &[u8]) -> Result<(), ReceiveError> {
    let opening = body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if opening > OBJECTS_MAX || (opening > DEPTH_MAX && depth(body) > DEPTH_MAX) {
        return Err(ReceiveError::TooLarge);
    }
    Ok(())
}

fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The body as plain JSON, parsed when something must be kept as it came, which is rare.
struct Raw<'a> {
    body: &'a [u8],
    whole: OnceCell<Json>,
}

impl<'a> Raw<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { body, whole: OnceCell::new() }
    }

    fn whole(&self) -> &Json {
        self.whole.get_or_init(|| {
            let text = mend(self.body);
            serde_json::from_str(&text).unwrap_or(Json::String(text))
        })
    }

    fn change(&self, at: (usize, usize)) -> &Json {
        let entry = self.whole().get("entry").and_then(|list| list.get(at.0));
        let change = entry.and_then(|entry| entry.get("changes")?.get(at.1));
        change.unwrap_or(&Json::Null)
    }

    fn item(&self, at: (usize, usize), list: &str, index: usize) -> &Json {
        let value = self.change(at).get("value");
        value.and_then(|value| value.get(list)?.get(index)).unwrap_or(&Json::Null)
    }
}

/// Walks through a webhook in its order.
struct Reader<'a> {
    phone_number_id: &'a str,
    raw: Raw<'a>,
}

impl Reader<'_> {
    fn hook(&self, hook: Option<&Hook<'_>>) -> Vec<Inbound> {
        let mut out = Vec::new();
        let Some(hook) = hook.filter(|hook| hook.object.as_str() == OBJECT) else {
            let named = hook.and_then(|hook| hook.object.filled());
            return vec![unknown(named.unwrap_or(unsupported::WEBHOOK), self.raw.whole())];
        };
        for (i, entry) in hook.entry.0.iter().enumerate() {
            let changes = entry.0.as_ref().map(|entry| entry.changes.0.as_slice());
            for (j, change) in changes.unwrap_or_default().iter().enumerate() {
                let field = change.0.as_ref().map_or("", |change| change.field.as_str());
                let value = change.0.as_ref().and_then(|change| change.value.0.as_ref());
                self.change((i, j), field, value, &mut out);
            }
        }
        if out.is_empty() {
            out.push(unknown(unsupported::WEBHOOK, self.raw.whole()));
        }
        out
    }

    fn change(
        &self,
        at: (usize, usize),
        field: &str,
        value: Option<&Value<'_>>,
        out: &mut Vec<Inbound>,
    ) {
        let before = out.len();
        match (field, value) {
            ("messages" | "user_id_update" | ECHOES, Some(value)) if !self.is_ours(value) => {
                out.push(unknown(unsupported::OTHER_NUMBER, self.raw.change(at)));
            }
            ("messages", Some(value)) => self.messages(at, value, out),
            ("user_id_update", Some(value)) => self.user_ids(at, value, out),
            (ECHOES, Some(value)) => self.echoes(at, value, out),
            _ => {}
        }
        if out.len() == before {
            let kind = if field.is_empty() { unsupported::WEBHOOK } else { field };
            out.push(unknown(kind, self.raw.change(at)));
        }
    }

    fn is_ours(&self, value: &Value<'_>) -> bool {
        let metadata = value.metadata.0.as_ref();
        metadata.is_some_and(|data| data.phone_number_id.as_str() == self.phone_number_id)
    }

    fn messages(&self, at: (usize, usize), value: &Value<'_>, out: &mut Vec<Inbound>) {
        for (k, message) in value.messages.0.iter().enumerate() {
            let raw = || self.raw.item(at, "messages", k);
            match message.0.as_ref() {
                Some(message) => one_message(message, value, raw, out),
                None => out.push(unknown(unsupported::MESSAGE, raw())),
            }
        }
        for (k, status) in value.statuses.0.iter().enumerate() {
            let news = status.0.as_ref().map_or(Err(unsupported::STATUS), one_status);
            out.push(match news {
                Ok(update) => Inbound::Status(update),
                Err(kind) => unknown(kind, self.raw.item(at, "statuses", k)),
            });
        }
        if value.errors.0 {
            let change = self.raw.change(at);
            let errors = change.get("value").and_then(|value| value.get("errors"));
            out.push(unknown(unsupported::ERRORS, errors.unwrap_or(change)));
        }
    }

    fn echoes(&self, at: (usize, usize), value: &Value<'_>, out: &mut Vec<Inbound>) {
        for (k, message) in value.message_echoes.0.iter().enumerate() {
            let raw = || self.raw.item(at, "message_echoes", k);
            let echo = message.0.as_ref().and_then(|message| one_echo(message, raw));
            out.push(echo.map_or_else(|| unknown(ECHOES, raw()), Inbound::Echo));
        }
    }

    fn user_ids(&self, at: (usize, usize), value: &Value<'_>, out: &mut Vec<Inbound>) {
        for (k, update) in value.user_id_update.0.iter().enumerate() {
            let changed = update.0.as_ref().and_then(new_user_id);
            out.push(changed.unwrap_or_else(|| {
                unknown("user_id_update", self.raw.item(at, "user_id_update", k))
            }));
        }
    }
}

fn unknown(kind: &str, raw: &Json) -> Inbound {
    Inbound::Unsupported { kind: kind.to_owned(), raw: raw.clone() }
}

/// Reads one message. What a person wrote to us becomes a message even when its content is not
/// understood; news in the form of a message (changed numbers, edits, deletions) does not.
fn one_message<'r>(
    message: &Message<'_>,
    value: &Value<'_>,
    raw: impl Fn() -> &'r Json,
    out: &mut Vec<Inbound>,
) {
    if message.group_id.filled().is_some() {
        return out.push(unknown(unsupported::GROUP_MESSAGE, raw()));
    }
    match message.kind.as_str() {
        "system" => {
            let changed = message.system.0.as_ref().and_then(|news| new_number(message, news));
            return out.push(changed.unwrap_or_else(|| unknown("system", raw())));
        }
        kind @ ("edit" | "revoke") => return out.push(unknown(kind, raw())),
        _ => {}
    }
    let (from, name) = sender(message, value);
    let (Some(provider_ref), false) = (message.id.owned(), from.is_empty()) else {
        return out.push(unknown(unsupported::MESSAGE, raw()));
    };
    let cards = || raw().get("contacts").and_then(Json::as_array).cloned().unwrap_or_default();
    let content = inbound_content(message, cards).unwrap_or_else(|| Content::Unsupported {
        kind: kind_of(message).to_owned(),
        raw: raw().clone(),
    });
    out.push(Inbound::Message(InboundMessage {
        provider_ref,
        from,
        name,
        content,
        reply_to: message.context.0.as_ref().and_then(|context| context.id.owned()),
        sent_at: moment(&message.timestamp),
    }));
    if message.referral.0 {
        out.push(unknown(unsupported::REFERRAL, raw()));
    }
}

/// Reads what somebody sent with the app on a phone; `None` when it does not say to whom.
fn one_echo<'r>(message: &Message<'_>, raw: impl Fn() -> &'r Json) -> Option<Echo> {
    let to: Vec<Identity> = [message.to.filled(), message.to_user_id.filled()]
        .into_iter()
        .flatten()
        .map(identity)
        .collect();
    let provider_ref = message.id.owned().filter(|_| !to.is_empty())?;
    let cards = || raw().get("contacts").and_then(Json::as_array).cloned().unwrap_or_default();
    let content = inbound_content(message, cards).unwrap_or_else(|| Content::Unsupported {
        kind: kind_of(message).to_owned(),
        raw: raw().clone(),
    });
    Some(Echo { provider_ref, to, content })
}

/// The closest name the provider gives to what a message is.
fn kind_of<'m>(message: &'m Message<'_>) -> &'m str {
    let inner = match message.kind.as_str() {
        "interactive" => message.interactive.0.as_ref().and_then(|part| part.kind.filled()),
        "unsupported" => message.unsupported.0.as_ref().and_then(|part| part.kind.filled()),
        _ => None,
    };
    inner.or(message.kind.filled()).unwrap_or(unsupported::MESSAGE)
}

/// Who wrote: the phone number, the business-scoped user id, or both, and the shown name.
fn sender(message: &Message<'_>, value: &Value<'_>) -> (Vec<Identity>, Option<String>) {
    let same_person = |contact: &&Contact<'_>| {
        let by_phone = message.from.filled().is_some_and(|id| id == contact.wa_id.as_str());
        by_phone || message.from_user_id.filled().is_some_and(|id| id == contact.user_id.as_str())
    };
    let contact = value.contacts.iter().find(same_person);
    let ids = [
        message.from.filled(),
        contact.and_then(|contact| contact.wa_id.filled()),
        message.from_user_id.filled(),
        contact.and_then(|contact| contact.user_id.filled()),
    ];
    let mut from = Vec::with_capacity(2);
    for id in ids.into_iter().flatten() {
        if !from.iter().any(|known: &Identity| known.id == id) {
            from.push(identity(id));
        }
    }
    let profile = contact.and_then(|contact| contact.profile.0.as_ref());
    (from, profile.and_then(|profile| profile.name.owned().or(profile.username.owned())))
}

fn identity(id: &str) -> Identity {
    Identity::new(ChannelKind::WHATSAPP, id)
}

/// A person who changed the number or the user id, where both the old and the new one are given.
fn new_number(message: &Message<'_>, news: &System<'_>) -> Option<Inbound> {
    let known = message.from.filled().or(message.from_user_id.filled())?;
    let new = [news.wa_id.filled(), news.user_id.filled()];
    same_person(known, &new)
}

fn new_user_id(update: &UserIdUpdate<'_>) -> Option<Inbound> {
    let replaced = update.user_id.0.as_ref()?;
    let (phone, new) = (update.wa_id.filled(), replaced.current.filled()?);
    let known = replaced.previous.filled().or(phone)?;
    same_person(known, &[phone, Some(new)])
}

fn same_person(known: &str, also: &[Option<&str>]) -> Option<Inbound> {
    let others = also.iter().flatten().filter(|id| **id != known);
    let also: Vec<Identity> = others.map(|id| identity(id)).collect();
    (!also.is_empty()).then(|| Inbound::IdentityChanged { known: identity(known), also })
}

/// Reads a status; the error is the name under which it is kept.
fn one_status(status: &Status<'_>) -> Result<StatusUpdate, &'static str> {
    if status.recipient_type.as_str() == "group" {
        return Err(unsupported::GROUP_STATUS);
    }
    let reached = match status.status.as_str() {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        // A voice message that was played was seen.
        "read" | "played" => DeliveryStatus::Read,
        "failed" => DeliveryStatus::Failed,
        _ => return Err(unsupported::STATUS),
    };
    let failed = reached == DeliveryStatus::Failed;
    Ok(StatusUpdate {
        provider_ref: status.id.owned().ok_or(unsupported::STATUS)?,
        key: status.biz_opaque_callback_data.owned(),
        status: reached,
        at: moment(&status.timestamp),
        failure: failed.then(|| failure(status.errors.iter().next())),
    })
}

fn moment(seconds: &Text<'_>) -> Option<Timestamp> {
    Timestamp::from_second(seconds.as_str().parse().ok()?).ok()
}
