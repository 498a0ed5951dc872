//! A mock of the Graph API that costs little: it answers every send at once and remembers when the
//! reply to each message came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;
use crate::load::content_length;

/// Messages whose replies are remembered.
const MESSAGES_MAX: usize = 1 << 18;
/// Room for one request.
const REQUEST_BYTES: usize = 16_384;

/// The mock.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub(crate) address: String,
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    epoch: Instant,
    /// Sends ever, which also makes each answer's id.
    ever: AtomicU64,
    sends: AtomicUsize,
    /// Microseconds after the epoch by the number of the message that was answered; 0 is never.
    arrived: Vec<AtomicU64>,
}

impl Graph {
    pub(crate) async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let arrived = std::iter::repeat_with(|| AtomicU64::new(0)).take(MESSAGES_MAX).collect();
        let (ever, sends) = (AtomicU64::new(0), AtomicUsize::new(0));
        let seen = Arc::new(Seen { epoch: Instant::now(), ever, sends, arrived });
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                // A connection that breaks ends the sends of its process, which is noticed there.
                tokio::spawn(async move { drop(serve(stream, &seen).await) });
            }
        });
        Ok(Self { address, seen })
    }

    /// Forgets what came so far.
    pub(crate) fn forget(&self) {
        self.seen.sends.store(0, Ordering::Relaxed);
        for one in &self.seen.arrived {
            one.store(0, Ordering::Relaxed);
        }
    }

    /// How many sends came.
    pub(crate) fn sends(&self) -> usize {
        self.seen.sends.load(Ordering::Relaxed)
    }

    /// When the reply to a message came.
    pub(crate) fn arrived(&self, message: usize) -> Option<Instant> {
        let micros = self.seen.arrived.get(message)?.load(Ordering::Relaxed);
        (micros > 0).then(|| self.seen.epoch + std::time::Duration::from_micros(micros))
    }
}

impl Seen {
    fn hear(&self, body: &str) -> String {
        // Every reply of the workloads repeats the text it answers, which ends in "#<number>".
        let digits = body.split_once('#').map(|(_, rest)| rest).unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let number = digits.get(..end).and_then(|digits| digits.parse::<usize>().ok());
        if let Some(slot) = number.and_then(|number| self.arrived.get(number)) {
            let micros = u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
            slot.store(micros, Ordering::Relaxed);
        }
        self.sends.fetch_add(1, Ordering::Relaxed);
        let id = self.ever.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            "{{\"messaging_product\":\"whatsapp\",\
             \"contacts\":[{{\"input\":\"1\",\"wa_id\":\"1\"}}],\
             \"messages\":[{{\"id\":\"wamid.M{id:015}\"}}]}}"
        );
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; REQUEST_BYTES];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        while let Some((used, answer)) = first(buffer.get(..filled).unwrap_or_default(), seen)? {
            buffer.copy_within(used..filled, 0);
            filled -= used;
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// The answer to the first complete request and the bytes of that request.
fn first(bytes: &[u8], seen: &Seen) -> Outcome<Option<(usize, String)>> {
    let text = std::str::from_utf8(bytes)?;
    let Some((head, rest)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let Some(body) = rest.get(..content_length(head)) else { return Ok(None) };
    Ok(Some((head.len() + 4 + body.len(), seen.hear(body))))
}
