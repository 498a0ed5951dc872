//! The contract does not change unseen: its meaning has a hash, and its page is the one it gives.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod page;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wit_parser::{PackageId, Resolve};

/// Set to anything to write the page, and the hash of what is not released, instead of comparing them.
const WRITE_VARIABLE: &str = "JUSTPING_WRITE_PAGES";
/// The version that plugins are built for.
const VERSION: &str = "0.1.0";
/// The versions that were released: they never change again. A new one gets a folder beside them.
const RELEASED: &[&str] = &[];

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn writes() -> bool {
    std::env::var_os(WRITE_VARIABLE).is_some()
}

fn contract() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit().join(VERSION)).unwrap();
    (resolve, package)
}

/// What the files of a version say but for comments and layout, file by file.
fn meaning(version: &str) -> String {
    let mut files: Vec<PathBuf> = std::fs::read_dir(wit().join(version))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut text = String::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            // No text of the contract holds two slashes but a comment.
            let code = line.split("//").next().unwrap_or_default();
            for word in code.split_whitespace() {
                text.push_str(word);
                text.push(' ');
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn a_version_says_what_its_hash_says() {
    let digest = Sha256::digest(meaning(VERSION).as_bytes());
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = wit().join(format!("{VERSION}.sha256"));
    let is_released = RELEASED.contains(&VERSION);
    if writes() && !is_released {
        std::fs::write(&path, format!("{hash}\n")).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let mend = if is_released {
        format!("{VERSION} is released, so it never changes: write a new version beside it")
    } else {
        format!(
            "{WRITE_VARIABLE}=1 cargo test -p justping-plugins --test contract takes the change"
        )
    };
    assert_eq!(kept.trim(), hash, "the contract {VERSION} changed; {mend}");
}

#[test]
fn comments_and_layout_have_no_meaning() {
    let text = meaning(VERSION);
    assert!(text.contains("package justping:plugin@0.1.0; interface types {"), "{text}");
    assert!(!text.contains("///") && !text.contains("  "), "{text}");
}

#[test]
fn the_page_about_the_contract_is_up_to_date() {
    let (resolve, package) = contract();
    let page = page::write(&resolve, package);
    let path = wit().join("REFERENCE.md");
    if writes() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "plugins/wit/REFERENCE.md is not what the contract says; write it anew: \
         {WRITE_VARIABLE}=1 cargo test -p justping-plugins --test contract"
    );
}

#[test]
fn everything_in_the_contract_is_documented() {
    let (resolve, package) = contract();
    let mut bare = Vec::new();
    for (name, id) in &resolve.packages[package].interfaces {
        let interface = &resolve.interfaces[*id];
        let functions = interface.functions.values().map(|one| (&one.name, &one.docs));
        let types = interface.types.iter().map(|(name, id)| (name, *id));
        let own = types.filter(|(_, id)| !page::is_used(&resolve, *id));
        let own: Vec<_> = own.map(|(name, id)| (name, &resolve.types[id].docs)).collect();
        let all = functions.chain(own).filter(|(_, docs)| docs.is_empty());
        bare.extend(all.map(|(item, _)| format!("{name}.{item}")));
    }
    assert!(bare.is_empty(), "without a word: {bare:?}");
}
