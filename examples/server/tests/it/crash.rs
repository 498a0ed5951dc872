//! Killed at random instants, the server loses no accepted message, applies no transition twice,
//! answers in order, and sends each reply once.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use justping_store::testing::{Database, Server};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::fleet::MASTER_KEY;
use crate::graph::{Graph, Keys};
use crate::ledger::{ECHOES, Fate, Ledger, Thread};
use crate::process::{ANY_PORT, Process};
use crate::provider::{BURST, Dice, Doors, PHONE_ID, Provider, tell_statuses};

/// How long the provider takes for an answer, so that kills meet sends that are under way.
const LATENCY: Duration = Duration::from_millis(20);
/// Impatience of the server under test: short leases, so that a restart resumes at once.
pub(crate) const ENV: &[(&str, &str)] = &[
    ("JUSTPING_TURN_LEASE_MS", "400"),
    ("JUSTPING_SEND_LEASE_MS", "1500"),
    ("JUSTPING_POLL_MS", "50"),
    ("JUSTPING_WHATSAPP_HOSTS", "127.0.0.1"),
];

struct Plan {
    keys: Keys,
    policy: &'static str,
    unknown_wait_ms: &'static str,
    contacts: usize,
    kills: usize,
    seed: u64,
    told: Told,
    /// A database that outlives the server's process by itself; a file otherwise.
    postgres: Option<Database>,
}

/// When the provider tells how a message fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Some time after it answered the send.
    Later,
    /// Before it answers the send.
    First,
}

struct Outcome {
    graph: Graph,
    threads: Vec<Thread>,
    accepted: usize,
}

/// Sends what the plan says while the server is killed, and hands back everything for the checks.
async fn run(plan: &Plan) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut env = ENV.to_vec();
    env.push(("JUSTPING_UNKNOWN_WAIT_MS", plan.unknown_wait_ms));
    let url = plan.postgres.as_ref().map(Database::url);
    if let Some(url) = &url {
        env.extend([("JUSTPING_DATABASE_URL", &**url), ("JUSTPING_MASTER_KEY", MASTER_KEY)]);
    }
    let mut process = Process::start(&data, ANY_PORT, &env).await;
    let ledger = Ledger::of(&process);
    let (news, heard) = mpsc::unbounded_channel();
    let graph = Graph::start(&folder.path().join("oracle.jsonl"), plan.keys, news).await;
    graph.answers_after(LATENCY);
    let agent = ledger.echo_agent().await;
    let channel = ledger.number(&graph, PHONE_ID, plan.policy, Some(&agent)).await;
    let doors = Doors::new([process.base.clone()]);
    let provider = Provider::new(PHONE_ID, doors.clone(), &channel);
    let mut statuses = JoinSet::new();
    match plan.told {
        Told::Later => {
            statuses.spawn(tell_statuses(vec![provider.clone()], heard, plan.seed ^ 7));
        }
        Told::First => graph.before_answers(provider.clone().tell_first()),
    }
    let writers = tokio::spawn(provider.clone().write_all(0..plan.contacts, plan.seed));

    let mut dice = Dice::new(plan.seed);
    for _ in 0..plan.kills {
        tokio::time::sleep(Duration::from_millis(150 + dice.roll(700))).await;
        process.kill();
        process = Process::start(&data, ANY_PORT, &env).await;
        doors.change(0, &process.base);
    }
    writers.await.unwrap();
    let ledger = Ledger::new(&process.base, &ledger.key);
    let threads = ledger.settled(&channel, &graph, plan.contacts * BURST).await;
    statuses.shutdown().await;
    Outcome { graph, threads, accepted: provider.accepted() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let plan = Plan {
        keys: Keys::Honoured,
        policy: "at_least_once",
        unknown_wait_ms: "800",
        contacts: 385,
        kills: 20,
        seed: 0x5eed_0001,
        told: Told::Later,
        postgres: None,
    };
    let accepted = each_reply_once(&plan).await;
    assert!(accepted >= 5_000, "only {accepted} webhooks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_over_postgres_lose_nothing_and_repeat_nothing() {
    let plan = Plan {
        keys: Keys::Honoured,
        policy: "at_least_once",
        unknown_wait_ms: "800",
        contacts: 100,
        kills: 8,
        seed: 0x5eed_0003,
        told: Told::Later,
        postgres: Some(Server::start().empty().await),
    };
    each_reply_once(&plan).await;
}

async fn told_first(postgres: Option<Database>) {
    let plan = Plan {
        keys: Keys::Ignored,
        policy: "at_most_once",
        unknown_wait_ms: "3000",
        contacts: 100,
        kills: 0,
        seed: 0x5eed_0004,
        told: Told::First,
        postgres,
    };
    each_reply_once(&plan).await;
}

/// The status of a message comes, and is stored, before the answer of the send that names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_before_id() {
    told_first(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_before_id_over_postgres() {
    told_first(Some(Server::start().empty().await)).await;
}

/// Runs a plan, insists that each message has exactly its reply, and tells how many webhooks were
/// accepted.
#[expect(clippy::print_stdout, reason = "what a run went through is worth telling")]
async fn each_reply_once(plan: &Plan) -> usize {
    let Outcome { graph, threads, accepted } = run(plan).await;
    println!(
        "{accepted} webhooks accepted, {} kills, {} sends cut off of {}, {} requests",
        plan.kills,
        graph.cut_off(),
        graph.effects().len(),
        graph.requests()
    );

    // Nothing accepted is lost, nothing is decided twice: every conversation holds exactly its
    // replies, in order.
    assert_eq!(threads.len(), plan.contacts);
    for thread in &threads {
        assert_eq!((thread.heard, thread.texts()), (BURST, ECHOES.to_vec()), "{}", thread.id);
        assert!(thread.replies.iter().all(|fate| fate.status == "read"), "{thread:?}");
    }

    // The oracle saw each reply once and in order.
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sent in graph.effects() {
        seen.entry(sent.to).or_default().push(sent.text);
    }
    assert_eq!(seen.len(), plan.contacts);
    for (to, texts) in &seen {
        assert_eq!(*texts, ECHOES, "{to}");
    }
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_at_most_once_never_repeats_and_statuses_reconcile() {
    let plan = Plan {
        keys: Keys::Ignored,
        policy: "at_most_once",
        unknown_wait_ms: "10000",
        contacts: 60,
        kills: 6,
        seed: 0x5eed_0002,
        told: Told::Later,
        postgres: None,
    };
    let Outcome { graph, threads, .. } = run(&plan).await;
    let effects = graph.effects();
    let distinct: HashSet<(&str, &str)> =
        effects.iter().map(|sent| (sent.to.as_str(), sent.text.as_str())).collect();
    assert_eq!(distinct.len(), effects.len(), "a reply was sent twice");

    let replies: Vec<&Fate> = threads.iter().flat_map(|thread| &thread.replies).collect();
    assert_eq!(replies.len(), plan.contacts * BURST);
    let read = replies.iter().filter(|fate| fate.status == "read").count();
    // What reached the provider is known to have reached it, even when its answer was lost; the
    // rest says why it did not leave.
    assert_eq!(read, effects.len());
    for fate in replies.iter().filter(|fate| fate.status != "read") {
        assert_eq!(fate.failure.as_deref(), Some("unknown_outcome"), "{fate:?}");
    }
    println!("{} replies, {read} sent, {} of unknown outcome", replies.len(), replies.len() - read);
}
