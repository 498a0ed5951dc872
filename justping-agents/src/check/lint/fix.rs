//! What puts a finding right.

use justping_core::port::{Finding, Patch};
use serde_json::Value;

use crate::check::finding::code;

/// A fix does not fit the document it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing to change at {path}")]
pub struct FixError {
    /// JSON pointer into the document.
    pub path: String,
}

/// Applies a fix: the document with its changes, in order. All or nothing.
///
/// # Errors
/// [`FixError`] when a change names a place the document does not have.
pub fn apply_fix(document: &Value, fix: &[Patch]) -> Result<Value, FixError> {
    let mut fixed = document.clone();
    for patch in fix {
        let (path, done) = match patch {
            Patch::Add { path, value } => (path, add(&mut fixed, path, value)),
            Patch::Remove { path } => (path, remove(&mut fixed, path)),
        };
        done.ok_or_else(|| FixError { path: path.clone() })?;
    }
    Ok(fixed)
}

/// The last step of a pointer and what holds it.
fn split<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Some((document.pointer_mut(parent)?, last))
}

fn add(document: &mut Value, path: &str, value: &Value) -> Option<()> {
    let (parent, last) = split(document, path)?;
    match parent {
        Value::Object(map) => {
            map.insert(last, value.clone());
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { last.parse().ok()? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value.clone());
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<()> {
    let (parent, last) = split(document, path)?;
    match parent {
        Value::Object(map) => map.remove(&last).map(|_| ()),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| drop(items.remove(at)))
        }
        _ => None,
    }
}

/// The fix of findings about edges that cannot be: they go.
pub(super) fn suggest(finding: &Finding) -> Vec<Patch> {
    let edges = [code::DANGLING_EDGE, code::UNKNOWN_EXIT, code::DUPLICATE_EXIT];
    let edge = finding.path.rsplit_once('/').map(|(edge, _)| edge);
    let is_edge = |edge: &&str| edge.contains("edges/") && !edge.ends_with("edges");
    match edge.filter(is_edge).filter(|_| edges.contains(&finding.code.as_str())) {
        Some(path) => vec![Patch::Remove { path: path.to_owned() }],
        None => Vec::new(),
    }
}
