//! Why a template does not compile or render.

use minijinja::ErrorKind;

/// Classifies a [`TemplateError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateErrorKind {
    /// The source is not a template.
    Syntax,
    /// An expression fails on the values it gets, or names a filter or function that does not exist.
    Evaluation,
    /// Rendering takes more than [`FUEL`](super::FUEL).
    OutOfFuel,
    /// The source or the rendered text is longer than allowed.
    TooLong,
}

/// Says why a template does not compile or render; never contains values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line})")]
pub struct TemplateError {
    /// What to do about it.
    pub kind: TemplateErrorKind,
    /// The line of the source, from 1; 0 when it concerns all of it.
    pub line: usize,
    /// One lowercase sentence for the author.
    pub message: String,
}

impl TemplateError {
    pub(super) fn too_long(what: &str, max: usize) -> Self {
        let message = format!("{what} is longer than {max} characters");
        Self { kind: TemplateErrorKind::TooLong, line: 0, message }
    }

    /// Translates an error of the engine.
    ///
    /// Details of failed operations may quote operands, that is, what a contact typed: they are left
    /// out. Details about names and syntax quote only the author.
    pub(super) fn from_engine(error: &minijinja::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::SyntaxError => TemplateErrorKind::Syntax,
            ErrorKind::OutOfFuel => TemplateErrorKind::OutOfFuel,
            _ => TemplateErrorKind::Evaluation,
        };
        let quotes_author = matches!(
            error.kind(),
            ErrorKind::SyntaxError
                | ErrorKind::UnknownFilter
                | ErrorKind::UnknownFunction
                | ErrorKind::UnknownTest
        );
        let message = match error.detail().filter(|_| quotes_author) {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        Self { kind, line: error.line().unwrap_or(0), message }
    }
}
