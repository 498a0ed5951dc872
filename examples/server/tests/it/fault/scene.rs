//! Processes over one Postgres, the provider they send to, and those who write.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::member::Member;
use super::verdict::{Verdict, Written};
use super::{PATIENCE, tell, until};
use crate::crash::ENV;
use crate::fleet::MASTER_KEY;
use crate::graph::{Graph, Keys, Sent};
use crate::ledger::{Fate, Ledger, Thread};
use crate::process::{ANY_PORT, Process};
use crate::provider::{BURST, Dice, Doors, PHONE_ID, Provider, phone, tell_statuses};

/// The number from which members write; no flow answers there.
const DESK_PHONE_ID: &str = "106540352242923";
/// The contacts that members write to are counted from here.
const RECIPIENTS_FROM: usize = 500_000;
/// How long the provider takes for an answer: long enough that there are always sends under way.
const LATENCY: Duration = Duration::from_millis(150);

/// What is on the stage.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    /// Where the processes find the database.
    pub url: String,
    /// Processes that work; beside them one only answers.
    pub workers: usize,
    pub keys: Keys,
    pub policy: &'static str,
    pub send_lease_ms: u64,
    pub unknown_wait_ms: u64,
    /// Contacts that members write to.
    pub recipients: usize,
    pub seed: u64,
    /// What else the processes are told.
    pub more: Vec<(&'static str, String)>,
}

/// A running stage.
#[derive(Debug)]
pub(super) struct Scene {
    cast: Cast,
    folder: TempDir,
    /// The first one only answers.
    processes: Vec<Process>,
    doors: Doors,
    pub graph: Graph,
    pub ledger: Ledger,
    customers: Provider,
    bot_channel: String,
    desk_channel: String,
    recipients: Vec<String>,
    written: Arc<Mutex<Written>>,
    /// The requests of the provider that came before those who write now began.
    asked_before: usize,
    /// Customers who write now.
    writing: usize,
    heard: Option<mpsc::UnboundedReceiver<Sent>>,
    desk: Provider,
    writers: JoinSet<()>,
    statuses: JoinSet<()>,
}

impl Cast {
    /// One worker, a provider that honours keys, and a policy that relies on it.
    pub(super) fn usual(url: String, recipients: usize, seed: u64) -> Self {
        Self {
            url,
            workers: 1,
            keys: Keys::Honoured,
            policy: "at_least_once",
            send_lease_ms: 1_500,
            unknown_wait_ms: 800,
            recipients,
            seed,
            more: Vec::new(),
        }
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        let mut env: Vec<_> = ENV.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        env.push(("JUSTPING_SEND_LEASE_MS", self.send_lease_ms.to_string()));
        env.push(("JUSTPING_UNKNOWN_WAIT_MS", self.unknown_wait_ms.to_string()));
        env.push(("JUSTPING_DATABASE_URL", self.url.clone()));
        env.push(("JUSTPING_MASTER_KEY", MASTER_KEY.to_owned()));
        // They would tell at length that what is taken away from them is missing.
        env.push(("RUST_LOG", "error".to_owned()));
        env.extend(self.more.iter().cloned());
        env
    }
}

async fn start(cast: &Cast, data: PathBuf, workers: &str) -> Process {
    let mut env = cast.env();
    env.push(("JUSTPING_WORKERS", workers.to_owned()));
    let env: Vec<_> = env.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Process::start(&data, ANY_PORT, &env).await
}

