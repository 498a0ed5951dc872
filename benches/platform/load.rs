//! The load: ready-made requests over keep-alive connections, closed loop or open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;

/// Room for one answer; the answers of the measured routes are a few hundred bytes.
const ANSWER_BYTES: usize = 8_192;
/// Connections of an open loop: more than may wait at once below an overload.
const OPEN_LANES: usize = 256;

/// What was answered, and how fast.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Answers with status 200.
    pub(crate) good: usize,
    /// All of them.
    pub(crate) all: usize,
    pub(crate) wall_s: f64,
    /// Milliseconds of each: from the write in a closed loop, from the due time in an open one.
    pub(crate) delays_ms: Vec<f64>,
}

impl Answers {
    fn add(&mut self, lane: Lane) {
        self.good += lane.good;
        self.all += lane.delays_ms.len();
        self.delays_ms.extend(lane.delays_ms);
    }

    /// An error unless every request was answered 200.
    pub(crate) fn complete(self) -> Outcome<Self> {
        if self.good == self.all {
            return Ok(self);
        }
        Err(format!("{} of {} requests were not answered 200", self.all - self.good, self.all))?
    }
}

#[derive(Debug, Default)]
struct Lane {
    good: usize,
    delays_ms: Vec<f64>,
}

/// Sends every request over `connections` connections; each waits for its answer before the next.
pub(crate) async fn closed(
    address: &str,
    requests: Vec<Vec<u8>>,
    connections: usize,
) -> Outcome<Answers> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..connections {
        let (address, requests, next) =
            (address.to_owned(), Arc::clone(&requests), Arc::clone(&next));
        lanes.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut lane = Lane::default();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sent = Instant::now();
                lane.good += usize::from(connection.ask(request).await? == 200);
                lane.delays_ms.push(sent.elapsed().as_secs_f64() * 1e3);
            }
            Outcome::Ok(lane)
        });
    }
    collect(lanes, begun).await
}

/// Sends requests at a fixed rate whatever the system does: each has its due time, and its delay
/// counts from then, so that a stall is charged to every request that it holds up.
pub(crate) async fn open(
    address: &str,
    requests: Vec<Vec<u8>>,
    rate: usize,
    begun: Instant,
) -> Outcome<Answers> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..OPEN_LANES.min(requests.len()) {
        let (address, requests, next) =
            (address.to_owned(), Arc::clone(&requests), Arc::clone(&next));
        lanes.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut lane = Lane::default();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(at) else { return Outcome::Ok(lane) };
                let due = begun + due(at, rate);
                tokio::time::sleep_until(due.into()).await;
                lane.good += usize::from(connection.ask(request).await? == 200);
                lane.delays_ms.push(due.elapsed().as_secs_f64() * 1e3);
            }
        });
    }
    collect(lanes, begun).await
}

/// When the request with this number is due.
pub(crate) fn due(number: usize, rate: usize) -> Duration {
    Duration::from_secs_f64(number as f64 / rate.max(1) as f64)
}

async fn collect(mut lanes: JoinSet<Outcome<Lane>>, begun: Instant) -> Outcome<Answers> {
    let mut answers = Answers::default();
    while let Some(lane) = lanes.join_next().await {
        answers.add(lane??);
    }
    answers.wall_s = begun.elapsed().as_secs_f64();
    Ok(answers)
}

/// A keep-alive connection that reads of an answer only where it ends.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; ANSWER_BYTES] })
    }

    async fn ask(&mut self, request: &[u8]) -> Outcome<u16> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free).await?;
            if read == 0 {
                return Err("the connection ended in the middle of an answer".into());
            }
            filled += read;
            let text = std::str::from_utf8(self.buffer.get(..filled).unwrap_or_default())?;
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= content_length(head)
            {
                return Ok(head.get(9..12).unwrap_or_default().parse()?);
            }
        }
    }
}

/// The length of the body that a head tells; without one, none.
pub(crate) fn content_length(head: &str) -> usize {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// One request on a connection of its own; the body of an answer that says yes.
pub(crate) async fn ask(address: &str, line: &str, headers: &str, body: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
        _ => Err(format!("{line}: {answer}").into()),
    }
}
