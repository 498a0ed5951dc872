//! Exchanges that others recorded, where the conformance folder is there.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One recorded answer.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The file.
    pub(super) name: String,
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) body: String,
}

impl Recorded {
    pub(super) fn is_stream(&self) -> bool {
        ["event:", "data:", ":"].iter().any(|start| self.body.trim_start().starts_with(start))
    }
}

/// The folder of a provider.
pub(super) fn folder(provider: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let folder = std::env::var_os("JUSTPING_CONFORMANCE_DIR").map_or(own, PathBuf::from);
    let folder = folder.join(provider);
    if !folder.is_dir() {
        println!("no recorded exchanges: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// Every recorded answer in these folders of a provider.
pub(super) fn exchanges(folder: &Path, folders: &[&str]) -> Vec<Recorded> {
    let files = folders.iter().flat_map(|name| files(&folder.join(name)));
    files.flat_map(|path| read(&path)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Every answer in a file of one of the formats.
fn read(path: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display().to_string();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("txt" | "sse")) {
        let url = if name.contains("openai_resp") {
            "/responses"
        } else if name.contains("/minimax_") || name.contains("/anthropic/") {
            "/messages"
        } else {
            "/chat/completions"
        };
        return vec![Recorded { name, url: url.to_owned(), status: 200, body: text }];
    }
    if extension == Some("json") {
        let document: Value = serde_json::from_str(&text).unwrap();
        return document.as_array().unwrap().iter().map(|one| exchange(&name, one)).collect();
    }
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap());
    documents.flat_map(|document| cassette(&name, &document)).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn exchange(name: &str, one: &Value) -> Recorded {
    let (request, response) = (&one["request"], &one["response"]);
    Recorded {
        name: name.to_owned(),
        url: text(&request["url"]),
        status: response["status_code"].as_u64().unwrap() as u16,
        body: text(&response["body"]),
    }
}

fn cassette(name: &str, document: &Value) -> Vec<Recorded> {
    if let Some(then) = document.get("then") {
        return vec![Recorded {
            name: name.to_owned(),
            url: text(&document["when"]["path"]),
            status: then["status"].as_u64().unwrap() as u16,
            body: text(&then["body"]),
        }];
    }
    let interactions = document["interactions"].as_array().unwrap().iter();
    let recorded = interactions.map(|one| {
        let response = &one["response"];
        let body = match &response["parsed_body"] {
            Value::Null => text(&response["body"]["string"]),
            body => body.to_string(),
        };
        Recorded {
            name: name.to_owned(),
            url: text(&one["request"]["uri"]),
            status: response["status"]["code"].as_u64().unwrap() as u16,
            body,
        }
    });
    recorded.collect()
}

/// Folds a stream that arrives in pieces; gives the deltas too.
pub(super) fn fold<F: super::link::Fold>(
    pieces: &[&[u8]],
) -> (Vec<String>, Result<justping_core::port::ChatReply, justping_core::port::AiError>) {
    let mut deltas = Vec::new();
    let mut fold = F::default();
    let mut reader = super::sse::EventReader::default();
    let mut keep = |text: &str| deltas.push(text.to_owned());
    let mut take = |data: &str| fold.event(data, &mut keep);
    let read = pieces.iter().try_for_each(|piece| reader.push(piece, &mut take));
    let read = read.and_then(|()| reader.finish(&mut take));
    (deltas, read.and_then(|()| fold.finish()))
}

/// Cutting a recorded stream short before its last event never gives an answer, and never another
/// failure than one of the provider's; splitting it at each byte changes nothing.
pub(super) fn cuts_do_not_matter<F: super::link::Fold>(recorded: &Recorded) {
    let bytes = recorded.body.as_bytes();
    let whole = fold::<F>(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(fold::<F>(&pieces), whole, "{}", recorded.name);
    let odd: Vec<&[u8]> = bytes.chunks(7).collect();
    assert_eq!(fold::<F>(&odd), whole, "{}", recorded.name);
}
