//! The other side of the provider: it signs what customers write and how sends fared, tells it in
//! bursts, twice and out of order, and repeats each until the server takes it.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::graph::Sent;
use crate::process::client;

pub(crate) const APP_SECRET: &str = "crash-app-secret";
pub(crate) const PHONE_ID: &str = "106540352242922";
/// Messages of each contact, one after the other.
pub(crate) const BURST: usize = 3;
/// Contacts that write at the same time.
const WRITERS: usize = 24;
/// How long the provider waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The provider's rest before it repeats a webhook.
const REPEAT_AFTER: Duration = Duration::from_millis(30);
/// How long it repeats one. Reaching it is a failure.
const REPEAT_MAX: Duration = Duration::from_secs(120);

/// A small source of reproducible chance.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Chance from a seed, of which there may be many in a row.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The address of a contact.
pub(crate) fn phone(contact: usize) -> String {
    (15_550_000_000u64 + contact as u64).to_string()
}

/// The signature of a body.
pub(crate) fn sign(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// Insists that whoever is turned away is told to come back.
pub(crate) fn insist_on_503(answer: &Response, what: &str) {
    assert_eq!(answer.status().as_u16(), 503, "{what}");
    let wait = answer.headers().get("retry-after").unwrap_or_else(|| panic!("{what}: no wait"));
    assert!(wait.to_str().unwrap().parse::<u32>().unwrap() >= 1, "{what}: {wait:?}");
}

/// The addresses of the processes that are up, or were a moment ago.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<Vec<String>>>);

impl Doors {
    pub(crate) fn new(bases: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Mutex::new(bases.into_iter().collect())))
    }

    /// A process has another address now.
    pub(crate) fn change(&self, index: usize, base: &str) {
        base.clone_into(&mut self.0.lock().unwrap()[index]);
    }

    /// The address whose turn it is.
    pub(crate) fn at(&self, turn: usize) -> String {
        let bases = self.0.lock().unwrap();
        bases[turn % bases.len()].clone()
    }
}

/// One number of the provider, and the webhooks that tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    client: reqwest::Client,
    phone_id: &'static str,
    doors: Doors,
    path: String,
    turns: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

impl Provider {
    /// Tells what happens to the number of a channel at any of the doors.
    pub(crate) fn new(phone_id: &'static str, doors: Doors, channel: &str) -> Self {
        Self {
            client: client(),
            phone_id,
            doors,
            path: format!("/webhooks/whatsapp/{channel}"),
            turns: Arc::default(),
            accepted: Arc::default(),
        }
    }

    /// Webhooks that were answered 200.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn webhook(&self, value: Value) -> String {
        let mut value = value;
        value["messaging_product"] = json!("whatsapp");
        value["metadata"] =
            json!({"display_phone_number": "15550783881", "phone_number_id": self.phone_id});
        let changes = [json!({"value": value, "field": "messages"})];
        json!({
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": changes}],
        })
        .to_string()
    }

    /// A message of a contact.
    pub(crate) fn message(&self, contact: usize, number: usize) -> String {
        let from = phone(contact);
        self.webhook(json!({
            "contacts": [{"profile": {"name": format!("Customer {contact}")}, "wa_id": from}],
            "messages": [{
                "from": from,
                "id": format!("wamid.IN{contact:06}{number}"),
                "timestamp": "1760000000",
                "type": "text",
                "text": {"body": format!("m{number}")},
            }],
        }))
    }

    fn status(&self, sent: &Sent, status: &str) -> String {
        self.webhook(json!({
            "statuses": [{
                "id": sent.wamid,
                "status": status,
                "timestamp": "1760000001",
                "recipient_id": sent.to,
                "biz_opaque_callback_data": sent.key,
            }],
        }))
    }

    /// Posts a webhook once, at the door whose turn it is.
    pub(crate) async fn try_post(&self, body: &str) -> Result<Response, reqwest::Error> {
        let door = self.doors.at(self.turns.fetch_add(1, Ordering::Relaxed));
        let request = self.client.post(format!("{door}{}", self.path)).timeout(ANSWER_MAX);
        let request = request.header("content-type", "application/json");
        request.header("x-hub-signature-256", sign(body)).body(body.to_owned()).send().await
    }

    /// Posts a webhook and repeats it until it is answered 200.
    pub(crate) async fn post(&self, body: &str) {
        let started = Instant::now();
        loop {
            let seen = match self.try_post(body).await {
                Ok(answer) if answer.status().is_success() => {
                    self.accepted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Ok(answer) => {
                    insist_on_503(&answer, "a webhook");
                    answer.status().to_string()
                }
                Err(error) => error.to_string(),
            };
            assert!(started.elapsed() < REPEAT_MAX, "a webhook is not taken: {seen}");
            tokio::time::sleep(REPEAT_AFTER).await;
        }
    }

    /// A contact writes its burst in order; some webhooks come twice.
    async fn write(self, contact: usize, mut dice: Dice) {
        for number in 0..BURST {
            let body = self.message(contact, number);
            self.post(&body).await;
            if dice.roll(4) == 0 {
                self.post(&body).await;
            }
        }
        // An old one again, long after its place.
        if dice.roll(4) == 0 {
            self.post(&self.message(contact, 0)).await;
        }
    }

    /// Has contacts write, some at the same time.
    pub(crate) async fn write_all(self, contacts: Range<usize>, seed: u64) {
        let mut tasks = JoinSet::new();
        for contact in contacts {
            if tasks.len() >= WRITERS {
                tasks.join_next().await.unwrap().unwrap();
            }
            let dice = Dice::new(seed ^ ((contact as u64) << 32));
            tasks.spawn(self.clone().write(contact, dice));
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    }

    /// Tells everything there is to tell, out of order, and has the server take it.
    pub(crate) fn tell_first(self) -> impl Fn(Sent) -> BoxFuture<'static, ()> + Send + Sync {
        move |sent| {
            let provider = self.clone();
            Box::pin(async move {
                for name in ["delivered", "sent", "read"] {
                    provider.post(&provider.status(&sent, name)).await;
                }
            })
        }
    }

    /// Tells how one message fared: in shuffled order, some of it twice.
    async fn tell(self, sent: Sent, mut dice: Dice) {
        let mut order = ["sent", "delivered", "read"];
        order.swap(0, dice.roll(3) as usize);
        order.swap(1, dice.roll(3) as usize);
        for name in order {
            self.post(&self.status(&sent, name)).await;
        }
        if dice.roll(5) == 0 {
            self.post(&self.status(&sent, order[0])).await;
        }
    }
}

/// Tells how every message fared that is heard of, each at its own number.
pub(crate) async fn tell_statuses(
    numbers: Vec<Provider>,
    mut heard: mpsc::UnboundedReceiver<Sent>,
    seed: u64,
) {
    let mut tasks = JoinSet::new();
    let mut count = 0;
    while let Some(sent) = heard.recv().await {
        count += 1;
        let number = numbers.iter().find(|number| number.phone_id == sent.from).unwrap();
        tasks.spawn(number.clone().tell(sent, Dice::new(seed ^ (count << 32))));
        while let Some(task) = tasks.try_join_next() {
            task.unwrap();
        }
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}
