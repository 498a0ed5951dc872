//! What claims cost: they must read along their indexes, however much is due and however empty the
//! tables were when the plan was made.

use sqlx::{AssertSqlSafe, Row};

use super::*;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The plan of a statement as the sessions of the store make it, a line each.
async fn plan(scratch: &Scratch, name: &str, arguments: &str) -> Vec<String> {
    let (_, sql) =
        engine::LISTS.iter().copied().flatten().find(|(known, _)| *known == name).unwrap();
    let mut connection = server::plain(&scratch.database.name).await;
    for (setting, value) in SESSION_SETTINGS {
        server::run(&mut connection, format!("SET {setting} = '{value}'")).await;
    }
    server::run(&mut connection, connection::BEGIN_SYSTEM.to_owned()).await;
    server::run(&mut connection, format!("PREPARE planned AS {sql}")).await;
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE planned({arguments})");
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

#[tokio::test]
async fn claims_read_along_their_indexes() {
    let scratch = scratch().await;
    let one = format!("'{{{NIL}}}'");
    for (name, arguments, index) in [
        ("OUTBOX_BUSINESSES", format!("'{{0}}', {one}, '{{9}}'"), "outbox_ready"),
        ("OUTBOX_LINES", format!("'{{0}}', {one}, 1, 9"), "outbox_ready"),
        ("TURN_BUSINESSES", format!("1, '{NIL}', 9"), "mailbox_business"),
        ("TURN_LINES", format!("{one}, 1, 9"), "mailbox_business"),
    ] {
        let plan = plan(&scratch, name, &arguments).await;
        let contains = |what: &str| plan.iter().any(|line| line.contains(what));
        assert!(contains(index), "{name}: {plan:#?}");
        for slow in ["Sort", "Seq Scan", "Hash", "Materialize"] {
            assert!(!contains(slow), "{name}: {slow} in {plan:#?}");
        }
    }
}
