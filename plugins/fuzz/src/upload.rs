//! Any bytes as a package, and as a component: they are refused with a typed error, or taken and called
//! within limits.

#![no_main]

#[path = "../../host/src/tests/guest.rs"]
#[allow(dead_code)]
mod guest;
mod room;
mod seeds;

use justping_plugins::package::{Archive, Package, PackageRules};
use justping_plugins::sandbox::ToolAsk;
use justping_plugins::{CallError, Export};
use libfuzzer_sys::fuzz_target;

use crate::room::{ROOM, caller};

const MANIFEST: &str = r#"
name = "seed"
title = "Seed"
version = "1.0.0"
contract = "0.1.0"
summary = "What a fuzzer begins with."
authors = ["JustPing"]
license = "MIT"
exports = ["tools"]
"#;

fn packages() -> [(String, Vec<u8>); 3] {
    let archive = Archive {
        manifest: MANIFEST.as_bytes().into(),
        component: guest::echo().into(),
        signature: None,
    };
    [
        ("echo".to_owned(), guest::echo()),
        ("scripted".to_owned(), guest::scripted()),
        ("package".to_owned(), archive.write().expect("a small package")),
    ]
}

fuzz_target!(init: seeds::plant("upload", packages()), |bytes: &[u8]| {
    let _ = Package::read(bytes, &PackageRules::default());
    ROOM.runtime.block_on(async {
        let Ok(code) = ROOM.sandbox.load(bytes.to_vec()).await else { return };
        if !code.exports().contains(&Export::Tools) {
            return;
        }
        let ask =
            ToolAsk { contact_id: String::new(), tool: String::new(), arguments: "{}".to_owned() };
        let called = ROOM.sandbox.call_tool(&code, caller(), ask).await;
        assert!(!matches!(called.result, Err(CallError::Closed)), "the sandbox broke");
        assert!(called.meter.peak_bytes <= ROOM.sandbox.limits().memory_bytes);
    });
});
