//! What people sent past us: they have taken the conversation over.

use std::time::Duration;

use super::registry::OpenChannel;
use super::turn::{changed, message_events};
use super::{EngineError, JustPing};
use crate::model::{
    Author, BusinessId, Contact, Direction, Echo, Identity, Lane, MessageId, Owner, Timestamp,
};
use crate::port::StoreError;
use crate::port::store::{IdempotencyRecord, IdempotencyStart, Post};

/// After this long a worker that was recording an echo is taken for dead.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// The status an echo is remembered with.
const RECORDED: u16 = 200;

impl JustPing {
    /// Takes note of an answer that people gave elsewhere: members see it, and the bot is silent.
    /// Contacts who never wrote are not made known by it. A repeated echo changes nothing.
    pub(super) async fn echo(
        &self,
        open: &OpenChannel,
        echo: Echo,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let (business, channel) = (open.config.business_id, open.config.id);
        let Some(contact) = self.anybody(business, &echo.to).await? else { return Ok(()) };
        let store = &self.inner.store;
        let conversation = match store.conversation_of(business, channel, contact.id).await {
            Ok(conversation) => conversation,
            Err(StoreError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let key = format!("echo {channel} {}", echo.provider_ref);
        let record = IdempotencyRecord { key: key.clone(), request_sha256: [0; 32], now };
        let abandoned = now.checked_sub(ABANDONED_AFTER).unwrap_or(Timestamp::MIN);
        if store.start_request(business, &record, abandoned).await? != IdempotencyStart::Started {
            return Ok(());
        }
        let owner = (conversation.owner == Owner::Bot).then_some(Owner::Queue);
        let post = Post {
            business_id: business,
            conversation_id: conversation.id,
            message_id: MessageId::from_uuid(self.inner.ids.uuid()),
            direction: Direction::Note,
            author: Author::System,
            content: echo.content,
            lane: Lane::Interactive,
            reply_to: None,
            owner,
            now,
        };
        let mut events = Vec::new();
        for committed in store.post(vec![post]).await? {
            let committed = committed?;
            events.extend(message_events(&committed));
            if committed.conversation.owner != conversation.owner {
                events.push(changed(&committed));
            }
        }
        store.finish_request(business, &key, RECORDED, "").await?;
        if owner.is_some() {
            self.inner.running.stop(conversation.id, &[]);
        }
        self.inner.bus.publish(events).await;
        Ok(())
    }

    /// The first contact that is known by one of the identities.
    async fn anybody(
        &self,
        business: BusinessId,
        identities: &[Identity],
    ) -> Result<Option<Contact>, EngineError> {
        for identity in identities {
            match self.inner.store.contact_by_identity(business, identity).await {
                Ok(contact) => return Ok(Some(contact)),
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}
