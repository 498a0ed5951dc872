//! What is written for any channel, on channels of mail.

use super::JustPing;
use super::registry::OpenChannel;
use crate::model::{ChannelKind, Content, Cursor, PageRequest};
use crate::policy::{THREAD_WITHIN, answer_by_mail};
use crate::port::store::{MessageOrder, SendClaim, SendOutcome};

/// What is handed to the channel.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) content: Content,
    /// The provider's reference of the message it answers.
    pub(super) reply_to: Option<String>,
}

impl JustPing {
    /// What is handed to the channel for a message: itself, or the mail that it becomes. `changed` is
    /// what a hook made of it.
    pub(super) async fn handed(
        &self,
        claim: &SendClaim,
        open: &OpenChannel,
        changed: Option<&Content>,
    ) -> Result<Handed, SendOutcome> {
        let content = changed.unwrap_or(&claim.message.content).clone();
        let reply_to = claim.message.reply_to.clone();
        let is_ready = matches!(content, Content::Email(_));
        if is_ready || open.adapter.capabilities().kind != ChannelKind::EMAIL {
            return Ok(Handed { content, reply_to });
        }
        let (business, conversation) = (claim.row.business_id, claim.row.conversation_id);
        let page =
            PageRequest { after: Some(Cursor(claim.row.seq.to_string())), limit: THREAD_WITHIN };
        let newest = MessageOrder::NewestFirst;
        let earlier = self.inner.store.messages(business, conversation, newest, &page).await;
        let Ok(earlier) = earlier else {
            return Err(SendOutcome::Defer { due_at: self.later(self.inner.config.poll) });
        };
        let (content, follows) = answer_by_mail(content, &claim.message.author, &earlier.items);
        Ok(Handed { content, reply_to: reply_to.or(follows) })
    }
}
