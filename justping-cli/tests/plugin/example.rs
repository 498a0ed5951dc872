//! The examples.

use std::collections::BTreeSet;

use wit_component::DecodedWasm;

use super::{builds_and_holds, root, run};

fn example(name: &str) {
    builds_and_holds(&root().join("plugins/examples").join(name));
}

/// The interfaces with functions that a component imports.
fn imports(name: &str) -> BTreeSet<String> {
    let path = root().join("plugins/examples").join(name).join("plugin.wasm");
    let decoded = wit_component::decode(&std::fs::read(path).unwrap()).unwrap();
    let DecodedWasm::Component(resolve, world) = decoded else { panic!("{name} is a package") };
    let interfaces = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key));
    interfaces.filter(|name| name != "justping:plugin/types@0.1.0").collect()
}

fn named(interfaces: &[&str]) -> BTreeSet<String> {
    interfaces.iter().map(|name| format!("justping:plugin/{name}@0.1.0")).collect()
}

#[test]
fn rust_order_status() {
    example("order-status");
    assert_eq!(imports("order-status"), named(&["http", "log"]));
    run::order_status();
    run::order_status_online();
}

#[test]
fn rust_pii_filter() {
    example("pii-filter");
    assert_eq!(imports("pii-filter"), named(&[]));
    run::pii_filter();
}

#[test]
fn rust_sms_gateway() {
    example("sms-gateway");
    assert_eq!(imports("sms-gateway"), named(&["config", "http", "secrets"]));
}

#[test]
fn javascript_loyalty_points() {
    example("loyalty-points");
    run::loyalty_points();
}

#[test]
fn python_catalogue() {
    example("catalogue");
}

#[test]
fn c_event_counter() {
    example("event-counter");
}

#[test]
fn every_example_is_tested() {
    let here = include_str!("example.rs");
    for folder in std::fs::read_dir(root().join("plugins/examples")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&format!("example(\"{name}\")")), "{name} has no test");
    }
}
