//! `plan-trap`: plans made while the tables were empty stay in the connections while 50,000
//! messages come and nobody analyses. A statement that may scan gets dearer with every row.

use super::growth::{self, History};
use super::moves::Bench;
use crate::Outcome;
use crate::figure::Ledger;
use crate::ours::Engine;
use crate::system::World;

/// Rows at the first measurement.
const FIRST: usize = 1_000;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    let Some(postgres) = &world.postgres else { return Ok(()) };
    for sql in ["ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"] {
        postgres.run("postgres", sql).await?;
    }
    let bench = Bench::in_database(world, Engine::Postgres).await?;
    let sizes = [FIRST.min(world.scale.trap / 2), world.scale.trap];
    let measured =
        growth::curve(world, ledger, (History::Unnoticed, run), (Engine::Postgres, &bench), &sizes)
            .await;
    bench.close().await?;
    for sql in ["ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()"] {
        postgres.run("postgres", sql).await?;
    }
    measured
}
