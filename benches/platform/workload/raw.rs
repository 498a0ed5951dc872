//! What a database does at best: the same work in the fewest statements, on tables without a
//! tenant, a document or a rule. Prepared statements on one connection, as durable as our stores.

use sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};

use crate::Outcome;
use crate::floor::open_sqlite;
use crate::ours::Engine;
use crate::system::{System, World};

/// The database of the limits.
const DATABASE: &str = "limits";
/// The payload of a row, as long as a short message in JSON.
const PAYLOAD: &str = "{\"type\":\"text\",\"text\":\"Thanks, you asked about the price of the blue \
    one. We will answer soon.\",\"from\":\"15550000000\",\"name\":\"Customer\",\
    \"status\":\"received\",\"at\":\"2026-01-01T00:00:00Z\"}";

const TABLES: &str = "CREATE TABLE messages (\
    id BIGINT PRIMARY KEY, business BIGINT NOT NULL, conversation BIGINT NOT NULL, \
    provider_id TEXT NOT NULL, direction SMALLINT NOT NULL, created_at BIGINT NOT NULL, \
    payload TEXT NOT NULL); \
    CREATE UNIQUE INDEX messages_provider ON messages (business, provider_id); \
    CREATE INDEX messages_conversation ON messages (conversation, id); \
    CREATE TABLE jobs (id BIGINT PRIMARY KEY, taken_until BIGINT NOT NULL, payload TEXT NOT NULL); \
    CREATE INDEX jobs_free ON jobs (taken_until, id)";

const POSTGRES_INSERT: &str = "INSERT INTO messages \
    SELECT id, 1, id % 1000, 'wamid.' || id, 0::smallint, 1760000000, $2 \
    FROM UNNEST($1::bigint[]) id";
const POSTGRES_FILL: &str = "INSERT INTO jobs SELECT id, 0, $2 FROM UNNEST($1::bigint[]) id";
const POSTGRES_TAKE: &str = "UPDATE jobs SET taken_until = 1 WHERE id IN (\
    SELECT id FROM jobs WHERE taken_until = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) \
    RETURNING id, payload";
const POSTGRES_COMPLETE: &str = "DELETE FROM jobs WHERE id = ANY($1::bigint[])";

const SQLITE_INSERT: &str = "INSERT INTO messages \
    SELECT value, 1, value % 1000, 'wamid.' || value, 0, 1760000000, ?2 FROM json_each(?1)";
const SQLITE_FILL: &str = "INSERT INTO jobs SELECT value, 0, ?2 FROM json_each(?1)";
const SQLITE_TAKE: &str = "UPDATE jobs SET taken_until = 1 WHERE id IN (\
    SELECT id FROM jobs WHERE taken_until = 0 ORDER BY id LIMIT ?1) RETURNING id, payload";
const SQLITE_COMPLETE: &str = "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1))";

/// A connection to a database with the tables of the limits.
#[derive(Debug)]
pub(super) enum Raw {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Raw {
    pub(super) async fn open(world: &World, engine: Engine) -> Outcome<Self> {
        Ok(match engine {
            Engine::Postgres => {
                let postgres = world.postgres.as_ref().ok_or("no Postgres")?;
                postgres.make(DATABASE, "template0").await?;
                postgres.run(DATABASE, TABLES).await?;
                Self::Postgres(PgConnection::connect(&postgres.url("postgres", DATABASE)).await?)
            }
            Engine::Sqlite => {
                let path = world.new_folder()?.join("limits.db");
                let mut file = open_sqlite(path.to_str().ok_or("no path")?).await?;
                file.execute(TABLES).await?;
                Self::Sqlite(file)
            }
        })
    }

    /// Inserts messages with these ids as one statement and one commit.
    pub(super) async fn insert(&mut self, ids: Vec<i64>) -> Outcome<()> {
        self.write(POSTGRES_INSERT, SQLITE_INSERT, ids).await
    }

    /// Adds jobs to the queue.
    pub(super) async fn fill(&mut self, ids: Vec<i64>) -> Outcome<()> {
        self.write(POSTGRES_FILL, SQLITE_FILL, ids).await
    }

    async fn write(
        &mut self,
        postgres: &'static str,
        sqlite: &'static str,
        ids: Vec<i64>,
    ) -> Outcome<()> {
        match self {
            Self::Postgres(connection) => {
                sqlx::query(postgres).bind(ids).bind(PAYLOAD).execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let ids = serde_json::to_string(&ids)?;
                sqlx::query(sqlite).bind(ids).bind(PAYLOAD).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// Takes up to `limit` jobs and, in a commit of its own, completes them; gives how many.
    pub(super) async fn take_and_complete(&mut self, limit: u32) -> Outcome<usize> {
        let limit = i64::from(limit);
        Ok(match self {
            Self::Postgres(connection) => {
                let take = sqlx::query(POSTGRES_TAKE).bind(limit);
                let rows = take.fetch_all(&mut *connection).await?;
                let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
                sqlx::query(POSTGRES_COMPLETE).bind(&ids).execute(connection).await?;
                ids.len()
            }
            Self::Sqlite(connection) => {
                let take = sqlx::query(SQLITE_TAKE).bind(limit);
                let rows = take.fetch_all(&mut *connection).await?;
                let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
                let text = serde_json::to_string(&ids)?;
                sqlx::query(SQLITE_COMPLETE).bind(text).execute(connection).await?;
                ids.len()
            }
        })
    }
}

/// The name of the limit of a database.
pub(super) fn name(engine: Engine) -> &'static str {
    System::Floor(engine).name()
}
