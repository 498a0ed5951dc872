//! What claims cost: they must read along their indexes, however much is due.

use std::collections::HashSet;

use justping_core::conformance::fixture::World;
use justping_core::port::store::EngineStore;
use sqlx::{AssertSqlSafe, Row};

use super::*;

/// The plan of the last statement of a text, a line each.
async fn plan(scratch: &Scratch, name: &str) -> Vec<String> {
    let mut all = engine::LISTS.iter().copied().flatten();
    let (_, text) = all.find(|(known, _)| *known == name).unwrap();
    plan_of(scratch, text.rsplit(';').next().unwrap()).await
}

async fn plan_of(scratch: &Scratch, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = scratch.store.connections.change(sqlx::query(explain)).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(3)).collect()
}

#[tokio::test]
async fn claims_jump_from_business_to_business() {
    let scratch = scratch().await;
    for (name, index) in
        [("OUTBOX_BUSINESSES", "outbox_ready"), ("TURN_BUSINESSES", "mailbox_business")]
    {
        let plan = plan(&scratch, name).await;
        let steps = plan.iter().filter(|line| line.contains(index)).count();
        assert!(steps >= 4, "{name}: {plan:#?}");
        // Whatever is read from end to end is small: the wishes, and the businesses found. The first
        // business of all is the first entry of its index.
        let small = ["w", "a", "b", "ahead", "behind", "CONSTANT ROW"];
        let first = "m USING COVERING INDEX mailbox_business";
        for line in plan.iter().filter_map(|line| line.strip_prefix("SCAN ")) {
            let fine = small.iter().any(|name| line == *name || line.starts_with("json_each "));
            assert!(fine || line == first, "{name}: {line}");
        }
    }
}

#[tokio::test]
async fn claims_read_the_first_rows_of_a_line_in_order() {
    let scratch = scratch().await;
    for (name, index) in [
        ("OUTBOX_LINES", "SEARCH x USING COVERING INDEX outbox_ready (lane=? AND business_id=?"),
        ("TURN_LINES", "SEARCH x USING INDEX mailbox_business (business_id=?)"),
    ] {
        let plan = plan(&scratch, name).await;
        assert!(plan.iter().any(|line| line.starts_with(index)), "{name}: {plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{name}: {plan:#?}");
        let scans: Vec<_> = plan.iter().filter(|line| line.starts_with("SCAN ")).collect();
        assert!(scans.len() == 1 && scans[0].starts_with("SCAN v "), "{name}: {plan:#?}");
    }
}

/// Mail of a conversation is found by the conversation: its business may have any amount of it.
#[tokio::test]
async fn only_claims_read_the_mail_of_a_business() {
    let scratch = scratch().await;
    let mut claims = HashSet::new();
    for (name, text) in engine::LISTS.iter().copied().flatten() {
        for statement in text.split(';').map(str::trim).filter(|text| text.contains(" mailbox")) {
            let plan = plan_of(&scratch, statement).await;
            if plan.iter().any(|line| line.contains("mailbox_business (business_id=?)")) {
                claims.insert(*name);
            }
        }
    }
    assert_eq!(claims, HashSet::from(["TURN_BUSINESSES", "TURN_LINES"]));
}

/// Tables that grow for as long as a platform lives.
const GROWING: &[&str] = &[
    "contacts",
    "conversations",
    "events",
    "identities",
    "memberships",
    "message_places",
    "messages",
    "plugin_lines",
    "plugin_values",
    "received_refs",
    "sent_refs",
    "sessions",
    "trace_steps",
];

/// Every look-up is by key, also when somebody told SQLite how large its tables are.
#[tokio::test]
async fn no_statement_goes_through_a_growing_table() {
    const CONTACTS: usize = 4 * ROWS_MAX;
    let scratch = scratch().await;
    let world = World::new(&scratch.store).await;
    for first in (0..CONTACTS).step_by(ROWS_MAX) {
        let hello = |n| world.hello(&format!("c{n}"), &format!("in{n}"));
        scratch.accept((first..first + ROWS_MAX).map(hello).collect()).await.unwrap();
    }
    for told in [false, true] {
        if told {
            scratch.connections.change(sqlx::query("ANALYZE")).await.unwrap();
        }
        let mut long = Vec::new();
        for (name, text) in statements() {
            for statement in text.split(';').map(str::trim) {
                let reads = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];
                if !reads.iter().any(|word| statement.starts_with(word)) {
                    continue;
                }
                let plan = plan_of(&scratch, statement).await;
                let scans = plan.iter().filter_map(|line| line.strip_prefix("SCAN "));
                let scans = scans.filter(|line| {
                    let table = line.split(' ').next().unwrap_or_default();
                    GROWING.contains(&table)
                        || GROWING
                            .iter()
                            .any(|known| statement.contains(&format!(" {known} {table} ")))
                });
                long.extend(scans.map(|line| format!("{name}: {line}")));
            }
        }
        assert!(long.is_empty(), "{told}: {}", long.join("\n"));
    }
}
