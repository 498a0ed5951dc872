//! Files as they are read: JSON or YAML.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Trouble;
use crate::place::{Place, place};

/// Most bytes of a file.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A file with what it holds.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path, as it was given.
    pub(crate) path: String,
    text: String,
    /// What it holds.
    pub(crate) value: Value,
}

impl Source {
    /// Reads a file: JSON when it is called so, YAML otherwise, of which JSON is a part.
    pub(crate) fn read(path: &Path) -> Result<Self, Trouble> {
        let shown = path.display().to_string();
        let trouble = |reason: String| Trouble::File { path: shown.clone(), reason };
        let length = std::fs::metadata(path).map_err(|error| trouble(error.to_string()))?.len();
        if length > FILE_MAX_BYTES {
            return Err(trouble(format!("is larger than {FILE_MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| trouble(error.to_string()))?;
        let value = if path.extension().is_some_and(|extension| extension == "json") {
            serde_json::from_str(&text).map_err(|error| trouble(error.to_string()))?
        } else {
            serde_yaml_ng::from_str(&text).map_err(|error| trouble(error.to_string()))?
        };
        Ok(Self { path: shown, text, value })
    }

    /// Where something of it stands.
    pub(crate) fn place(&self, pointer: &str) -> Option<Place> {
        place(&self.text, pointer)
    }

    /// `path:line:column`, as far as it is known.
    pub(crate) fn at(&self, pointer: &str) -> String {
        match self.place(pointer) {
            Some(Place { line, column }) => format!("{}:{line}:{column}", self.path),
            None => self.path.clone(),
        }
    }

    /// Reads what it holds as something.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        self.parse_part(&self.value)
    }

    /// Reads what it holds, with some members left out, as something.
    pub(crate) fn parse_part<T: DeserializeOwned>(&self, value: &Value) -> Result<T, Trouble> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let pointer = pointer(error.path());
            Trouble::File { path: self.at(&pointer), reason: error.inner().to_string() }
        })
    }
}

/// The JSON pointer of a path.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}
