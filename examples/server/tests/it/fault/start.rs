//! F14: processes that start at the same moment on an empty database.

use futures_util::future::join_all;
use justping_store::testing::run;

use super::{database, size, until};
use crate::fleet::MASTER_KEY;
use crate::ledger::Ledger;
use crate::process::{ANY_PORT, Process};

const PROCESSES: usize = 2;
/// The lock under which one process migrates, see the store's `open`. The others try again and again.
const HOLD: &str = "BEGIN; SELECT pg_advisory_xact_lock(5365825026410475111)";
const WAITING: &str = "SELECT count(DISTINCT pid) FROM pg_stat_activity \
    WHERE usename = 'justping' AND datname = current_database() \
        AND (query = 'ROLLBACK' OR query LIKE 'SELECT pg_try_advisory_xact_lock%')";
const TABLES: &str = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
const MIGRATIONS: &str = "SELECT count(*) FROM _sqlx_migrations WHERE success";
const TWICE: &str = "SELECT count(*) - count(DISTINCT version) FROM _sqlx_migrations";

/// All of them want to migrate and none may; when they may, one does, and all of them serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_migrate_one_does_and_one_waits() {
    for _ in 0..size(2, 50) {
        let database = database().await;
        let mut lock = database.admin().await;
        run(&mut lock, HOLD.to_owned()).await;
        let folder = tempfile::tempdir().unwrap();
        let url = database.url();
        let env = [("JUSTPING_DATABASE_URL", &*url), ("JUSTPING_MASTER_KEY", MASTER_KEY)];
        let starting: Vec<_> =
            (0..PROCESSES).map(|_| Process::spawn(folder.path(), ANY_PORT, &env)).collect();
        let all = |waiting: &i64| *waiting == PROCESSES as i64;
        until("processes at the lock", async || database.number(WAITING).await, all).await;
        assert_eq!(database.number(TABLES).await, 0, "somebody did not wait");
        run(&mut lock, "ROLLBACK".to_owned()).await;
        let processes = join_all(starting.into_iter().map(|starting| starting.ready())).await;

        assert!(database.number(MIGRATIONS).await > 0);
        assert_eq!(database.number(TWICE).await, 0);
        assert_eq!(database.number("SELECT count(*) FROM businesses").await, 1);
        let mut served = 0;
        for key in processes.iter().filter_map(|process| process.api_key.as_deref()) {
            for process in &processes {
                let me = Ledger::new(&process.base, key).request("GET", "/me").send().await;
                served += usize::from(me.unwrap().status().is_success());
            }
        }
        assert_eq!(served, PROCESSES, "one key, and it opens every process");
    }
}
