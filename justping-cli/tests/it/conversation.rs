//! `justping plugin test` on conversations: flows that use a plugin.

use std::path::{Path, PathBuf};

use justping_plugins::testing::{Guest, counting_nodes, manifest};

use crate::justping;

const FLOW: &str = r#"{
  "schema": "justping.flow/1",
  "variables": [{"name": "greeted"}],
  "nodes": [
    {"id": "start", "type": "trigger"},
    {"id": "greet", "type": "plugin", "data": {
      "plugin": "greeter", "node": "greet", "exits": ["next"], "variable": "greeted"
    }},
    {"id": "count", "type": "plugin", "data": {
      "plugin": "greeter", "node": "count", "exits": ["next"]
    }},
    {"id": "bye", "type": "text", "data": {"text": "Bye after {{ greeted.length }} letters"}},
    {"id": "oops", "type": "text", "data": {"text": "Sorry: {{ plugin_error }}"}}
  ],
  "edges": [
    {"id": "1", "source": "start", "target": "greet"},
    {"id": "2", "source": "greet", "sourceHandle": "next", "target": "count"},
    {"id": "3", "source": "greet", "sourceHandle": "error", "target": "oops"},
    {"id": "4", "source": "count", "sourceHandle": "next", "target": "bye"}
  ]
}"#;

const SCENARIO: &str = "flow: flow.json
steps:
  - say: Ada
  - expect: Hello, Ada
  - say: one
  - expect: []
  - after: 1h
  - say: two
  - expect:
      says: Bye after 3 letters
      visits: [count, bye]
      status: completed
";

/// A folder with the plugin `greeter`, and with more files.
pub(crate) fn greeter(place: &Path, component: &[u8], files: &[(&str, &str)]) -> PathBuf {
    let folder = place.join("greeter");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = manifest("greeter", "1.0.0", "\"nodes\"", "");
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("plugin.wasm"), component).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// A flow that greets, counts to two and says good bye.
pub(crate) fn flow() -> (&'static str, &'static str) {
    ("flow.json", FLOW)
}

fn test(folder: &Path) -> (i32, String, String) {
    justping(&["plugin", "test", folder.to_str().unwrap()])
}

#[test]
fn a_conversation_is_played_with_the_plugin() {
    let place = tempfile::tempdir().unwrap();
    let calls =
        "calls:\n  - enter: {node: greet, last_text: Bob}\n    gives: {next: {leave: next}}\n";
    let files = [flow(), ("scenario.yaml", calls), ("scenario-flow.yaml", SCENARIO)];
    let folder = greeter(place.path(), &counting_nodes(), &files);
    let (code, out, err) = test(&folder);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("scenario-flow.yaml (5 checked; 4 call(s) took "), "{out}");
    assert!(out.contains("scenario.yaml (2 checked; a call took "), "{out}");
    assert!(out.ends_with("2 scenario(s): 0 failed\n"), "{out}");
    let year = "flow: flow.json\nsteps:\n  - say: Ada\n  - after: 366d\n  - say: one\n";
    let folder = greeter(place.path(), &counting_nodes(), &[("scenario-year.yaml", year)]);
    let (code, out, err) = test(&folder);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("scenario-year.yaml (0 checked; "), "{out}");
}

#[test]
fn what_does_not_come_true_is_told_with_the_plugins_log() {
    let place = tempfile::tempdir().unwrap();
    let schema = r#"{"type":"object"}"#;
    let broken =
        Guest::new().node("greet", schema, &["next"]).node("count", schema, &["next"]).build();
    let files = [flow(), ("scenario.yaml", SCENARIO)];
    let (code, out, err) = test(&greeter(place.path(), &broken, &files));
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let failure = r#"scenario.yaml:4:13: /steps/1/expect/says: expected ["Hello, Ada"], found ["Sorry: trap"]"#;
    assert!(out.contains(failure), "{out}");
    assert!(out.contains(" > Ada\n") && out.contains(" < Sorry: trap\n"), "{out}");
    assert!(out.contains("  the plugin's log:\n    2026-01-05T09:00:00Z failed: trap: "), "{out}");
    assert!(out.ends_with("1 scenario(s): 1 failed\n"), "{out}");
    let logs = format!("logs: [hello]\n{SCENARIO}");
    let (code, out, _) =
        test(&greeter(place.path(), &counting_nodes(), &[("scenario.yaml", &logs)]));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(r#"scenario.yaml:1:7: /logs: expected ["hello"], found []"#), "{out}");
}

#[test]
fn what_cannot_be_played_is_told_with_its_place() {
    let edited = |from: &str, to: &str| FLOW.replacen(from, to, 1);
    let long = format!("flows: [{}]\nsteps: []\n", "flow.json, ".repeat(51));
    for (flow, scenario, reason) in [
        ("{", SCENARIO, "flow.json: EOF while parsing"),
        (FLOW, "flow: none.json\nsteps: []\n", "none.json: "),
        (FLOW, "flow: flow.json\nsteps:\n  - shout: x\n", "scenario.yaml:3:5: unknown variant"),
        (FLOW, "flow: flow.json\ncalls: []\n", "scenario.yaml:2:8: unknown field `calls`"),
        (FLOW, "flow: flow.json\nsteps:\n  - say: ''\n", "scenario.yaml:3:5: must be 1 to"),
        (FLOW, "flow: flow.json\nconfig: {a: 1}\n", "scenario.yaml:2:13: /config/a: nobody asks"),
        (FLOW, "flow: flow.json\nsecrets: {a: b}\n", "scenario.yaml:2:14: /secrets/a: the release"),
        (FLOW, "flow: flow.json\nsecrets: 7\n", "scenario.yaml:2:10: invalid type"),
        (FLOW, "flow: 7\n", "scenario.yaml:1:7: invalid type"),
        (FLOW, &long, "names 51 flows; at most 50"),
        (FLOW, "flow: flow.json\njudge: {criteria: [kind]}\nsteps: [{say: a}]\n", "no model"),
        (&edited("\"greet\", \"exits\"", "\"smile\", \"exits\""), SCENARIO, "flow.json:7:"),
        (&edited("\"greeter\"", "\"other\""), SCENARIO, "no plugin other is installed"),
        (&edited("\"oops\"}", "\"gone\"}"), SCENARIO, "error[dangling_edge]"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let files = [("flow.json", flow), ("scenario.yaml", scenario)];
        let (code, out, err) = test(&greeter(place.path(), &counting_nodes(), &files));
        assert_eq!((code, out.as_str()), (2, ""), "{reason}: {err}");
        assert!(err.contains(reason), "{reason}: {err}");
    }
}
