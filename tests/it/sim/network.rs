//! Everything between the engine and the contacts: webhooks on their way, statuses, repetitions.

use std::collections::{BTreeMap, BTreeSet};

use justping::model::{
    Choice, Content, DeliveryStatus, Failure, FailureKind, Inbound, StatusUpdate,
};

use super::chance::Chance;

/// The code of a failure that the provider reports after it took a message.
pub(super) const LATE_FAILURE: &str = "late";

/// A webhook that has to be delivered until it is answered 200.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) shop: usize,
    pub(super) news: Vec<Inbound>,
}

/// What the provider of one channel remembers, and what is on its way.
#[derive(Debug)]
pub(super) struct Network {
    chance: Chance,
    waiting: BTreeMap<(u64, u64), Delivery>,
    last: u64,
    effects: u64,
    /// The provider's id of each message that reached a contact, by our key.
    taken: BTreeMap<String, String>,
    /// The statuses that were told of each key.
    pub(super) told: BTreeMap<String, BTreeSet<&'static str>>,
    /// The buttons each contact saw last.
    buttons: BTreeMap<(usize, String), Vec<Choice>>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            waiting: BTreeMap::new(),
            last: 0,
            effects: 0,
            taken: BTreeMap::new(),
            told: BTreeMap::new(),
            buttons: BTreeMap::new(),
        }
    }

    /// Sends a webhook on its way; it arrives at that moment or later.
    pub(super) fn post(&mut self, at_ms: u64, delivery: Delivery) {
        self.last += 1;
        self.waiting.insert((at_ms, self.last), delivery);
    }

    /// Takes one of the webhooks that may arrive now, whichever the dice choose.
    pub(super) fn arrive(&mut self, now_ms: u64, chance: &Chance) -> Option<Delivery> {
        let due = self.due(now_ms);
        let key = *self.waiting.keys().nth(chance.place(due)).filter(|_| due > 0)?;
        self.waiting.remove(&key)
    }

    /// How many webhooks may arrive now.
    pub(super) fn due(&self, now_ms: u64) -> usize {
        self.waiting.keys().take_while(|(at, _)| *at <= now_ms).count()
    }

    /// When the next webhook may arrive.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// Repeats a delivery that was not answered, or was and comes again.
    pub(super) fn repeat(&mut self, now_ms: u64, delivery: Delivery) {
        let wait = 100 + self.chance.below(if self.chance.percent(10) { 600_000 } else { 20_000 });
        self.post(now_ms + wait, delivery);
    }

    /// The id of a message that a provider which honours keys has seen before.
    pub(super) fn known(&self, key: &str) -> Option<String> {
        self.taken.get(key).cloned()
    }

    /// Whether news that was answered comes again all the same.
    pub(super) fn comes_twice(&self, share: u64) -> bool {
        self.chance.percent(share)
    }

    /// A message reaches its contact; returns the provider's id. News of it follows, in any order.
    pub(super) fn take(&mut self, now_ms: u64, message: &Taken<'_>) -> String {
        self.effects += 1;
        let id = format!("p{}-{}", message.shop, self.effects);
        self.taken.entry(message.key.to_owned()).or_insert_with(|| id.clone());
        if let Content::Buttons { options, .. } = message.content {
            let whose = (message.shop, message.contact.to_owned());
            self.buttons.insert(whose, options.clone());
        }
        for status in self.fate() {
            self.told.entry(message.key.to_owned()).or_default().insert(status.as_str());
            let update = StatusUpdate {
                provider_ref: id.clone(),
                key: message.echo.map(str::to_owned),
                status,
                at: None,
                failure: (status == DeliveryStatus::Failed).then(late_failure),
            };
            let delivery = Delivery { shop: message.shop, news: vec![Inbound::Status(update)] };
            let wait = self.chance.below(if self.chance.percent(10) { 300_000 } else { 3_000 });
            self.post(now_ms + wait, delivery);
        }
        id
    }

    /// What a message comes to: some of the good news, or late failure; at times a contradiction.
    fn fate(&self) -> Vec<DeliveryStatus> {
        use DeliveryStatus::{Delivered, Failed, Queued, Read, Sent};
        match self.chance.below(10) {
            0 => vec![Sent, Failed],
            1 => vec![Delivered, Failed, Sent],
            2 => vec![Read],
            3 => vec![Queued, Sent, Delivered],
            4 => Vec::new(),
            5 | 6 => vec![Sent, Delivered],
            _ => vec![Sent, Delivered, Read],
        }
    }

    /// A button the contact may press.
    pub(super) fn button(&self, shop: usize, contact: &str, chance: &Chance) -> Option<Content> {
        let options = self.buttons.get(&(shop, contact.to_owned()))?;
        let choice = options.get(chance.place(options.len()))?;
        Some(Content::Reply { option: choice.id.clone(), title: choice.title.clone() })
    }
}

/// A message that reaches its contact.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    pub(super) shop: usize,
    pub(super) contact: &'a str,
    pub(super) key: &'a str,
    pub(super) content: &'a Content,
    /// Whether statuses carry our key.
    pub(super) echo: Option<&'a str>,
}

fn late_failure() -> Failure {
    Failure {
        kind: FailureKind::Rejected,
        code: Some(LATE_FAILURE.to_owned()),
        detail: "not delivered".to_owned(),
    }
}
