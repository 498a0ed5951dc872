//! A store of one's own, held to the contract: `cargo test --example custom_store_conformance` runs
//! every check of it, one test each, and `cargo run --example custom_store_conformance` shows that
//! the engine runs on it.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::sync::Arc;

use justping::agents::Flows;
use justping::memory::MemoryStore;
use justping::port::Store;
use justping::stage::Stage;
use serde_json::json;

/// Put your store here. It implements the traits of [`justping::port::store`]; their docs are the
/// contract, and the store in memory is what the contract looks like as code.
fn my_store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flow = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "echo", "type": "text", "data": {"text": "You said {{ message.text }}."}},
        ],
        "edges": [{"id": "1", "source": "start", "target": "echo"}],
    });
    let stage = Stage::builder(Arc::new(Flows::new())).store(my_store()).open(&[flow]).await?;
    for reply in stage.say("ada", "hello").await? {
        println!("{}", reply.content.plain());
    }
    println!("checks of the contract: {}", justping::conformance::store::CHECKS);
    Ok(())
}

#[cfg(test)]
mod contract {
    // The factory gives a fresh, empty store to each check.
    justping::core::store_conformance!(async || super::my_store());

    #[test]
    fn the_engine_runs_on_it() {
        super::main().unwrap();
    }
}
