//! `justping plugin run` on lines that are piped in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use justping_plugins::testing::{Guest, censor, counting_nodes, manifest};

use crate::conversation::{flow, greeter};

const OBJECT: &str = r#"{"type":"object"}"#;

fn begin(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_justping"))
        .args(["plugin", "run"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the program says to lines: its end, standard output, standard error.
fn run(arguments: &[&str], lines: impl AsRef<[u8]>) -> (i32, String, String) {
    let mut child = begin(arguments);
    // A program that ends at once does not read them.
    let _ = child.stdin.take().unwrap().write_all(lines.as_ref());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with a plugin in it.
fn folder(place: &Path, export: &str, more: &str, component: &[u8]) -> std::path::PathBuf {
    let folder = place.join("plugin");
    std::fs::create_dir(&folder).unwrap();
    let manifest = manifest("mine", "1.0.0", &format!("\"{export}\""), more);
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("plugin.wasm"), component).unwrap();
    folder
}

#[test]
fn nodes_are_called_and_wait() {
    let place = tempfile::tempdir().unwrap();
    let folder = greeter(place.path(), &counting_nodes(), &[]);
    let lines = "enter greet\nsay Ada\nenter greet\nenter count\nresume one\nresume\nresume two\n\
                 resume three\n:show\n";
    let (code, out, err) = run(&[text(&folder)], lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("greeter 1.0.0: For tests.\n  node greet -> next: "), "{out}");
    assert_eq!(out.matches("  may use nothing\n").count(), 2, "{out}");
    for said in [
        r#"= {"contact":null,"messages":[{"text":"Hello, hello","type":"text"}],"next":{"leave":"next"},"output":{"length":5}}"#,
        r#"{"text":"Hello, Ada","type":"text"}"#,
        r#""next":{"wait":{"memory":{"heard":0},"until":null}}"#,
        r#""next":{"wait":{"memory":{"heard":1},"until":null}}"#,
        "! no node waits; enter one that does\n",
        " ms of processor, ",
        " KiB of memory at most)\n",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
}

#[test]
fn a_bad_line_is_told_and_the_next_is_heard() {
    let place = tempfile::tempdir().unwrap();
    let folder = greeter(place.path(), &counting_nodes(), &[]);
    let mut lines = b"dance\nenter\nenter greet {\nenter greet 7\nresume\ntool none\n".to_vec();
    lines.extend(
        b":config {\"a\": 1}\n:grant kv\n:grant much\n:secret a b\n:after soon\n:reply 7\n",
    );
    lines.extend(b"event\npress Yes\n\xff\xfe\n");
    lines.extend(vec![b'x'; 100_000]);
    lines.extend(b"\n\nenter greet\n:quit\nenter greet\n");
    let (code, out, err) = run(&[text(&folder)], lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for said in [
        "! dance is nothing that can be done; see :help\n",
        "! it is said so: enter NODE [{config}]\n",
        "! {: EOF while parsing an object",
        "! 7: invalid type: integer `7`, expected a map",
        "! no node waits; enter one that does\n",
        "! not_exported: ",
        "! /config/a: nobody asks for this\n",
        "! its plugin.toml does not ask for kv\n",
        "! much is none of all, kv, http, ",
        "! /secrets/a: the release does not ask for this secret\n",
        "! failed to parse",
        "! it is said so: :reply STATUS [BODY]\n",
        "! it is said so: event NAME [{data}]\n",
        "! nothing offers the option Yes\n",
        "! that is no UTF-8\n",
        "! a line has at most 65536 bytes\n",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert_eq!(out.matches("Hello, hello").count(), 1, "{out}");
}

#[test]
fn what_is_not_granted_is_denied_until_it_is() {
    let place = tempfile::tempdir().unwrap();
    let asks = "[[capabilities]]\nname = \"kv\"\nreason = \"Counts.\"\n";
    let guest = Guest::new().tool("echo", OBJECT).with_kv().build();
    let folder = folder(place.path(), "tools", asks, &guest);
    let call = "tool echo {\"a\": 1}\n";
    let lines = format!("{call}:grant all\n{call}:revoke kv\n{call}");
    let (code, out, err) = run(&[text(&folder)], &lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("  asks for kv: Counts.\n  may use nothing\n"), "{out}");
    let told: Vec<&str> =
        out.lines().filter(|line| line.starts_with(['=', '#', '!', 'm'])).skip(1).collect();
    let (echo, denied) = (r#"= {"a":1}"#, "# denied: kv is not granted");
    let wanted = [echo, denied, "may use kv", echo, "may use nothing", echo, denied];
    assert_eq!(told, wanted, "{out}");
    let package = place.path().join("mine.jpplugin");
    let (code, _, err) = crate::justping(&["plugin", "pack", text(&folder), "-o", text(&package)]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = run(&["--grant", "kv", text(&package)], call);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("  may use kv\n") && !out.contains("denied"), "{out}");
}

#[test]
fn hooks_and_functions_are_called() {
    let place = tempfile::tempdir().unwrap();
    let hook = folder(place.path(), "hooks", "", &censor());
    let lines = "after-receive call me\nbefore-send dance\nafter-receive fine\nbefore-send trap\n\
                 after-receive {\"type\": \"text\", \"text\": \"cut\"}\n";
    let (code, out, err) = run(&[text(&hook)], lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("  looks at messages\n"), "{out}");
    let told: Vec<&str> = out.lines().filter(|line| line.starts_with(['=', '!'])).collect();
    let changed = r#"= {"change":{"text":"changed","type":"text"}}"#;
    assert_eq!(&told[..3], [changed, r#"= {"drop":"not here"}"#, r#"= "pass""#], "{out}");
    assert!(told[3].starts_with("! trap: "), "{out}");
    assert_eq!(told[4], changed);
    let other = tempfile::tempdir().unwrap();
    let filter = folder(other.path(), "filters", "", &Guest::new().filter("same").build());
    let (_, out, _) = run(&[text(&filter)], "apply same [1, 2]\napply same two words\n");
    assert!(out.contains("  function same: same\n") && out.contains("= [1,2]\n"), "{out}");
    assert!(out.contains("= \"two words\"\n"), "{out}");
}

#[test]
fn a_flow_is_talked_to() {
    let place = tempfile::tempdir().unwrap();
    let folder = greeter(place.path(), &counting_nodes(), &[flow()]);
    let document = folder.join("flow.json");
    let lines = "Ada\n:after 1h\none\n:enter greet\n:dance\ntwo\n";
    let (code, out, err) = run(&[text(&folder), "--flow", text(&document)], lines);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let told: Vec<&str> =
        out.lines().filter(|line| line.starts_with(['<', '=', '!', 'i'])).collect();
    assert_eq!(told[..2], ["< Hello, Ada", "it is 2026-01-05T10:00:00Z"], "{out}");
    assert!(told[2].starts_with("= {"), "{out}");
    assert_eq!(
        told[3..],
        ["! dance is nothing that can be done; see :help", "< Bye after 3 letters"],
        "{out}"
    );
    assert!(out.contains("  (2 call(s): "), "{out}");
    let wrong = flow().1.replace("\"greeter\"", "\"other\"");
    std::fs::write(&document, wrong).unwrap();
    let (code, out, err) = run(&[text(&folder), "--flow", text(&document)], lines);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("flow.json:7:") && err.contains("no plugin other is installed"), "{err}");
}

#[test]
fn what_a_hook_makes_of_words_is_shown() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path(), "hooks", "", &censor());
    let (code, out, err) = run(&[text(&folder)], "say call me\nsay dance\nsay fine\n");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("> changed\n"), "{out}");
    assert_eq!(out.matches("! nobody heard it: a hook dropped it\n").count(), 1, "{out}");
    assert!(!out.contains("> fine"), "{out}");
}

#[test]
fn another_build_is_loaded_while_it_runs() {
    let place = tempfile::tempdir().unwrap();
    let tool = |name| Guest::new().tool(name, OBJECT).build();
    let folder = folder(place.path(), "tools", "", &tool("one"));
    let mut child = begin(&[text(&folder)]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |end: &str| -> String {
        let lines = output.by_ref().map(Result::unwrap);
        let mut read = String::new();
        for line in lines {
            read.push_str(&line);
            read.push('\n');
            if line.contains(end) {
                return read;
            }
        }
        panic!("{end:?} was not said: {read}")
    };
    assert!(until(":help").contains("  tool one: "));
    input.write_all(b":reload\ntool one {\"a\": 1}\n").unwrap();
    assert!(until("of processor").starts_with("it is the same\n= {\"a\":1}\n"));
    std::fs::write(folder.join("plugin.wasm"), tool("two")).unwrap();
    input.write_all(b":reload\n").unwrap();
    assert!(until("may use").contains("  tool two: "));
    std::fs::write(folder.join("plugin.wasm"), "none").unwrap();
    input.write_all(b":reload\ntool two {\"a\": 2}\n").unwrap();
    let said = until("of processor");
    assert!(said.contains("error[component_invalid]") && said.contains("= {\"a\":2}"), "{said}");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_run_ends_with_2() {
    let place = tempfile::tempdir().unwrap();
    let folder = greeter(place.path(), &counting_nodes(), &[("bad.jpplugin", "none")]);
    let bad = folder.join("bad.jpplugin");
    for (arguments, reason) in [
        (vec!["none.jpplugin"], "none.jpplugin: "),
        (vec![text(place.path())], "plugin.wasm: is not there"),
        (vec![text(&bad)], "error[archive_unreadable]"),
        (vec![text(&folder), "--config", "{"], "--config: EOF"),
        (vec![text(&folder), "--config", "{\"a\": 1}"], "greeter: /config/a: nobody asks"),
        (vec![text(&folder), "--grant", "kv"], "--grant kv: its plugin.toml does not ask"),
        (vec![text(&folder), "--flow", "none.json"], "none.json: "),
        (vec![text(&folder), "--flow", text(&bad)], "bad.jpplugin"),
    ] {
        let (code, out, err) = run(&arguments, "enter greet\n");
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}
