//! Wire ⇄ domain, both ways, without I/O.

use justping_core::model::{
    ChannelKind, Choice, Content, Identity, ListSection, MediaKind, MediaSource, TemplateContent,
};
use justping_core::port::{Outbound, SendError};
use serde_json::{Map, Value, json};

use super::wire::{Chosen, Media, Message, Text};

/// The name of the messaging product, in every request.
const PRODUCT: &str = "whatsapp";

/// Whether links of texts are shown with a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPreview {
    /// They are.
    Shown,
    /// They are not, which is the provider's default.
    Hidden,
}

/// Makes the request that sends a message.
///
/// # Errors
/// [`SendError::InvalidRecipient`] without a WhatsApp identity, [`SendError::Rejected`] for content
/// that cannot be sent.
pub(super) fn send_request(outbound: &Outbound, links: LinkPreview) -> Result<Value, SendError> {
    let (field, address) = recipient(&outbound.to)?;
    let (kind, content) = content(&outbound.content, links)?;
    let mut request = json!({
        "messaging_product": PRODUCT,
        "recipient_type": "individual",
        "type": kind,
        "biz_opaque_callback_data": outbound.idempotency_key,
    });
    set(&mut request, field, address);
    set(&mut request, kind, content);
    // A reaction already names its message, and the provider refuses a second reference.
    if let Some(id) = outbound.reply_to.as_ref().filter(|_| kind != "reaction") {
        set(&mut request, "context", json!({ "message_id": id }));
    }
    Ok(request)
}

/// Makes the request that marks a message read and shows that an answer is being written.
pub(super) fn read_request(provider_ref: &str) -> Value {
    json!({
        "messaging_product": PRODUCT,
        "status": "read",
        "message_id": provider_ref,
        "typing_indicator": { "type": "text" },
    })
}

/// Chooses the address: a phone number where one is known, else a business-scoped user id.
///
/// The identity that was learnt last wins, because a changed number is added behind the old one.
fn recipient(to: &[Identity]) -> Result<(&'static str, &str), SendError> {
    let known = || to.iter().rev().filter(|i| i.kind == ChannelKind::WHATSAPP && !i.id.is_empty());
    let phone = known().find(|identity| !is_user_id(&identity.id)).map(|i| ("to", i.id.as_str()));
    phone
        .or_else(|| known().next().map(|identity| ("recipient", identity.id.as_str())))
        .ok_or(SendError::InvalidRecipient { code: None })
}

/// Says whether an id is business-scoped: a country code, a dot and letters or digits.
fn is_user_id(id: &str) -> bool {
    id.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) && !rest.is_empty()
    })
}

fn content(content: &Content, links: LinkPreview) -> Result<(&'static str, Value), SendError> {
    Ok(match content {
        Content::Text { text } => ("text", text_body(text, links)),
        Content::Email(mail) => ("text", text_body(&mail.as_text(), links)),
        Content::Media { kind, source, caption, filename, .. } => {
            (media_field(*kind), media_body(*kind, source, caption.as_deref(), filename.as_deref()))
        }
        Content::Buttons { text, header, footer, options } => {
            ("interactive", buttons(text, header.as_deref(), footer.as_deref(), options))
        }
        Content::List { text, button, sections } => ("interactive", list(text, button, sections)),
        Content::Location { latitude, longitude, name, address } => {
            let mut body = json!({ "latitude": latitude, "longitude": longitude });
            set_some(&mut body, "name", name.as_deref());
            set_some(&mut body, "address", address.as_deref());
            ("location", body)
        }
        Content::Contacts { contacts } => ("contacts", Value::from(contacts.clone())),
        Content::Reaction { target, emoji } => {
            ("reaction", json!({ "message_id": target, "emoji": emoji }))
        }
        Content::Template(template_content) => ("template", template(template_content)),
        Content::Reply { .. } => return Err(unsendable("a contact's choice")),
        Content::System { .. } => return Err(unsendable("a note of the system")),
        Content::Unsupported { .. } => return Err(unsendable("content of an unknown kind")),
    })
}

fn unsendable(what: &str) -> SendError {
    SendError::Rejected { code: None, reason: format!("{what} cannot be sent") }
}

fn text_body(text: &str, links: LinkPreview) -> Value {
    match links {
        LinkPreview::Shown => json!({ "body": text, "preview_url": true }),
        LinkPreview::Hidden => json!({ "body": text }),
    }
}

fn media_field(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
    }
}

/// Sounds and stickers take no caption, and only documents a name: the provider refuses others.
fn media_body(
    kind: MediaKind,
    source: &MediaSource,
    caption: Option<&str>,
    filename: Option<&str>,
) -> Value {
    let mut body = match source {
        MediaSource::Url(url) => json!({ "link": url }),
        MediaSource::ProviderId(id) => json!({ "id": id }),
    };
    let captioned = matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document);
    set_some(&mut body, "caption", caption.filter(|_| captioned));
    set_some(&mut body, "filename", filename.filter(|_| kind == MediaKind::Document));
    body
}

