use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use justping::memory::MemoryProvider;
use justping::model::{ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, OutboxRow};
use justping::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, Clock, Outbound, Receipt,
    ReceiveError, Received, SendError, WebhookRequest,
};

use super::gate::Life;
use super::network::Taken;
use super::plan::SendFault;
use super::world::World;

/// The provider as one process reaches it.
pub(super) struct SimProvider {
    world: Arc<World>,
    life: Life,
    wire: MemoryProvider,
}

impl fmt::Debug for SimProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimProvider").field("life", &self.life).finish_non_exhaustive()
    }
}

impl SimProvider {
    pub(super) fn of(world: &Arc<World>, life: &Life) -> Self {
        let wire = MemoryProvider::new();
        Self { world: Arc::clone(world), life: life.clone(), wire }
    }
}

impl ChannelProvider for SimProvider {
    fn name(&self) -> &str {
        MemoryProvider::NAME
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::MEMORY
    }

    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        let missing = || ChannelConfigError {
            field: "channel".to_owned(),
            message: "is of no shop".to_owned(),
        };
        let shop = self.world.shop_of(config.id).ok_or_else(missing)?;
        Ok(Arc::new(SimChannel {
            world: Arc::clone(&self.world),
            life: self.life.clone(),
            wire: self.wire.open(config, secrets)?,
            id: config.id,
            shop,
        }))
    }
}

/// A channel as one process has it open. Webhooks are read by the channel in memory.
struct SimChannel {
    world: Arc<World>,
    life: Life,
    wire: Arc<dyn Channel>,
    id: ChannelId,
    shop: usize,
}

impl fmt::Debug for SimChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimChannel").field("life", &self.life).finish_non_exhaustive()
    }
}

/// The place that a key names: what the world calls a message by.
pub(super) fn place(key: &str) -> String {
    OutboxRow::parse_key(key).map_or_else(|| key.to_owned(), |(id, seq)| OutboxRow::key(id, seq))
}

impl SimChannel {
    /// The message reaches the contact, once where the provider knows keys.
    fn take(&self, outbound: &Outbound) -> Receipt {
        let (world, key) = (&self.world, &place(&outbound.idempotency_key));
        let plan = &world.plan().shops[self.shop];
        let mut network = world.network();
        if let Some(known) = network.known(key).filter(|_| plan.honours_keys) {
            return Receipt { provider_ref: Some(known) };
        }
        world.watch(|oracle| oracle.arrived(self.id, key));
        let message = Taken {
            shop: self.shop,
            contact: outbound.to.first().map_or("", |one| &one.id),
            key,
            content: &outbound.content,
            echo: plan.capabilities.echoes_key.then_some(&*outbound.idempotency_key),
        };
        Receipt { provider_ref: Some(network.take(world.clock.elapsed_ms(), &message)) }
    }
}

#[async_trait]
impl Channel for SimChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.world.plan().shops[self.shop].capabilities
    }

    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        self.wire.receive(request).await
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let (world, number) = (&self.world, self.life.number);
        let key = &place(&outbound.idempotency_key);
        if self.life.has_ended() {
            return std::future::pending().await;
        }
        let now = world.clock.now();
        world.watch(|oracle| oracle.requested(number, self.id, outbound, now));
        let luck = world.gates.wait(&self.life, "send").await;
        let fault = world.plan().send_fault(&luck);
        let what = outbound.content.plain();
        world.log(format_args!("p{number} send {key} {what:?}: {fault:?}"));
        match fault {
            SendFault::None => Ok(self.take(outbound)),
            SendFault::Late => {
                let receipt = self.take(outbound);
                world.gates.pass(&self.life, "late receipt").await;
                Ok(receipt)
            }
            SendFault::TakenUnknown => {
                self.take(outbound);
                Err(SendError::Unknown { detail: "the answer was lost".to_owned() })
            }
            SendFault::TakenSilent => {
                self.take(outbound);
                std::future::pending().await
            }
            SendFault::Silent => std::future::pending().await,
            SendFault::Refused(error) => {
                world.watch(|oracle| oracle.refused(key));
                Err(error)
            }
        }
    }

    async fn mark_read(&self, provider_ref: &str) -> Result<(), SendError> {
        self.wire.mark_read(provider_ref).await
    }

    async fn verify(&self) -> Result<(), SendError> {
        Ok(())
    }
}
