//! What people sent past us: they have taken the conversation over.

use super::registry::OpenChannel;
use super::turn::{changed, message_events};
use super::{EngineError, JustPing};
use crate::model::{
    Author, BusinessId, Contact, Direction, Echo, Identity, Lane, MessageId, Owner, Timestamp,
};
use crate::port::StoreError;
use crate::port::store::Post;

impl JustPing {
    /// Takes note of an answer that people gave elsewhere: members see it, and the bot is silent.
    /// Contacts who never wrote are not made known by it. A repeated echo changes nothing: its note
    /// and the memory of it are one move.
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
            provider_ref: Some(echo.provider_ref),
            once: None,
            owner,
            now,
        };
        let mut events = Vec::new();
        for committed in store.post(vec![post]).await? {
            let committed = match committed {
                Ok(committed) => committed,
                // The provider repeats itself.
                Err(StoreError::Conflict(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            events.extend(message_events(&committed));
            if committed.conversation.owner != conversation.owner {
                events.push(changed(&committed));
            }
        }
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
