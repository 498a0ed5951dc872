//! The provider's documents as typed, borrowing structs.
//!
//! They read every JSON object: a field of the wrong type counts as absent and unknown fields are
//! skipped, so that one strange message cannot take the others of its request with it. The only
//! thing they refuse is a field that stands twice in one object.

mod lenient;

use serde::Deserialize;

pub(super) use lenient::{Many, Maybe, Number, Present, Text};

/// A webhook.
#[derive(Debug, Deserialize)]
pub(super) struct Hook<'a> {
    #[serde(borrow, default)]
    pub(super) object: Text<'a>,
    #[serde(borrow, default)]
    pub(super) entry: Many<Entry<'a>>,
}

/// News of one business account.
#[derive(Debug, Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow, default)]
    pub(super) changes: Many<Change<'a>>,
}

/// One piece of news.
#[derive(Debug, Deserialize)]
pub(super) struct Change<'a> {
    #[serde(borrow, default)]
    pub(super) field: Text<'a>,
    #[serde(borrow, default)]
    pub(super) value: Maybe<Value<'a>>,
}

/// What a change of messages, or of user ids, says.
#[derive(Debug, Deserialize)]
pub(super) struct Value<'a> {
    #[serde(borrow, default)]
    pub(super) metadata: Maybe<Metadata<'a>>,
    #[serde(borrow, default)]
    pub(super) contacts: Many<Contact<'a>>,
    #[serde(borrow, default)]
    pub(super) messages: Many<Message<'a>>,
    #[serde(borrow, default)]
    pub(super) message_echoes: Many<Message<'a>>,
    #[serde(borrow, default)]
    pub(super) statuses: Many<Status<'a>>,
    #[serde(borrow, default)]
    pub(super) user_id_update: Many<UserIdUpdate<'a>>,
    #[serde(default)]
    pub(super) errors: Present,
}

/// The number the news is for.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) phone_number_id: Text<'a>,
}

/// A person of whom the messages tell.
#[derive(Debug, Deserialize)]
pub(super) struct Contact<'a> {
    #[serde(borrow, default)]
    pub(super) profile: Maybe<Profile<'a>>,
    #[serde(borrow, default)]
    pub(super) wa_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Text<'a>,
}

/// What a person shows of himself.
#[derive(Debug, Deserialize)]
pub(super) struct Profile<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) username: Text<'a>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) from: Text<'a>,
    #[serde(borrow, default)]
    pub(super) from_user_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) to: Text<'a>,
    #[serde(borrow, default)]
    pub(super) to_user_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) group_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) context: Maybe<Context<'a>>,
    #[serde(borrow, default)]
    pub(super) text: Maybe<Body<'a>>,
    #[serde(borrow, default)]
    pub(super) image: Maybe<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) audio: Maybe<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) video: Maybe<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) document: Maybe<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) sticker: Maybe<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) location: Maybe<Location<'a>>,
    #[serde(default)]
    pub(super) contacts: Present,
    #[serde(borrow, default)]
    pub(super) reaction: Maybe<Reaction<'a>>,
    #[serde(borrow, default)]
    pub(super) button: Maybe<Button<'a>>,
    #[serde(borrow, default)]
    pub(super) interactive: Maybe<Interactive<'a>>,
    #[serde(borrow, default)]
    pub(super) unsupported: Maybe<Kind<'a>>,
    #[serde(borrow, default)]
    pub(super) system: Maybe<System<'a>>,
    #[serde(default)]
    pub(super) referral: Present,
}

/// The message that a message answers.
#[derive(Debug, Deserialize)]
pub(super) struct Context<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
}

/// Plain text.
#[derive(Debug, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, default)]
    pub(super) body: Text<'a>,
}

/// A file. Webhooks carry `id` and perhaps `url`, requests `id` or `link`.
#[derive(Debug, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default, alias = "link")]
    pub(super) url: Text<'a>,
    #[serde(borrow, default)]
    pub(super) caption: Text<'a>,
    #[serde(borrow, default)]
    pub(super) filename: Text<'a>,
    #[serde(borrow, default)]
    pub(super) mime_type: Text<'a>,
}

/// A place.
#[derive(Debug, Deserialize)]
pub(super) struct Location<'a> {
    #[serde(default)]
    pub(super) latitude: Number,
    #[serde(default)]
    pub(super) longitude: Number,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) address: Text<'a>,
}

/// An emoji on an earlier message.
#[derive(Debug, Deserialize)]
pub(super) struct Reaction<'a> {
    #[serde(borrow, default)]
    pub(super) message_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) emoji: Text<'a>,
}

/// A tap on the button of a template.
#[derive(Debug, Deserialize)]
pub(super) struct Button<'a> {
    #[serde(borrow, default)]
    pub(super) payload: Text<'a>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
}

/// A choice in an interactive message.
#[derive(Debug, Deserialize)]
pub(super) struct Interactive<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) button_reply: Maybe<Chosen<'a>>,
    #[serde(borrow, default)]
    pub(super) list_reply: Maybe<Chosen<'a>>,
}

/// What was chosen.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
}

/// What a message would be that the provider does not pass on.
#[derive(Debug, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
}

/// News about a person, in the form of a message.
#[derive(Debug, Deserialize)]
pub(super) struct System<'a> {
    #[serde(borrow, default)]
    pub(super) wa_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Text<'a>,
}

/// How far a message of ours got.
#[derive(Debug, Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow, default)]
    pub(super) recipient_type: Text<'a>,
    #[serde(borrow, default)]
    pub(super) biz_opaque_callback_data: Text<'a>,
    #[serde(borrow, default)]
    pub(super) errors: Many<Fault<'a>>,
}

/// An error, in webhooks and in answers.
#[derive(Debug, Deserialize)]
pub(super) struct Fault<'a> {
    #[serde(borrow, default)]
    pub(super) code: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    #[serde(borrow, default)]
    pub(super) message: Text<'a>,
    #[serde(borrow, default)]
    pub(super) error_data: Maybe<FaultData<'a>>,
}

/// The part of an error that says something.
#[derive(Debug, Deserialize)]
pub(super) struct FaultData<'a> {
    #[serde(borrow, default)]
    pub(super) details: Text<'a>,
}

/// A user id that was replaced, usually because the person has a new number.
#[derive(Debug, Deserialize)]
pub(super) struct UserIdUpdate<'a> {
    #[serde(borrow, default)]
    pub(super) wa_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Maybe<Replaced<'a>>,
}

/// Before and after.
#[derive(Debug, Deserialize)]
pub(super) struct Replaced<'a> {
    #[serde(borrow, default)]
    pub(super) previous: Text<'a>,
    #[serde(borrow, default)]
    pub(super) current: Text<'a>,
}

/// The answer to a request: either messages or an error.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) messages: Many<Accepted<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Maybe<Fault<'a>>,
}

/// A message the provider took.
#[derive(Debug, Deserialize)]
pub(super) struct Accepted<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
}
