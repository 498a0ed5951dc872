//! Bounds of what callers may write, and the collection of everything that breaks them.

use crate::http::Problem;
use crate::http::problem::FieldError;

/// Most characters of a name.
pub(crate) const NAME_MAX_CHARS: usize = 200;
/// Most characters of a description.
pub(crate) const DESCRIPTION_MAX_CHARS: usize = 2_000;
/// Most characters of an agent's instructions.
pub(crate) const INSTRUCTIONS_MAX_CHARS: usize = 32_000;
/// Most characters of a tag, a field's name, a language or a time zone.
pub(crate) const LABEL_MAX_CHARS: usize = 100;
/// Most tags or fields of one contact.
pub(crate) const LABELS_MAX: usize = 200;
/// Most flows of an agent.
pub(crate) const FLOWS_MAX: usize = 50;
/// Most identities of a contact.
pub(crate) const IDENTITIES_MAX: usize = 20;
/// Most characters of an external id.
pub(crate) const IDENTITY_MAX_CHARS: usize = 256;
/// Most secrets of a channel.
pub(crate) const SECRETS_MAX: usize = 16;
/// Most characters of a secret.
pub(crate) const SECRET_MAX_CHARS: usize = 4_096;

/// Collects what is wrong with a request, so that its author hears all of it at once.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<FieldError>);

impl Checks {
    /// Notes that the part at `path` is wrong unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        if !holds {
            self.0.push(FieldError::new(path, message));
        }
    }

    /// Asks for a text of 1 to `max` characters that are not all blank.
    pub(crate) fn text(&mut self, path: &str, text: &str, max: usize) {
        let holds = !text.trim().is_empty() && text.chars().count() <= max;
        self.require(holds, path, format!("must be 1 to {max} characters"));
    }

    /// Asks for at most `max` characters.
    pub(crate) fn at_most(&mut self, path: &str, text: &str, max: usize) {
        self.require(
            text.chars().count() <= max,
            path,
            format!("must be at most {max} characters"),
        );
    }

    /// Asks for at most `max` things.
    pub(crate) fn count(&mut self, path: &str, count: usize, max: usize) {
        self.require(count <= max, path, format!("must be at most {max}"));
    }

    /// The end of the checks.
    ///
    /// # Errors
    /// 422 naming everything that was wrong.
    pub(crate) fn done(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}
