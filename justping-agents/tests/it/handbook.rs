//! The page about nodes is the one the nodes give.

use std::path::Path;

use justping_agents::{Flows, handbook};

/// Set to anything to write the page instead of comparing it.
const WRITE_VARIABLE: &str = "JUSTPING_WRITE_PAGES";

#[test]
fn the_page_about_nodes_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nodes.md");
    let page = handbook::page(&Flows::new().descriptors());
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/nodes.md is not what the nodes say; write it anew: \
         {WRITE_VARIABLE}=1 cargo test -p justping-agents --test it handbook"
    );
}
