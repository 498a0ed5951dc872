use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::CallScope;
use crate::model::{ChannelId, ConversationId, FailureKind, MailError, MessageId};

/// The field of a contact that holds its mail address, where no channel told of one.
pub const MAIL_FIELD: &str = "email";

/// A mail that a flow writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whom it goes to; without an address, to the contact of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The channel it leaves by; without one, the only one of e-mail that the business has enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A letter on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The message it is: its status tells how it fares.
    pub message_id: MessageId,
    /// The conversation it is in.
    pub conversation_id: ConversationId,
}

/// Why a letter was not taken. Nothing was sent, and nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// It names nobody, and the contact has no address.
    #[error("the contact has no mail address")]
    NoAddress,
    /// What it is to go to is no address.
    #[error("the mail address is malformed")]
    InvalidAddress,
    /// The business has no enabled channel of e-mail, or the one that is named is none.
    #[error("there is no enabled e-mail channel")]
    NoChannel,
    /// The business has several channels of e-mail, and none is named.
    #[error("there are several e-mail channels, and none is named")]
    SeveralChannels,
    /// The mail cannot be sent as it is.
    #[error("the mail {0}")]
    Invalid(#[from] MailError),
    /// The rules forbid it: the contact asked for silence, or the mailbox is not there.
    #[error("it may not be sent: {0:?}")]
    Denied(FailureKind),
    /// It may be taken later.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl LetterError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::InvalidAddress => "invalid_address",
            Self::NoChannel => "no_channel",
            Self::SeveralChannels => "several_channels",
            Self::Invalid(_) => "invalid_mail",
            Self::Denied(FailureKind::OptedOut) => "opted_out",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// Takes the mails that flows write. The engine is one: what it takes is a message like any other, in
/// the conversation of whoever gets it, under the rules that hold for everybody.
///
/// # Contract
/// - A letter to the contact of the call becomes a message to it: to its own address, else to the one in
///   its field [`MAIL_FIELD`], by which it is known from then on. A letter to anybody else's address
///   becomes a message to the contact that is known by it, who is made if there is none.
/// - Taken is not sent: how the message fares is told by its status.
///
/// # Ordering and idempotency
/// One letter a call: whoever asks again for the same [`CallScope::call_id`] gets the same answer, and
/// nothing is sent twice, as long as the business has the same channel for it.
///
/// # Cancellation
/// A dropped call may have been taken or not; asking again settles it.
///
/// # Errors
/// [`LetterError`], by what to do about it.
#[async_trait]
pub trait Correspondence: Send + Sync + Debug {
    /// Takes a letter.
    async fn write(&self, scope: &CallScope, letter: &Letter) -> Result<Posted, LetterError>;
}
