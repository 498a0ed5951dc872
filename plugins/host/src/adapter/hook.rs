//! Hooks on messages: those of every plugin of a business that runs and has one, in the order of their
//! names. Each sees what the one before made of the message; the first drop ends it.

use async_trait::async_trait;
use justping_core::model::{BusinessId, Contact, Content, ConversationId, InboundMessage, Message};
use justping_core::port::{HookContext, MessageHook, Verdict};

use crate::capability::told;
use crate::contract::{self, hooks};
use crate::plugins::{Ask, Installed, Plugins, UseError};
use crate::{Export, parse_content};

#[async_trait]
impl MessageHook for Plugins {
    fn is_set(&self, business: BusinessId) -> bool {
        self.may_export(business, Export::Hooks)
    }

    async fn after_receive(&self, context: &HookContext, message: &InboundMessage) -> Verdict {
        let way = Way {
            context,
            id: String::new(),
            conversation: None,
            call_id: format!("{}/{}", context.channel_id, message.provider_ref),
        };
        self.look(&way, &message.content, |ask, installed, message| async move {
            let call = self.call(&installed, &ask, |sandbox, code, caller| async move {
                sandbox.after_receive(&code, caller, message).await
            });
            call.await
        })
        .await
    }

    async fn before_send(
        &self,
        context: &HookContext,
        message: &Message,
        contact: &Contact,
    ) -> Verdict {
        let way = Way {
            context,
            id: message.id.to_string(),
            conversation: Some(message.conversation_id),
            call_id: message.id.to_string(),
        };
        self.look(&way, &message.content, |ask, installed, message| async move {
            let contact = told(contact, Some(&context.kind));
            let call = self.call(&installed, &ask, |sandbox, code, caller| async move {
                sandbox.before_send(&code, caller, message, contact).await
            });
            call.await
        })
        .await
    }
}

/// A message on its way.
struct Way<'a> {
    context: &'a HookContext,
    /// Its id; empty for one that was not stored yet.
    id: String,
    conversation: Option<ConversationId>,
    call_id: String,
}

impl Way<'_> {
    fn message(&self, content: &Content) -> contract::Message {
        contract::Message {
            id: self.id.clone(),
            conversation_id: self.conversation.map(|id| id.to_string()).unwrap_or_default(),
            channel: self.context.kind.to_string(),
            text: content.plain().to_owned(),
            // Content always becomes JSON.
            content: serde_json::to_string(content).unwrap_or_default(),
        }
    }
}

impl Plugins {
    /// Shows a message to one hook after the other.
    async fn look<W>(
        &self,
        way: &Way<'_>,
        content: &Content,
        call: impl Fn(Ask, std::sync::Arc<Installed>, contract::Message) -> W,
    ) -> Verdict
    where
        W: Future<Output = Result<hooks::Verdict, UseError>>,
    {
        let plugins = match self.exporting(way.context.business_id, Export::Hooks).await {
            Ok(plugins) => plugins,
            // Nobody knows whether somebody wants to look.
            Err(error) => {
                tracing::warn!(%error, "hooks cannot be looked up");
                return Verdict::Later;
            }
        };
        let mut changed: Option<Content> = None;
        for installed in plugins {
            let message = way.message(changed.as_ref().unwrap_or(content));
            let ask = Ask {
                conversation_id: way.conversation,
                call_id: way.call_id.clone(),
                now: self.sandbox().ports().clock.now(),
            };
            let name = installed.plugin.name.clone();
            let is_open = installed.plugin.fail_open;
            let said = match call(ask, installed, message).await {
                Err(error) if !is_open && is_over_soon(&error) => return Verdict::Later,
                said => said.map_err(|error| error.to_string()),
            };
            let verdict = said.and_then(|verdict| match verdict {
                hooks::Verdict::Change(json) => parse_content(&json).map(Verdict::Change),
                hooks::Verdict::Drop(reason) => Ok(Verdict::drop(&reason)),
                hooks::Verdict::Pass => Ok(Verdict::Pass),
            });
            match verdict {
                Ok(Verdict::Pass) => {}
                Ok(Verdict::Change(content)) => changed = Some(content),
                Ok(drop) => return drop,
                Err(why) if is_open => {
                    tracing::warn!(plugin = name, why, "a hook failed; the message passes");
                }
                Err(why) => return Verdict::drop(&format!("the plugin {name} failed: {why}")),
            }
        }
        changed.map_or(Verdict::Pass, Verdict::Change)
    }
}

/// Whether a plugin that could not be asked may be asked in a moment. One that is paused may not: it
/// broke, and the business said what holds then.
fn is_over_soon(error: &UseError) -> bool {
    error.is_passing() && !matches!(error, UseError::Paused { .. })
}
