use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::model::{ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Inbound};
use crate::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, HttpMethod, Outbound, Rate,
    Receipt, ReceiveError, Received, SendError, WebhookRequest,
};

/// Bytes of a webhook.
const BODY_MAX: usize = 1 << 20;
/// Messages a channel remembers; beyond it the oldest are dropped.
const SENT_MAX: usize = 100_000;

/// The provider of channels that lead nowhere: what is sent stays here to be looked at, and what
/// comes in is a small JSON document.
///
/// ```json
/// {"events": [{"type": "message", "provider_ref": "1", "from": [{"kind": "memory", "id": "ann"}],
///              "content": {"type": "text", "text": "hello"}}]}
/// ```
///
/// The document is an array of [`Inbound`] in its own JSON form. It is sent with the channel's
/// secret [`SECRET`](Self::SECRET) in the header [`HEADER`](Self::HEADER).
#[derive(Debug)]
pub struct MemoryProvider {
    name: &'static str,
    capabilities: Arc<Capabilities>,
    channels: Mutex<BTreeMap<ChannelId, Arc<Wire>>>,
}

/// How a [`MemoryChannel`] answers one send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryAnswer {
    /// Takes the message.
    Take,
    /// Does not take it and says why.
    Refuse(SendError),
    /// Takes it, but the answer is lost: [`SendError::Unknown`].
    Lose,
    /// Takes it and never answers, as when a process dies while it sends.
    Hang,
}

/// One channel of a [`MemoryProvider`].
#[derive(Debug, Clone)]
pub struct MemoryChannel {
    capabilities: Arc<Capabilities>,
    secret: Arc<str>,
    wire: Arc<Wire>,
}

/// What a channel remembers, however often it is opened.
#[derive(Debug, Default)]
struct Wire {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    script: VecDeque<MemoryAnswer>,
    sent: VecDeque<Outbound>,
    receipts: BTreeMap<String, Receipt>,
    tries: u64,
    taken: u64,
    read: VecDeque<String>,
}

impl Wire {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Takes a message; one whose key is known is the same message again.
    fn take(&mut self, outbound: &Outbound) -> Receipt {
        if let Some(receipt) = self.receipts.get(&outbound.idempotency_key) {
            return receipt.clone();
        }
        self.taken += 1;
        let receipt = Receipt { provider_ref: Some(format!("memory-{}", self.taken)) };
        self.receipts.insert(outbound.idempotency_key.clone(), receipt.clone());
        if self.sent.len() >= SENT_MAX
            && let Some(oldest) = self.sent.pop_front()
        {
            self.receipts.remove(&oldest.idempotency_key);
        }
        self.sent.push_back(outbound.clone());
        receipt
    }
}

impl MemoryProvider {
    /// The provider's name.
    pub const NAME: &str = "memory";
    /// The name of the provider of mail.
    pub const MAIL_NAME: &str = "memory_mail";
    /// The name of the one secret.
    pub const SECRET: &str = "webhook_secret";
    /// The header of a webhook that carries the secret.
    pub const HEADER: &str = "x-memory-secret";

    /// A provider whose channels can do much: buttons and lists as WhatsApp has them, no window.
    pub fn new() -> Self {
        Self::with_capabilities(Capabilities {
            kind: ChannelKind::MEMORY,
            service_window: false,
            templates: true,
            echoes_key: true,
            text_max: 4_096,
            buttons_max: 3,
            button_title_max: 20,
            list_rows_max: 10,
            list_title_max: 24,
            list_description_max: 72,
            interactive_text_max: 1_024,
            option_id_max: 256,
            rate: Rate { per_second: 10_000, burst: 10_000 },
        })
    }

    /// A provider whose channels can do exactly this.
    pub fn with_capabilities(capabilities: Capabilities) -> Self {
        Self { name: Self::NAME, capabilities: Arc::new(capabilities), channels: Mutex::default() }
    }

    /// A provider called [`MAIL_NAME`](Self::MAIL_NAME) whose channels are of e-mail.
    pub fn of_mail() -> Self {
        let Capabilities { rate, .. } = *Self::new().capabilities;
        Self {
            name: Self::MAIL_NAME,
            ..Self::with_capabilities(Capabilities {
                kind: ChannelKind::EMAIL,
                service_window: false,
                templates: false,
                echoes_key: true,
                text_max: 100_000,
                buttons_max: 0,
                button_title_max: 0,
                list_rows_max: 0,
                list_title_max: 0,
                list_description_max: 0,
                interactive_text_max: 0,
                option_id_max: 0,
                rate,
            })
        }
    }