impl Scene {
    /// Starts the processes, and introduces those to whom members will write.
    pub(super) async fn open(cast: Cast) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let front = start(&cast, data.clone(), "off").await;
        let ledger = Ledger::of(&front);
        let workers = (0..cast.workers).map(|_| start(&cast, data.clone(), "on"));
        let mut processes = vec![front];
        processes.extend(join_all(workers).await);
        let (news, heard) = mpsc::unbounded_channel();
        let graph = Graph::start(&folder.path().join("oracle.jsonl"), cast.keys, news).await;
        graph.answers_after(LATENCY);
        let agent = ledger.echo_agent().await;
        let bot_channel = ledger.number(&graph, PHONE_ID, cast.policy, Some(&agent)).await;
        let desk_channel = ledger.number(&graph, DESK_PHONE_ID, cast.policy, None).await;
        let doors = Doors::new(processes.iter().map(|process| process.base.clone()));
        let customers = Provider::new(PHONE_ID, doors.clone(), &bot_channel);
        let desk = Provider::new(DESK_PHONE_ID, doors.clone(), &desk_channel);
        let hello = |recipient| {
            let desk = &desk;
            async move { desk.post(&desk.message(RECIPIENTS_FROM + recipient, 0)).await }
        };
        join_all((0..cast.recipients).map(hello)).await;
        let recipients = ledger.conversations(&desk_channel).await;
        assert_eq!(recipients.len(), cast.recipients);
        Self {
            cast,
            folder,
            processes,
            doors,
            graph,
            ledger,
            customers,
            bot_channel,
            desk_channel,
            recipients,
            written: Arc::default(),
            asked_before: 0,
            writing: 0,
            heard: Some(heard),
            desk,
            writers: JoinSet::new(),
            statuses: JoinSet::new(),
        }
    }

    /// From now on, and of all that was sent before, the provider tells how messages fared.
    pub(super) fn tell_statuses(&mut self) {
        let numbers = vec![self.customers.clone(), self.desk.clone()];
        let heard = self.heard.take().expect("statuses are told once");
        self.statuses.spawn(tell_statuses(numbers, heard, self.cast.seed ^ 7));
    }

    /// Has some more customers write, and members to some more recipients, while other things
    /// happen. The first one of the customers.
    pub(super) fn write(&mut self, customers: usize, recipients: usize) -> usize {
        self.asked_before = self.graph.requests();
        self.writing = customers;
        let first = {
            let mut written = self.written.lock().unwrap();
            written.customers += customers;
            written.customers - customers
        };
        let contacts = first..first + customers;
        self.writers.spawn(self.customers.clone().write_all(contacts, self.cast.seed));
        let from = self.recipients.len().saturating_sub(recipients);
        for conversation in self.recipients.split_off(from) {
            let member = Member {
                ledger: self.ledger.clone(),
                doors: self.doors.clone(),
                written: Arc::clone(&self.written),
                dice: Dice::new(self.cast.seed ^ self.recipients.len() as u64),
            };
            self.writers.spawn(member.write(conversation));
        }
        first
    }

    /// Waits until some of the sends are made that come of what is being written, as many as the
    /// dice say; how many of them are under way at that moment.
    pub(super) async fn midst(&self, dice: &mut Dice) -> usize {
        // Every customer is answered, so that half of the answers certainly come.
        let some = dice.roll((self.writing * BURST / 2) as u64) as usize;
        let asked = self.graph.asked(self.asked_before + 1 + some);
        timeout(PATIENCE, asked).await.expect("sends are made");
        self.graph.under_way()
    }

    /// Has a customer write now, and waits until it is answered; how long that took.
    pub(super) async fn probe(&mut self) -> Duration {
        let started = Instant::now();
        let to = phone(self.write(1, 0));
        let graph = &self.graph;
        let answers = async || graph.effects().iter().filter(|sent| sent.to == to).count();
        until("answers to a customer", answers, |answers| *answers > 0).await;
        started.elapsed()
    }

    /// Waits until every process is ready and a customer who then writes is answered; how long
    /// that took.
    pub(super) async fn recovered(&mut self) -> Duration {
        let started = Instant::now();
        let unready = async || self.unready().await;
        until("processes that are not ready", unready, Vec::is_empty).await;
        self.probe().await;
        started.elapsed()
    }

    /// The processes that say that they are not ready.
    pub(super) async fn unready(&self) -> Vec<String> {
        let ask = self.processes.iter().map(Process::is_ready);
        let ready = join_all(ask).await;
        let unready = self.processes.iter().zip(ready).filter(|(_, ready)| !ready);
        unready.map(|(process, _)| process.base.clone()).collect()
    }

    /// Waits until everything that was begun is written.
    pub(super) async fn written(&mut self) {
        while let Some(writer) = self.writers.join_next().await {
            writer.unwrap();
        }
    }

    /// Kills workers in the midst of what is being written, while the provider has sends of some
    /// worker that it did not answer; how many. Others take the place of the killed ones.
    pub(super) async fn kill_midway(&mut self, range: Range<usize>, dice: &mut Dice) -> usize {
        self.midst(dice).await;
        self.graph.hold();
        let under_way = async || self.graph.under_way();
        let met = until("sends under way", under_way, |met| *met > 0).await;
        let before = self.graph.cut_off();
        self.processes[range.clone()].iter_mut().for_each(Process::kill);
        if range == (1..self.processes.len()) {
            // Whoever was sending is among them.
            let cut_off = async || self.graph.cut_off();
            until("sends that are cut off", cut_off, |cut_off| *cut_off > before).await;
        }
        self.graph.release();
        self.replace(range).await;
        met
    }

    /// Kills a process and starts another one in its place.
    pub(super) async fn kill(&mut self, index: usize) {
        self.processes[index].kill();
        self.replace(index..index + 1).await;
    }

    /// Starts others in the place of processes that are gone.
    async fn replace(&mut self, range: Range<usize>) {
        let data = self.folder.path().join("data");
        let workers = |index| if index == 0 { "off" } else { "on" };
        let others = range.clone().map(|index| start(&self.cast, data.clone(), workers(index)));
        let others = join_all(others).await;
        for (index, process) in range.clone().zip(&others) {
            self.doors.change(index, &process.base);
            if index == 0 {
                process.base.clone_into(&mut self.ledger.base);
            }
        }
        self.processes.splice(range, others);
    }

    /// Adds processes that work.
    pub(super) async fn add_workers(&mut self, count: usize) {
        let data = self.folder.path().join("data");
        let more = (0..count).map(|_| start(&self.cast, data.clone(), "on"));
        self.processes.extend(join_all(more).await);
    }

    pub(super) fn doors(&self) -> &Doors {
        &self.doors
    }

    pub(super) fn process(&self, index: usize) -> &Process {
        &self.processes[index]
    }

    pub(super) fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Waits until everything came to its end, and holds what the provider saw against what the
    /// ledger tells, and both against what was written.
    pub(super) async fn judge(&mut self) -> Verdict {
        self.written().await;
        let written = self.written.lock().unwrap().clone();
        let (replies, letters) = (written.customers * BURST, written.letters.len());
        let bot = self.ledger.settled(&self.bot_channel, &self.graph, replies).await;
        let desk = self.ledger.settled(&self.desk_channel, &self.graph, letters).await;
        self.statuses.shutdown().await;
        let verdict = Verdict::of(&written, &bot, &desk, &self.graph);
        tell(format_args!("{verdict:?}"));
        verdict
    }

    /// Waits until everything that was begun is written, and the provider took all that came of it.
    pub(super) async fn sent(&mut self) {
        self.written().await;
        self.replies("sent").await;
        let letters = self.written.lock().unwrap().letters.len();
        let is_sent = |fate: &Fate| fate.status == "sent";
        self.ledger.until(&self.desk_channel, &self.graph, letters, is_sent).await;
    }

    /// The conversations of the customers, as soon as every reply to them is such as is wanted.
    pub(super) async fn replies(&self, wanted: &str) -> Vec<Thread> {
        let expected = self.written.lock().unwrap().customers * BURST;
        let is_wanted = |fate: &Fate| fate.status == wanted;
        self.ledger.until(&self.bot_channel, &self.graph, expected, is_wanted).await
    }
}
