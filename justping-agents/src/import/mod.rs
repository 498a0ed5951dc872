//! Flows of other systems, as documents of ours.
//!
//! [`import`] reads a Typebot export (versions 3 to 6), a Twilio Studio flow definition or a FLOIP
//! container and gives a document (`justping.flow/1`) and a [`Report`]. Nothing is lost silently:
//! every block, option, edge, variable, condition, expression and text of the source stands in the
//! report once, as imported, degraded or unsupported. What has no counterpart here becomes a
//! visible `note`, so the graph stays connected.
//!
//! `inventory`-like lists of what a source holds are made before anything is converted, by the
//! `ledger`; whatever a converter forgets is reported as unsupported, not dropped.
//!
//! Shapes: Typebot's `publicTypebot` export, Twilio's flow definition
//! (<https://www.twilio.com/docs/studio/flow-definition>), FLOIP 1.0.0-rc
//! (<https://floip.gitbook.io/flow-specification>).

mod floip;
mod json;
mod ledger;
mod names;
mod report;
mod sketch;
mod template;
mod twilio;
mod typebot;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::report::{Counts, Element, ElementKind, Report};
use crate::document::{DOCUMENT_MAX_BYTES, EDGES_MAX, FLOWS_MAX, NODES_MAX, VARIABLES_MAX};
use crate::size;

/// Most bytes of a source, written without blanks.
pub const SOURCE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most problems an [`ImportError::Invalid`] lists.
pub const PROBLEMS_MAX: usize = 50;

/// What wrote a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Typebot, versions 3 to 6 of its export.
    Typebot,
    /// A flow definition of Twilio Studio.
    Twilio,
    /// A container of the Flow Interoperability Project, a flow of one, or a session's snapshot.
    Floip,
}

/// A flow that was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Import {
    /// What wrote it.
    pub format: Format,
    /// The document, `justping.flow/1`.
    pub document: Value,
    /// What became of everything.
    pub report: Report,
}

/// Something wrong at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// JSON pointer into the source.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A source cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON.
    #[error("not JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the reader says.
        reason: String,
    },
    /// It is of no format that is known here.
    #[error("neither a Typebot export, nor a Twilio Studio flow, nor a FLOIP container")]
    UnknownFormat,
    /// It breaks the rules of its format.
    #[error("the source has {} problem(s)", problems.len())]
    Invalid {
        /// Which, in order; at most [`PROBLEMS_MAX`], at least one.
        problems: Vec<Problem>,
    },
    /// It, or what it would become, is larger than a document may be.
    #[error("too large: at most {max} {what}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

/// Tells what wrote a source, by the members only it has.
pub fn detect(source: &Value) -> Option<Format> {
    let list = |name: &str| source.get(name).is_some_and(Value::is_array);
    if list("states") && source.get("initial_state").is_some() {
        Some(Format::Twilio)
    } else if list("groups") && (list("edges") || list("variables")) {
        Some(Format::Typebot)
    } else if list("flows") || (list("blocks") && !list("groups")) {
        Some(Format::Floip)
    } else {
        None
    }
}

/// Reads a flow of another system; without a `format` it is told by [`detect`].
///
/// ```
/// use justping_agents::import::{Format, import};
/// use serde_json::json;
///
/// let source = json!({
///     "states": [
///         {"name": "Trigger", "type": "trigger", "properties": {},
///          "transitions": [{"event": "incomingMessage", "next": "hello"}]},
///         {"name": "hello", "type": "send-message", "properties": {"body": "Hello!"},
///          "transitions": []}
///     ],
///     "initial_state": "Trigger"
/// });
/// let import = import(None, &source)?;
/// assert_eq!(import.format, Format::Twilio);
/// assert!(import.report.unsupported.is_empty());
/// # Ok::<(), justping_agents::import::ImportError>(())
/// ```
///
/// # Errors
/// [`ImportError`] when the source breaks the rules of its format, is of none, or is too large.
pub fn import(format: Option<Format>, source: &Value) -> Result<Import, ImportError> {
    if size::written(source, SOURCE_MAX_BYTES).is_none() {
        return Err(ImportError::TooLarge { what: "bytes of source", max: SOURCE_MAX_BYTES });
    }
    let format = format.or_else(|| detect(source)).ok_or(ImportError::UnknownFormat)?;
    let (document, report) = match format {
        Format::Typebot => typebot::import(source)?,
        Format::Twilio => twilio::import(source)?,
        Format::Floip => floip::import(source)?,
    };
    check_size(&document)?;
    Ok(Import { format, document, report })
}

/// The same for a text that should be JSON.
///
/// # Errors
/// [`ImportError::NotJson`] with the place where it stops being JSON; else as [`import`].
pub fn import_text(format: Option<Format>, source: &str) -> Result<Import, ImportError> {
    let source: Value = serde_json::from_str(source).map_err(|error| ImportError::NotJson {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })?;
    import(format, &source)
}

fn check_size(document: &Value) -> Result<(), ImportError> {
    let called = || document.get("flows").and_then(Value::as_object).into_iter().flatten();
    let own =
        |flow: &Value, name: &str| flow.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let count = |name: &str| match name {
        "flows" => called().count(),
        name => own(document, name) + called().map(|(_, flow)| own(flow, name)).sum::<usize>(),
    };
    let limits = [
        ("nodes", NODES_MAX),
        ("edges", EDGES_MAX),
        ("variables", VARIABLES_MAX),
        ("flows", FLOWS_MAX),
    ];
    if let Some((what, max)) = limits.into_iter().find(|(name, max)| count(name) > *max) {
        return Err(ImportError::TooLarge { what, max });
    }
    match size::written(document, DOCUMENT_MAX_BYTES) {
        Some(_) => Ok(()),
        None => Err(ImportError::TooLarge { what: "bytes of document", max: DOCUMENT_MAX_BYTES }),
    }
}

/// The problems as an error, if there are any.
fn valid(mut problems: Vec<Problem>) -> Result<(), ImportError> {
    problems.truncate(PROBLEMS_MAX);
    if problems.is_empty() { Ok(()) } else { Err(ImportError::Invalid { problems }) }
}
