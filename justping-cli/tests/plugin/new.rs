//! What `new` writes builds, and its scenario holds.

use super::{builds_and_holds, justping};

const KINDS: [&str; 6] = ["node", "tool", "hook", "subscriber", "channel", "filter"];

fn begins(language: &str, kinds: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for kind in kinds {
        let name = format!("my-{kind}");
        let arguments = ["plugin", "new", &name, "--lang", language, "--kind", kind];
        let (code, out, err) = justping(folder.path(), &arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert_eq!(out, format!("wrote {name}; next: justping plugin build {name}\n"));
        builds_and_holds(&folder.path().join(name));
    }
}

#[test]
fn javascript() {
    begins("js", &KINDS);
}

#[test]
fn rust() {
    begins("rust", &KINDS);
}

#[test]
fn python() {
    begins("python", &["channel"]);
}

#[test]
fn c() {
    begins("c", &["subscriber"]);
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    let (code, out, err) = justping(folder.path(), &["plugin", "new", "mine"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("mine: is there already"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path().join("mine")).unwrap().count(), 0);
    for name in ["x", "Mine", "../mine", "9a", "a b"] {
        let (code, _, err) = justping(folder.path(), &["plugin", "new", name]);
        assert_eq!(code, 2);
        assert!(err.contains("a name is 2 to 64 of"), "{err}");
    }
    let (code, _, err) = justping(folder.path(), &["plugin", "new", "ab", "--lang", "c"]);
    assert_eq!(code, 2);
    assert!(err.contains("--kind subscriber"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
