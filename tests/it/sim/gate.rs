use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::chance::Chance;

/// One life of a process. When it ends, none of its futures gets past another gate.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// Counts the lives of all processes.
    pub(super) number: u64,
    ended: Arc<AtomicBool>,
}

impl Life {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ended: Arc::default() }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// What the simulation decided when it let somebody through.
#[derive(Debug)]
pub(super) struct Luck {
    pub(super) chance: Chance,
}

#[derive(Debug)]
struct Ticket {
    life: u64,
    what: &'static str,
    open: oneshot::Sender<Luck>,
}

/// Where every future of every process waits before it touches the world: the store, a provider or
/// a model. Who goes on is decided outside, so that instances interleave at every await.
#[derive(Debug, Default)]
pub(super) struct Gates {
    parked: Mutex<Parked>,
}

#[derive(Debug, Default)]
struct Parked {
    tickets: BTreeMap<u64, Ticket>,
    last: u64,
}

impl Gates {
    /// Waits to be let through; for ever if the process dies first.
    pub(super) async fn wait(&self, life: &Life, what: &'static str) -> Luck {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let (open, opened) = oneshot::channel();
        {
            let mut parked = self.lock();
            parked.last += 1;
            let number = parked.last;
            parked.tickets.insert(number, Ticket { life: life.number, what, open });
        }
        match opened.await {
            Ok(luck) => luck,
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits to be let through, and wants nothing else.
    pub(super) async fn pass(&self, life: &Life, what: &'static str) {
        self.wait(life, what).await;
    }

    /// Lets one of those who wait through and says who it was. Futures that were dropped while they
    /// waited are nobody.
    pub(super) fn open(&self, chance: &Chance) -> Option<(u64, &'static str)> {
        let mut parked = self.lock();
        parked.tickets.retain(|_, ticket| !ticket.open.is_closed());
        let at = chance.place(parked.tickets.len());
        let number = *parked.tickets.keys().nth(at)?;
        let ticket = parked.tickets.remove(&number)?;
        drop(parked);
        let luck = Luck { chance: Chance::new(chance.number()) };
        ticket.open.send(luck).ok()?;
        Some((ticket.life, ticket.what))
    }

    /// Ends a life: whatever of it waits here never goes on.
    pub(super) fn end(&self, life: &Life) {
        life.ended.store(true, Ordering::Relaxed);
        self.lock().tickets.retain(|_, ticket| ticket.life != life.number);
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
