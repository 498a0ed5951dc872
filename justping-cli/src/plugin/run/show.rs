//! What is said to whoever sits at the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use justping::agents::scenario::options;
use justping::model::{Content, Grants, Message};
use justping::plugins::package::Inspection;
use justping::plugins::{Export, Installed};
use serde_json::Value;

/// A plugin: what it exports, and what it may use.
pub(super) fn plugin(installed: &Installed) -> String {
    let release = &installed.release;
    let text = |name: &str| release.manifest.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = format!("{} {}: {}\n", release.name, release.version, plain(text("summary")));
    for line in exports(&installed.inspection) {
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {}", plain(&line));
    }
    let asked = release.manifest.get("capabilities").and_then(Value::as_array);
    for request in asked.into_iter().flatten() {
        let part = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(out, "  asks for {}: {}", part("name"), plain(part("reason")));
    }
    let _ = writeln!(out, "  may use {}", granted(&installed.grants));
    out
}

fn exports(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    for node in &inspection.nodes {
        let exits: Vec<&str> = node.exits.iter().map(|exit| exit.name.as_str()).collect();
        lines.push(format!("node {} -> {}: {}", node.name, exits.join(", "), node.summary));
    }
    for tool in &inspection.tools {
        lines.push(format!("tool {}: {}", tool.name, tool.description));
    }
    if inspection.exports.contains(&Export::Hooks) {
        lines.push("looks at messages".to_owned());
    }
    if inspection.exports.contains(&Export::Subscriber) {
        lines.push(format!("hears {}", inspection.events.join(", ")));
    }
    if let Some(channel) = &inspection.channel {
        lines.push(format!("channel {}: {}", channel.kind, channel.title));
    }
    for filter in &inspection.filters {
        lines.push(format!("function {}: {}", filter.name, filter.summary));
    }
    lines
}

/// Grants in words.
pub(super) fn granted(grants: &Grants) -> String {
    let names = grants.capabilities.iter().map(|one| one.name());
    let hosts = grants.hosts.iter().map(String::as_str);
    let secrets = grants.secrets.iter().map(String::as_str);
    let all: Vec<&str> = names.chain(hosts).chain(secrets).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// A message to the contact, with what it offers and whether it failed.
pub(super) fn message(message: &Message) -> String {
    let mut line = format!("< {}", content(&message.content));
    for option in options(&message.content) {
        let _ = write!(line, " [{}]", plain(&option.title));
    }
    if let Some(failure) = &message.failure {
        let _ = write!(line, " (not sent: {:?} {})", failure.kind, plain(&failure.detail));
    }
    line
}

/// Content in words; what has none is shown as it is.
pub(super) fn content(content: &Content) -> String {
    match content.plain() {
        "" => serde_json::to_string(content).unwrap_or_default(),
        text => plain(text),
    }
}

/// What calls took.
pub(super) fn took(cpu: Duration, peak_bytes: u64) -> String {
    let millis = cpu.as_secs_f64() * 1_000.0;
    format!("{millis:.1} ms of processor, {} KiB of memory at most", peak_bytes / 1024)
}

/// A text that does nothing to a terminal: its lines are indented, other controls written out.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push_str("\n  "),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}
