//! `justping plugin …` on real packages.

use std::path::{Path, PathBuf};

use justping_plugins::testing::{Guest, manifest};
use serde_json::Value;

use crate::justping;

const OBJECT: &str = r#"{"type":"object"}"#;

/// A folder with a plugin in it.
fn folder(at: &Path, manifest: &str) -> PathBuf {
    let folder = at.join("plugin");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    let guest = Guest::new().tool("echo", OBJECT).with_kv().build();
    std::fs::write(folder.join("plugin.wasm"), guest).unwrap();
    folder
}

fn asking(names: &[&str]) -> String {
    let ask = |name: &&str| format!("[[capabilities]]\nname = \"{name}\"\nreason = \"r\"\n");
    manifest("echo", "1.0.0", r#""tools""#, &names.iter().map(ask).collect::<String>())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_plugin_is_packed_signed_checked_and_shown() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path(), &asking(&["kv", "random"]));
    let (code, out, err) = justping(&["plugin", "check", text(&folder)]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("plugin.toml: warning[capability_unused]: "), "{out}");
    assert!(out.ends_with("1 plugin(s): 0 error(s), 1 warning(s)\n"), "{out}");
    let package = place.path().join("echo.jpplugin");
    let pack = ["plugin", "pack", text(&folder), "-o", text(&package)];
    let (code, packed, err) = justping(&pack);
    assert_eq!((code, err.as_str()), (0, ""), "{packed}");
    let first = std::fs::read(&package).unwrap();
    assert_eq!(justping(&pack).1, packed);
    assert_eq!(std::fs::read(&package).unwrap(), first, "the same files give the same package");
    let key = place.path().join("key");
    let (code, public, err) = justping(&["plugin", "keygen", text(&key)]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, _, err) = justping(&["plugin", "keygen", text(&key)]);
    assert_eq!(code, 2, "a key is not overwritten: {err}");
    let (code, out, err) = justping(&["plugin", "sign", text(&package), "--key", text(&key)]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(public.trim()), "{out}");
    let (code, out, err) = justping(&["plugin", "inspect", text(&package)]);
    assert_eq!((code, err.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["signer"], public.trim());
    assert_eq!(shown["manifest"]["name"], "echo");
    assert_eq!(shown["inspection"]["tools"][0]["name"], "echo");
    assert_eq!(shown["inspection"]["imports"][0], "kv");
}

#[test]
fn what_a_server_would_refuse_is_told() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path(), &asking(&[]));
    let (code, out, _) = justping(&["plugin", "check", text(&folder)]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("plugin.wasm: error[import_undeclared]: "), "{out}");
    let (code, out, _) = justping(&["plugin", "check", "--json", text(&folder)]);
    let files: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &files[0]["findings"][0]["code"]), (1, &"import_undeclared".into()));
    let (code, _, err) = justping(&["plugin", "inspect", text(&folder)]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("import_undeclared"), "{err}");
    let noise = place.path().join("noise.jpplugin");
    std::fs::write(&noise, b"no tar").unwrap();
    let (code, out, _) = justping(&["plugin", "check", text(&noise)]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("error[archive_unreadable]"), "{out}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_name() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path(), "name = 1\n");
    let key = place.path().join("key");
    std::fs::write(&key, "not a key\n").unwrap();
    for (arguments, reason) in [
        (vec!["plugin", "check", "none.jpplugin"], "none.jpplugin"),
        (vec!["plugin", "check", text(place.path())], "plugin.toml"),
        (vec!["plugin", "pack", text(&folder)], "plugin.toml:1:8: error[manifest_unreadable]"),
        (vec!["plugin", "sign", text(&key), "--key", text(&key)], "error[archive_unreadable]"),
        (vec!["plugin", "pack", text(&folder), "--key", "none"], "plugin.toml:1:8"),
        (vec!["plugin", "check"], "required arguments"),
    ] {
        let (code, out, err) = justping(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}
