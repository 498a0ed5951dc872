//! What one signed webhook costs the server: HTTP, signature, parsing and a durable commit into
//! SQLite, with 64 connections. Also the memory of the idle server and its start.
//!
//! `cargo bench -p justping-server --bench accept [-- WEBHOOKS]` prints one JSON line a figure.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const WEBHOOKS: usize = 60_000;
const CONTACTS: usize = 10_000;
const SECRET: &str = "bench-app-secret";
const PHONE_ID: &str = "106540352242922";
const ROUNDS: usize = 3;

type Failed = Box<dyn std::error::Error + Send + Sync>;

struct Server {
    child: Child,
    address: String,
    key: String,
    started_ms: f64,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start(data: &std::path::Path) -> Result<Self, Failed> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_justping-server"))
            .args(["--listen", &address, "--data-dir"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (found, keys) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                for word in line.split_whitespace().filter(|word| word.starts_with("jp_")) {
                    let _ = found.send(word.to_owned());
                }
            }
        });
        while request(&address, "GET", "/readyz", "", "").await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let started_ms = begun.elapsed().as_secs_f64() * 1e3;
        let key = keys.recv_timeout(std::time::Duration::from_secs(10))?;
        Ok(Self { child, address, key, started_ms })
    }

    /// CPU seconds, user and system, since the start.
    fn cpu(&self) -> Result<f64, Failed> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Resident memory in MiB.
    fn rss_mib(&self) -> Result<f64, Failed> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("");
        let kib = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(kib / 1024.0)
    }

    async fn api(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let headers =
            format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.key);
        let answer =
            request(&self.address, "POST", &format!("/api/v1{path}"), &headers, &body.to_string())
                .await?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// One request on a connection of its own; the body of the answer.
async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 2") {
        return Err(answer.into());
    }
    Ok(body.to_owned())
}

fn webhook(path: &str, address: &str, number: usize) -> Vec<u8> {
    let phone = (15_550_000_000u64 + (number % CONTACTS) as u64).to_string();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398",
    "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": PHONE_ID},
        "contacts": [{"profile": {"name": "Customer"}, "wa_id": phone}],
        "messages": [{"from": phone, "id": format!("wamid.HBgLMTY1MDU1NTEyMzQV{number:012}"),
            "timestamp": "1760000000", "type": "text",
            "text": {"body": format!("what is the price of the blue one #{number}")}}],
    }}]}]})
    .to_string();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap_or_else(|_| unreachable!());
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         x-hub-signature-256: sha256={hex}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends ready-made requests one after the other and counts those answered 200.
async fn connection(address: String, requests: Vec<Vec<u8>>) -> Result<usize, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0u8; 4096];
    let mut good = 0;
    for request in requests {
        stream.write_all(&request).await?;
        let mut filled = 0;
        loop {
            filled += stream.read(buffer.get_mut(filled..).unwrap_or(&mut [])).await?;
            let text = std::str::from_utf8(buffer.get(..filled).unwrap_or(&[]))?;
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                    })
                    .unwrap_or(0usize);
                if body.len() >= length {
                    good += usize::from(head.starts_with("HTTP/1.1 200"));
                    break;
                }
            }
        }
    }
    Ok(good)
}

async fn round(total: usize, round: usize) -> Result<(), Failed> {
    let folder =
        std::env::temp_dir().join(format!("justping-bench-{}-{round}", std::process::id()));
    let server = Server::start(&folder).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    println!("{}", json!({"figure": "start", "ms": server.started_ms}));
    println!("{}", json!({"figure": "idle", "rss_mib": server.rss_mib()?}));
    let channel = server
        .api(
            "/channels",
            &json!({
                "provider": "whatsapp", "name": "bench",
                "settings": {"phone_number_id": PHONE_ID},
                "secrets": {"access_token": "t", "app_secret": SECRET, "verify_token": "v"},
            }),
        )
        .await?;
    let path = format!("/webhooks/whatsapp/{}", channel["id"].as_str().ok_or("no channel")?);
    let mut lanes: Vec<Vec<Vec<u8>>> = vec![Vec::new(); CONNECTIONS];
    for number in 0..total {
        if let Some(lane) = lanes.get_mut(number % CONNECTIONS) {
            lane.push(webhook(&path, &server.address, number));
        }
    }
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for lane in lanes {
        tasks.spawn(connection(server.address.clone(), lane));
    }
    let mut good = 0;
    while let Some(task) = tasks.join_next().await {
        good += task??;
    }
    let (cpu, wall) = (server.cpu()? - cpu, begun.elapsed().as_secs_f64());
    println!(
        "{}",
        json!({
            "figure": "accept", "connections": CONNECTIONS, "webhooks": good, "of": total,
            "cpu_ms_each": cpu * 1e3 / good as f64, "per_second": good as f64 / wall,
            "rss_mib": server.rss_mib()?,
        })
    );
    drop(server);
    std::fs::remove_dir_all(&folder)?;
    if good == total { Ok(()) } else { Err("some webhooks were not accepted".into()) }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let total = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(WEBHOOKS);
    for number in 0..ROUNDS {
        round(total, number).await?;
    }
    Ok(())
}
