//! The floor of `ingest`: the least program that answers a signed webhook once it is durable. It
//! verifies, parses what it stores, inserts one row under a unique key, and shares commits among
//! whoever waits. It knows no tenant, contact, conversation, queue, metric or log.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::Outcome;
use crate::load::content_length;
use crate::payload::SECRET;

/// Rows of one commit.
const ROWS_MAX: usize = 256;
/// Rows that wait for their commit.
const QUEUE_MAX: usize = 4_096;
/// Room for one request.
const REQUEST_BYTES: usize = 16_384;

pub(crate) const POSTGRES_TABLE: &str = "CREATE TABLE floor (\
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, provider_id TEXT NOT NULL UNIQUE, \
    sender TEXT NOT NULL, body TEXT NOT NULL); CREATE INDEX floor_sender ON floor (sender, id)";
const POSTGRES_INSERT: &str = "INSERT INTO floor (provider_id, sender, body) \
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";
pub(crate) const SQLITE_TABLE: &str = "CREATE TABLE floor (\
    id INTEGER PRIMARY KEY, provider_id TEXT NOT NULL UNIQUE, sender TEXT NOT NULL, \
    body TEXT NOT NULL) STRICT; CREATE INDEX floor_sender ON floor (sender, id)";
const SQLITE_INSERT: &str = "INSERT INTO floor (provider_id, sender, body) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true \
    ON CONFLICT DO NOTHING";

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    value: Value<'a>,
}

#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
}

type Row = (String, String, String);

struct Job {
    row: Row,
    done: oneshot::Sender<()>,
}

/// Where the rows go.
enum Table {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Opens a SQLite file as durably as our store does.
pub(crate) async fn open_sqlite(path: &str) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// Serves until the process is killed.
pub(crate) async fn serve(listen: &str, database: &str) -> Outcome<()> {
    let table = if database.starts_with("postgres:") {
        Table::Postgres(PgConnection::connect(database).await?)
    } else {
        let mut file = open_sqlite(database).await?;
        file.execute(SQLITE_TABLE).await?;
        Table::Sqlite(file)
    };
    let (queue, jobs) = mpsc::channel(QUEUE_MAX);
    let listener = TcpListener::bind(listen).await?;
    tokio::spawn(async move { write(table, jobs).await });
    let queue = Arc::new(queue);
    loop {
        let (stream, _) = listener.accept().await?;
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { drop(connection(stream, &queue).await) });
    }
}

async fn write(mut table: Table, mut jobs: mpsc::Receiver<Job>) -> Outcome<()> {
    let mut taken = Vec::with_capacity(ROWS_MAX);
    while jobs.recv_many(&mut taken, ROWS_MAX).await > 0 {
        let rows: Vec<&Row> = taken.iter().map(|job| &job.row).collect();
        table.insert(&rows).await?;
        for job in taken.drain(..) {
            // Whoever went away needs no answer.
            let _ = job.done.send(());
        }
    }
    Ok(())
}

impl Table {
    async fn insert(&mut self, rows: &[&Row]) -> Outcome<()> {
        match self {
            Self::Postgres(connection) => {
                let column = |pick: fn(&Row) -> &String| -> Vec<String> {
                    rows.iter().map(|row| pick(row).clone()).collect()
                };
                let query = sqlx::query(POSTGRES_INSERT)
                    .bind(column(|row| &row.0))
                    .bind(column(|row| &row.1))
                    .bind(column(|row| &row.2));
                query.execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let query = sqlx::query(SQLITE_INSERT).bind(serde_json::to_string(rows)?);
                query.execute(connection).await?;
            }
        }
        Ok(())
    }
}

async fn connection(mut stream: TcpStream, queue: &mpsc::Sender<Job>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; REQUEST_BYTES];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let text = std::str::from_utf8(buffer.get(..filled).unwrap_or_default())?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if body.len() < content_length(head) {
            continue;
        }
        let row = verified(head, body)?;
        let (done, committed) = oneshot::channel();
        queue.send(Job { row, done }).await?;
        committed.await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        filled = 0;
    }
}

fn verified(head: &str, body: &str) -> Outcome<Row> {
    let claimed = head.split_once("sha256=").map(|(_, rest)| rest).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(body.as_bytes());
    let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let digits = claimed.as_bytes().get(..64).ok_or("no signature")?;
    let bytes: Vec<u8> = digits.chunks(2).filter_map(hex).collect();
    mac.verify_slice(&bytes)?;
    let webhook: Webhook<'_> = serde_json::from_str(body)?;
    let mut changes = webhook.entry.into_iter().flat_map(|entry| entry.changes);
    let mut messages = changes.next().ok_or("no change")?.value.messages.into_iter();
    let message = messages.next().ok_or("no message")?;
    Ok((message.id.into_owned(), message.from.into_owned(), message.text.body.into_owned()))
}
