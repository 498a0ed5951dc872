//! Writes a new plugin.

use std::path::{Path, PathBuf};

use super::carried::{CONTRACT, SDK, put, write};
use super::{Kind, Language};
use crate::{Answer, Trouble};

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/plugin/", $path))
    };
}

pub(super) fn run(
    name: &str,
    language: Language,
    kind: Kind,
    to: Option<&Path>,
) -> Result<Answer, Trouble> {
    check(name)?;
    let source = source(language, kind)?;
    let folder = to.map_or_else(|| PathBuf::from(name), Path::to_owned);
    if folder.exists() {
        let reason = "is there already; nothing was written".to_owned();
        return Err(Trouble::File { path: folder.display().to_string(), reason });
    }
    put(&folder.join("plugin.toml"), &manifest(name, kind))?;
    put(&folder.join(".gitignore"), "/target\n/plugin.wasm\n*.jpplugin\n")?;
    put(&folder.join("scenario.yaml"), scenario(kind))?;
    put(&folder.join(file(language)), source)?;
    if language == Language::Rust {
        put(&folder.join("Cargo.toml"), &template!("rust/Cargo.toml").replace("NAME", name))?;
        write(SDK, &folder.join("vendor").join("sdk"))?;
        write(CONTRACT, &folder.join("vendor").join("wit").join("0.1.0"))?;
    }
    let shown = folder.display();
    let text = format!("wrote {shown}; next: justping plugin build {shown}\n");
    Ok(Answer { text, ..Answer::default() })
}

fn check(name: &str) -> Result<(), Trouble> {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (2..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(rest);
    let reason = "a name is 2 to 64 of a-z, 0-9 and -, a letter first";
    if fits { Ok(()) } else { Err(Trouble::Other(format!("{name:?}: {reason}"))) }
}

/// The file of the source.
fn file(language: Language) -> &'static str {
    match language {
        Language::Rust => "src/lib.rs",
        Language::Javascript => "plugin.js",
        Language::Python => "plugin.py",
        Language::C => "plugin.c",
    }
}

fn source(language: Language, kind: Kind) -> Result<&'static str, Trouble> {
    Ok(match (language, kind) {
        (Language::Rust, Kind::Node) => template!("rust/node.rs"),
        (Language::Rust, Kind::Tool) => template!("rust/tool.rs"),
        (Language::Rust, Kind::Hook) => template!("rust/hook.rs"),
        (Language::Rust, Kind::Subscriber) => template!("rust/subscriber.rs"),
        (Language::Rust, Kind::Channel) => template!("rust/channel.rs"),
        (Language::Rust, Kind::Filter) => template!("rust/filter.rs"),
        (Language::Javascript, Kind::Node) => template!("js/node.js"),
        (Language::Javascript, Kind::Tool) => template!("js/tool.js"),
        (Language::Javascript, Kind::Hook) => template!("js/hook.js"),
        (Language::Javascript, Kind::Subscriber) => template!("js/subscriber.js"),
        (Language::Javascript, Kind::Channel) => template!("js/channel.js"),
        (Language::Javascript, Kind::Filter) => template!("js/filter.js"),
        (Language::Python, Kind::Node) => template!("python/node.py"),
        (Language::Python, Kind::Tool) => template!("python/tool.py"),
        (Language::Python, Kind::Hook) => template!("python/hook.py"),
        (Language::Python, Kind::Subscriber) => template!("python/subscriber.py"),
        (Language::Python, Kind::Channel) => template!("python/channel.py"),
        (Language::Python, Kind::Filter) => template!("python/filter.py"),
        (Language::C, Kind::Subscriber) => template!("c/subscriber.c"),
        (Language::C, _) => {
            let reason = "a plugin in C begins as a subscriber: --lang c --kind subscriber";
            return Err(Trouble::Other(reason.to_owned()));
        }
    })
}

fn scenario(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => template!("scenario/node.yaml"),
        Kind::Tool => template!("scenario/tool.yaml"),
        Kind::Hook => template!("scenario/hook.yaml"),
        Kind::Subscriber => template!("scenario/subscriber.yaml"),
        Kind::Channel => template!("scenario/channel.yaml"),
        Kind::Filter => template!("scenario/filter.yaml"),
    }
}

fn manifest(name: &str, kind: Kind) -> String {
    let export = match kind {
        Kind::Node => "nodes",
        Kind::Tool => "tools",
        Kind::Hook => "hooks",
        Kind::Subscriber => "subscriber",
        Kind::Channel => "channels",
        Kind::Filter => "filters",
    };
    let text = template!("plugin.toml").replace("NAME", name).replace("EXPORT", export);
    if kind == Kind::Channel { text + template!("channel.toml") } else { text }
}
