//! The real program, on real files.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod conversation;
mod plugin;
mod run;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use justping::engine::SessionRecord;
use justping::stage::Stage;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// What the program says: its end, standard output, standard error.
fn justping(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_justping"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_flow_without_errors_passes_the_linter() {
    let (code, out, _) = justping(&["flow", "lint", "lead.json"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("1 file(s): 0 error(s), 3 warning(s)\n"), "{out}");
    assert!(out.contains("lead.json:7:5: warning[missing_default]"), "{out}");
}

#[test]
fn errors_are_told_with_their_place() {
    let (code, out, _) = justping(&["flow", "lint", "lead.json", "broken.yaml"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("broken.yaml:6:11: error[unknown_node_type]"), "{out}");
    assert!(out.contains("broken.yaml:8:36: error[dangling_edge]"), "{out}");
    let (code, out, _) = justping(&["flow", "lint", "--json", "broken.yaml"]);
    let files: Value = serde_json::from_str(&out).unwrap();
    let finding = &files[0]["findings"][0];
    assert_eq!((code, &files[0]["file"]), (1, &json!("broken.yaml")));
    assert_eq!((&finding["line"], &finding["column"]), (&json!(6), &json!(11)), "{finding}");
}

#[test]
fn channels_and_their_notes_are_told() {
    let (code, out, _) = justping(&["flow", "lint", "--channels", "sms,whatsapp", "lead.json"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("note[shown_otherwise]: SMS: the options come as numbered text"), "{out}");
}

#[test]
fn a_flow_is_shown() {
    let (code, out, _) = justping(&["flow", "show", "lead.json"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("start (trigger)\n    next -> ask\nask (input)  What is"), "{out}");
    assert!(out.contains("    timeout -> late\n"), "{out}");
    let (code, out, _) = justping(&["flow", "show", "--mermaid", "lead.json"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("flowchart TD\n  f0n0[\"start (trigger)\"]\n"), "{out}");
    assert!(out.contains("  f0n2 -->|\"option:pro\"| f0n4\n"), "{out}");
}

#[test]
fn scenarios_are_played() {
    let (code, out, err) = justping(&["flow", "simulate", "pro.yaml", "late.yaml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        out,
        "ok      pro.yaml (7 checked)\nok      late.yaml (3 checked)\n2 scenario(s): 0 failed\n"
    );
}

#[test]
fn what_does_not_come_true_is_told_with_its_place() {
    let (code, out, _) = justping(&["flow", "simulate", "wrong.yaml", "pro.yaml"]);
    assert_eq!(code, 1, "{out}");
    let failure = r#"  wrong.yaml:5:13: /steps/1/expect/says: expected ["Who are you?"], found ["What is your name?"]"#;
    assert!(out.contains(failure), "{out}");
    let failure = "  wrong.yaml:6:5: /steps/2: nothing offers the option Gold";
    assert!(out.contains(failure), "{out}");
    assert!(out.contains(" < What is your name?\n"), "{out}");
    assert!(out.ends_with("2 scenario(s): 1 failed\n"), "{out}");
    let (code, out, _) = justping(&["flow", "simulate", "--json", "wrong.yaml"]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &reports[0]["report"]["passed"]), (1, &json!(false)));
}

/// A server that answers one chat after the other.
async fn model(answers: &[Value]) -> MockServer {
    let server = MockServer::start().await;
    for answer in answers {
        let message = json!({"role": "assistant", "content": answer.to_string()});
        let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
        let body = json!({
            "model": "tiny", "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        });
        Mock::given(method("POST"))
            .and(path("/v1/chat/completions"))
            .and(header("authorization", "Bearer k"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_plays_the_contact_and_judges() {
    let (code, _, err) = justping(&["flow", "simulate", "played.yaml"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("there is no model to play the contact"), "{err}");
    let deed = |name: &str, what: Value| json!({(name): what});
    let deeds = [deed("say", json!("hi")), deed("say", json!("Ada")), deed("press", json!("Pro"))];
    let done = json!({"done": true, "reason": "It is mine."});
    let verdict = json!({"verdicts": [{"passed": true, "reason": "Ada, twice."}]});
    let answers: Vec<Value> = deeds.into_iter().chain([done, verdict]).collect();
    let server = model(&answers).await;
    let url = format!("{}/v1", server.uri());
    let play = move || {
        let people = ["--people-model", "tiny", "--people-url", &url, "--people-key", "k"];
        let rest = ["--json", "played.yaml"];
        justping(&["flow", "simulate"].into_iter().chain(people).chain(rest).collect::<Vec<_>>())
    };
    let (code, out, err) = tokio::task::spawn_blocking(play.clone()).await.unwrap();
    assert_eq!(code, 0, "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let report = &report[0]["report"];
    let end = json!({"reached": true, "turns": 3, "reason": "It is mine."});
    assert_eq!(report["customer"], end, "{report}");
    assert_eq!(report["verdicts"][0]["passed"], true);
    let asked = server.received_requests().await.unwrap();
    let first: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(first["model"], "tiny");
    assert!(first.to_string().contains("The Pro plan."), "{first}");
    // It has nothing more to say: the command cannot do its work.
    let (code, _, err) = tokio::task::spawn_blocking(play).await.unwrap();
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("does not answer"), "{err}");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let flow = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name);
    let naming = |name: &str| format!("flow: {}\n", flow(name).display());
    for (arguments, reason) in [
        (vec!["flow", "lint", "none.json"], "none.json"),
        (vec!["flow", "simulate", &write("a.yaml", "steps: [")], "a.yaml"),
        (vec!["flow", "simulate", &write("b.yaml", "steps:\n  - shout: x\n")], "b.yaml:2:5"),
        (vec!["flow", "simulate", &write("c.yaml", "steps: []\n")], "names no `flow`"),
        (vec!["flow", "simulate", &write("d.yaml", &naming("broken.yaml"))], "flow lint"),
        (vec!["flow", "simulate", &write("e.yaml", &naming("none.yaml"))], "none.yaml"),
        (vec!["flow", "replay", &write("f.json", "{}")], "missing field `session`"),
        (vec!["flow", "dance"], "unrecognized subcommand"),
        (vec!["flow", "lint"], "required arguments"),
    ] {
        let (code, out, err) = justping(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}

#[test]
fn a_flow_of_another_system_is_read_and_its_losses_are_told() {
    let (code, out, err) = justping(&["flow", "import", "--from", "twilio", "twilio.json"]);
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["schema"], "justping.flow/1");
    assert!(err.contains("twilio.json:8:5: unsupported: "), "{err}");
    assert!(err.ends_with("unsupported\n"), "{err}");
    let (code, out, _) = justping(&["flow", "import", "--json", "twilio.json"]);
    let import: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &import["format"]), (0, &json!("twilio")));
    let (code, _, err) = justping(&["flow", "import", "lead.json"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("lead.json: neither a Typebot export"), "{err}");
}

/// A session of the flow that has begun and was answered once.
async fn record() -> SessionRecord {
    let document: Value = serde_json::from_str(include_str!("../files/lead.json")).unwrap();
    let flows = std::sync::Arc::new(justping::agents::Flows::new());
    let stage = Stage::builder(flows).open(&[document]).await.unwrap();
    stage.say("ann", "hi").await.unwrap();
    stage.say("ann", "Ada").await.unwrap();
    let session = stage.sessions("ann").await.unwrap().remove(0).0;
    stage.engine().session_record(stage.business(), session.id).await.unwrap()
}

#[test]
fn a_record_is_replayed_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let record = runtime.block_on(record());
    let folder = tempfile::tempdir().unwrap();
    let replay = |record: &SessionRecord| {
        let path = folder.path().join("record.json");
        std::fs::write(&path, serde_json::to_string(record).unwrap()).unwrap();
        justping(&["flow", "replay", path.to_str().unwrap()])
    };
    let (code, out, err) = replay(&record);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("{}: 2 step(s), the same\n", record.session.id));
    let mut other = record.clone();
    other.steps[1].state = other.steps[1].state.replace("Ada", "Bob");
    let (code, out, _) = replay(&other);
    assert_eq!(code, 1);
    assert!(out.contains("the state after step 2 differs, from byte"), "{out}");
    assert!(out.contains("recorded: ") && out.contains("Bob") && out.contains("Ada"), "{out}");
    let lost = SessionRecord { versions: BTreeMap::new(), ..record };
    let (code, out, _) = replay(&lost);
    assert_eq!(code, 1);
    assert!(out.contains("of step 1 is missing"), "{out}");
}
