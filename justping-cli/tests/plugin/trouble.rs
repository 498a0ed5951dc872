//! What goes wrong is told with its place.

use std::path::Path;

use super::justping;

const MANIFEST: &str = include_str!("../../../plugins/examples/loyalty-points/plugin.toml");

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn what_cannot_be_built_is_told() {
    for (files, reason) in [
        (vec![], "./plugin.toml: "),
        (vec![("plugin.toml", "name = 7")], "plugin.toml:1:8"),
        (vec![("plugin.toml", MANIFEST)], "there is no Cargo.toml, plugin.js"),
        (
            vec![("plugin.toml", MANIFEST), ("plugin.js", ""), ("plugin.py", "")],
            "there are 2 languages",
        ),
        (
            vec![("plugin.toml", MANIFEST), ("plugin.js", "export const = 1")],
            "componentize-qjs failed",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let (code, out, err) = justping(folder.path(), &["plugin", "build"]);
        assert_eq!((code, out.as_str()), (2, ""), "{reason}: {err}");
        assert!(err.contains(reason), "{err}");
        assert!(!folder.path().join("plugin.wasm").exists());
    }
}

#[test]
fn what_cannot_be_played_is_told() {
    let component = ("plugin.wasm", "no component");
    let scenario = |text| ("scenario.yaml", text);
    for (files, reason) in [
        (vec![], "./plugin.wasm: is not there"),
        (vec![component], "has 0 files scenario*.yaml"),
        (vec![component, scenario("calls: [{shout: 1}]")], "scenario.yaml:1:17"),
        (vec![component, scenario("config: {a: 1}")], "/config/a: nobody asks for this"),
        (vec![component, scenario("calls: []")], "component"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("plugin.toml", MANIFEST)]);
        write(folder.path(), &files);
        let (code, out, err) = justping(folder.path(), &["plugin", "test"]);
        assert_eq!((code, out.as_str()), (2, ""), "{reason}: {err}");
        assert!(err.contains(reason), "{err}");
    }
}

#[test]
fn what_does_not_come_true_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = justping(folder.path(), &["plugin", "new", "tax", "--kind", "tool"]);
    assert_eq!(code, 0, "{err}");
    let folder = folder.path().join("tax");
    let wrong = "calls:\n  - tool: {name: add_tax, arguments: {price: 10}}\n    gives: {total: 12}\n  \
                 - tool: {name: evade_tax}\n    gives: {total: 0}\n";
    write(&folder, &[("scenario-wrong.yaml", wrong)]);
    let (code, out, err) = justping(&folder, &["plugin", "build"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = justping(&folder, &["plugin", "test"]);
    assert_eq!(code, 1, "{out}{err}");
    let failure = "scenario-wrong.yaml:2:5: gives: expected {\"total\":12}, found {\"total\":11.9}";
    assert!(out.contains(failure), "{out}");
    let failure = "scenario-wrong.yaml:4:5: fails: expected null, found \"unknown_tool\"";
    assert!(out.contains(failure), "{out}");
    assert!(out.ends_with("2 scenario(s): 1 failed\n"), "{out}");
}
