//! The examples run and say what their pages say.

use std::path::PathBuf;
use std::process::Command;

/// The lines an example prints. Cargo builds examples together with the tests.
fn run(name: &str) -> Vec<String> {
    let here = std::env::current_exe().unwrap();
    let target = here.parent().and_then(|deps| deps.parent()).unwrap();
    let program: PathBuf = target.join("examples").join(name);
    let output = Command::new(&program).output().unwrap_or_else(|e| {
        panic!("{}: {e}; `cargo build --examples` makes it", program.display())
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn quickstart_holds_a_conversation_in_at_most_sixty_lines() {
    assert_eq!(
        run("quickstart"),
        [
            "contact: hello",
            "agent:   Hi! What is your name?",
            "contact: Ada",
            "agent:   Nice to meet you, Ada. What are you here for?",
            "contact: Buy",
            "agent:   Great, Ada: to the shop!",
        ]
    );
    let source = std::fs::read_to_string("examples/quickstart.rs").unwrap();
    assert!(source.lines().count() <= 60);
}

#[test]
fn custom_channel_speaks_in_numbered_lines() {
    assert_eq!(
        run("custom_channel"),
        ["hello", "> Tea or coffee?", "1. Tea", "2. Coffee", "2", "> One coffee, here you are."]
    );
}

#[test]
fn custom_node_rolls() {
    let lines = run("custom_node");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("You rolled "), "{lines:?}");
}