    /// What its channels can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The channel as the engine opened it or will open it, to look at and to script.
    pub fn channel(&self, id: ChannelId) -> MemoryChannel {
        self.connect(id, "")
    }

    fn connect(&self, id: ChannelId, secret: &str) -> MemoryChannel {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        MemoryChannel {
            capabilities: Arc::clone(&self.capabilities),
            secret: Arc::from(secret),
            wire: Arc::clone(channels.entry(id).or_default()),
        }
    }
}

impl Default for MemoryProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl ChannelProvider for MemoryProvider {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> ChannelKind {
        self.capabilities.kind.clone()
    }

    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        let secret = secrets.get(Self::SECRET).filter(|secret| !secret.is_empty());
        let missing = || ChannelConfigError {
            field: Self::SECRET.to_owned(),
            message: "is missing".to_owned(),
        };
        Ok(Arc::new(self.connect(config.id, secret.ok_or_else(missing)?)))
    }
}

impl MemoryChannel {
    /// Answers a coming send in this way, after those scripted before. Without a script every send
    /// is taken.
    pub fn script(&self, answer: MemoryAnswer) {
        self.wire.log().script.push_back(answer);
    }

    /// The messages it took, oldest first. A message repeated under its key is taken once.
    pub fn sent(&self) -> Vec<Outbound> {
        self.wire.log().sent.iter().cloned().collect()
    }

    /// How many messages it took.
    pub fn taken(&self) -> u64 {
        self.wire.log().taken
    }

    /// How often somebody tried to send, refusals and repetitions included.
    pub fn tries(&self) -> u64 {
        self.wire.log().tries
    }

    /// References of messages that were marked as read, oldest first.
    pub fn read(&self) -> Vec<String> {
        self.wire.log().read.iter().cloned().collect()
    }

    /// The body of a webhook with this news.
    pub fn webhook(events: &[Inbound]) -> Vec<u8> {
        json!({ "events": events }).to_string().into_bytes()
    }
}

#[async_trait]
impl Channel for MemoryChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        let secret = request.header(MemoryProvider::HEADER).unwrap_or_default();
        if self.secret.is_empty() || !same(secret.as_bytes(), self.secret.as_bytes()) {
            return Err(ReceiveError::Unauthorized);
        }
        match request.method {
            HttpMethod::Get => request
                .parameter("challenge")
                .map(|challenge| Received::Challenge(challenge.to_owned()))
                .ok_or(ReceiveError::Unsupported),
            HttpMethod::Post => parse(request.body).map(Received::Events),
        }
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let (answer, receipt) = {
            let mut log = self.wire.log();
            log.tries += 1;
            let answer = log.script.pop_front().unwrap_or(MemoryAnswer::Take);
            if let MemoryAnswer::Refuse(error) = answer {
                return Err(error);
            }
            (answer, log.take(outbound))
        };
        match answer {
            MemoryAnswer::Lose => Err(SendError::Unknown { detail: "the answer was lost".into() }),
            MemoryAnswer::Hang => std::future::pending().await,
            MemoryAnswer::Take | MemoryAnswer::Refuse(_) => Ok(receipt),
        }
    }

    async fn mark_read(&self, provider_ref: &str) -> Result<(), SendError> {
        let mut log = self.wire.log();
        if log.read.len() >= SENT_MAX {
            log.read.pop_front();
        }
        log.read.push_back(provider_ref.to_owned());
        Ok(())
    }

    async fn verify(&self) -> Result<(), SendError> {
        Ok(())
    }
}

fn parse(body: &[u8]) -> Result<Vec<Inbound>, ReceiveError> {
    if body.len() > BODY_MAX {
        return Err(ReceiveError::TooLarge);
    }
    let malformed = |detail: &str| ReceiveError::Malformed(detail.to_owned());
    let document: Value = serde_json::from_slice(body).map_err(|_| malformed("not JSON"))?;
    let events = document.get("events").and_then(Value::as_array);
    Ok(events.ok_or_else(|| malformed("no events"))?.iter().map(read).collect())
}

/// Reads one piece of news; what is not in its form is kept as it came.
fn read(event: &Value) -> Inbound {
    match serde_json::from_value(event.clone()) {
        Ok(Inbound::Message(message)) if message.from.is_empty() => unsupported(event),
        Ok(inbound) => inbound,
        Err(_) => unsupported(event),
    }
}

fn unsupported(event: &Value) -> Inbound {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Inbound::Unsupported { kind, raw: event.clone() }
}

/// Compares without telling by the time it takes where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
