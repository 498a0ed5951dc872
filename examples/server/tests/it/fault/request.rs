//! F4: the API is killed between a request and its answer, and the request is repeated.
//!
//! A key whose first try was cut off stays taken until that try counts as abandoned, which is
//! longer than these tests take: until then nobody is told that something was done twice, or that
//! it was not done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::scene::{Cast, Scene};
use super::{PATIENCE, database, seed, size};
use crate::ledger::Ledger;
use crate::provider::{Dice, Doors, insist_on_503};

const RECIPIENTS: usize = 6;
/// Those who create contacts at the same time.
const CLERKS: usize = 6;
/// A clerk's rest before a request is repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(30);

/// What clerks know of what they asked for, by the name of the contact.
#[derive(Debug, Default)]
struct Filed {
    acknowledged: BTreeMap<String, Value>,
    /// The key is taken by a try that was cut off.
    open: BTreeSet<String>,
    /// Requests that were made and not answered.
    cut_off: usize,
}

/// How a request ended.
enum Answer {
    Made { body: Value, replayed: bool },
    InFlight,
}

#[derive(Debug, Clone)]
struct Clerk {
    ledger: Ledger,
    doors: Doors,
    /// The processes that are asked are counted from here.
    first: usize,
}

fn contact(name: &str) -> Value {
    json!({
        "name": name,
        "identities": [{"kind": "clerk", "id": name}],
        "fields": {"file": name},
        "tags": ["filed"],
    })
}

impl Clerk {
    /// Creates one contact after the other until it is told to stop.
    async fn work(self, number: usize, stop: Arc<AtomicBool>) -> Filed {
        let mut filed = Filed::default();
        for count in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let name = format!("{number}-{count}");
            match self.create(&name, &mut filed.cut_off).await {
                Answer::Made { body, .. } => {
                    filed.acknowledged.insert(name, body);
                }
                Answer::InFlight => {
                    filed.open.insert(name);
                }
            }
        }
        filed
    }

    /// Creates a contact, and repeats that until somebody answers for good.
    async fn create(&self, name: &str, cut_off: &mut usize) -> Answer {
        let started = std::time::Instant::now();
        for turn in self.first.. {
            let ledger = self.ledger.at(self.doors.at(turn));
            let request = ledger.request("POST", "/contacts").header("idempotency-key", name);
            let seen = match request.json(&contact(name)).send().await {
                Ok(answer) if answer.status() == StatusCode::CREATED => {
                    let replayed = answer.headers().contains_key("idempotency-replayed");
                    match answer.json().await {
                        Ok(body) => return Answer::Made { body, replayed },
                        Err(error) => {
                            *cut_off += 1;
                            error.to_string()
                        }
                    }
                }
                Ok(answer) if answer.status() == StatusCode::CONFLICT => {
                    assert!(answer.headers().contains_key("retry-after"));
                    let problem: Value = answer.json().await.unwrap();
                    assert_eq!(problem["code"], "idempotency_in_flight");
                    return Answer::InFlight;
                }
                Ok(answer) => {
                    insist_on_503(&answer, name);
                    answer.status().to_string()
                }
                Err(error) => {
                    *cut_off += usize::from(!error.is_connect());
                    error.to_string()
                }
            };
            assert!(started.elapsed() < PATIENCE, "{name} is not created: {seen}");
            tokio::time::sleep(REPEAT_AFTER).await;
        }
        unreachable!("turns do not end")
    }
}

/// The contacts that clerks created, by name.
async fn filed(ledger: &Ledger) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = ledger.get(&format!("/contacts?limit=200{after}")).await;
        for item in page["items"].as_array().unwrap() {
            if item["tags"] == json!(["filed"]) {
                let name = item["name"].as_str().unwrap().to_owned();
                all.entry(name).or_default().push(item.clone());
            }
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

/// Each acknowledged contact is there as it was answered, each other one wholly or not at all, and
/// none twice.
fn insist_on_files(known: &Filed, found: &BTreeMap<String, Vec<Value>>) {
    for (name, items) in found {
        assert_eq!(items.len(), 1, "{name} is there twice");
        let wanted = contact(name);
        for part in ["name", "identities", "fields", "tags"] {
            assert_eq!(items[0][part], wanted[part], "half of {name} is there");
        }
        match known.acknowledged.get(name) {
            Some(body) => assert_eq!(items[0], *body),
            None => assert!(known.open.contains(name), "nobody asked for {name}"),
        }
    }
    let missing = known.acknowledged.keys().find(|name| !found.contains_key(*name));
    assert_eq!(missing, None, "acknowledged and lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_repeated_to_another_process_is_done_once() {
    let (kills, seed) = (size(5, 200), seed(0xf4));
    let database = database().await;
    let cast = Cast::usual(database.url(), kills * RECIPIENTS, seed);
    let mut scene = Scene::open(cast).await;
    scene.tell_statuses();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clerks = JoinSet::new();
    let clerk = |first| Clerk { ledger: scene.ledger.clone(), doors: scene.doors().clone(), first };
    let steady = clerk(1);
    for number in 0..CLERKS {
        clerks.spawn(clerk(0).work(number, Arc::clone(&stop)));
    }
    let mut dice = Dice::new(seed);
    for _ in 0..kills {
        scene.write(1, RECIPIENTS);
        tokio::time::sleep(Duration::from_millis(50 + dice.roll(300))).await;
        scene.kill(0).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut known = Filed::default();
    while let Some(ended) = clerks.join_next().await {
        let ended = ended.unwrap();
        known.acknowledged.extend(ended.acknowledged);
        known.open.extend(ended.open);
        known.cut_off += ended.cut_off;
    }
    let (made, open) = (known.acknowledged.len(), known.open.len());
    println!("{made} created, {} cut off, {open} open", known.cut_off);
    assert!(made > 0 && known.cut_off > 0, "no kill met a request that was under way");

    // The same key gives the same contact, whichever process is asked.
    for (name, body) in &known.acknowledged {
        match steady.create(name, &mut 0).await {
            Answer::Made { body: again, replayed } => assert_eq!((&again, replayed), (body, true)),
            Answer::InFlight => panic!("{name} was answered and is not done"),
        }
    }
    insist_on_files(&known, &filed(&scene.ledger).await);
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}