fn buttons(text: &str, header: Option<&str>, footer: Option<&str>, options: &[Choice]) -> Value {
    let buttons: Vec<Value> = options
        .iter()
        .map(|option| {
            json!({ "type": "reply", "reply": { "id": option.id, "title": option.title } })
        })
        .collect();
    let mut body = json!({
        "type": "button",
        "body": { "text": text },
        "action": { "buttons": buttons },
    });
    set_some(&mut body, "header", header.map(|text| json!({ "type": "text", "text": text })));
    set_some(&mut body, "footer", footer.map(|text| json!({ "text": text })));
    body
}

fn list(text: &str, button: &str, sections: &[ListSection]) -> Value {
    let sections: Vec<Value> = sections.iter().map(section).collect();
    json!({
        "type": "list",
        "body": { "text": text },
        "action": { "button": button, "sections": sections },
    })
}

fn section(section: &ListSection) -> Value {
    let rows: Vec<Value> = section
        .options
        .iter()
        .map(|option| {
            let mut row = json!({ "id": option.id, "title": option.title });
            set_some(&mut row, "description", option.description.as_deref());
            row
        })
        .collect();
    let mut body = json!({ "rows": rows });
    set_some(&mut body, "title", section.title.as_deref());
    body
}

/// The body's parameters stand behind the header, if there is one, as in the provider's examples.
fn template(template: &TemplateContent) -> Value {
    let mut components = template.components.clone();
    if !template.parameters.is_empty() {
        let parameters: Vec<Value> = template
            .parameters
            .iter()
            .map(|parameter| {
                let mut body = json!({ "type": "text", "text": parameter.text });
                set_some(&mut body, "parameter_name", parameter.name.as_deref());
                body
            })
            .collect();
        let place = components.iter().take_while(|component| is_header(component)).count();
        components.insert(place, json!({ "type": "body", "parameters": parameters }));
    }
    let mut body = json!({ "name": template.name, "language": { "code": template.language } });
    if !components.is_empty() {
        set(&mut body, "components", components);
    }
    body
}

fn is_header(component: &Value) -> bool {
    let kind = component.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("header"))
}

fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        Map::insert(map, name.to_owned(), value.into());
    }
}

fn set_some<V: Into<Value>>(object: &mut Value, name: &str, value: Option<V>) {
    if let Some(value) = value {
        set(object, name, value);
    }
}

/// Reads what a message says; `None` where no rule fits and the message's own JSON must do.
///
/// `cards` gives the message's contact cards in the provider's form.
pub(super) fn inbound_content(
    message: &Message<'_>,
    cards: impl FnOnce() -> Vec<Value>,
) -> Option<Content> {
    match message.kind.as_str() {
        "text" => Some(Content::text(message.text.0.as_ref()?.body.filled()?)),
        "image" => media(MediaKind::Image, message.image.0.as_ref()?),
        "audio" => media(MediaKind::Audio, message.audio.0.as_ref()?),
        "video" => media(MediaKind::Video, message.video.0.as_ref()?),
        "document" => media(MediaKind::Document, message.document.0.as_ref()?),
        "sticker" => media(MediaKind::Sticker, message.sticker.0.as_ref()?),
        "location" => {
            let place = message.location.0.as_ref()?;
            Some(Content::Location {
                latitude: place.latitude.0?,
                longitude: place.longitude.0?,
                name: place.name.owned(),
                address: place.address.owned(),
            })
        }
        "contacts" if message.contacts.0 => Some(Content::Contacts { contacts: cards() }),
        "reaction" => {
            let reaction = message.reaction.0.as_ref()?;
            let target = reaction.message_id.owned()?;
            Some(Content::Reaction { target, emoji: reaction.emoji.as_str().to_owned() })
        }
        "button" => {
            let button = message.button.0.as_ref()?;
            reply(&button.payload, &button.text)
        }
        "interactive" => {
            let interactive = message.interactive.0.as_ref()?;
            let chosen = interactive.button_reply.0.as_ref().or(interactive.list_reply.0.as_ref());
            chosen.and_then(|Chosen { id, title }| reply(id, title))
        }
        _ => None,
    }
}

/// A template's button may come without a payload: its text is then the option.
fn reply(option: &Text<'_>, title: &Text<'_>) -> Option<Content> {
    let option = option.filled().or(title.filled())?.to_owned();
    Some(Content::Reply { option, title: title.as_str().to_owned() })
}

/// The id is preferred to the address, because the address lives for minutes only.
fn media(kind: MediaKind, media: &Media<'_>) -> Option<Content> {
    let source = match media.id.owned() {
        Some(id) => MediaSource::ProviderId(id),
        None => MediaSource::Url(media.url.owned()?),
    };
    Some(Content::Media {
        kind,
        source,
        caption: media.caption.owned(),
        filename: media.filename.owned(),
        mime: media.mime_type.owned(),
    })
}
