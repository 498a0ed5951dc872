//! Message text with variables.
//!
//! A [`Template`] is written in minijinja syntax, compiled once when a flow is loaded and rendered
//! for every message. It reads a [`Scope`] and nothing else: no files, no other templates, no
//! environment, no clock. Work and memory are bounded by [`FUEL`], length by [`MAX_OUTPUT_CHARS`].
//!
//! Most messages are literal text and `{{ path.to.value }}`; those never reach the template engine
//! (`direct`), everything else does (`engine`). Both print a value the same way, byte for byte:
//! a missing value and `null` as nothing, booleans as `true` and `false`, `1.0` as `1.0`.
//! Nothing is escaped and a trailing line break is kept: the text is what the author wrote. Only in HTML
//! ([`Template::compile_html`]) are values escaped: there they are the words of others.

mod budget;
mod direct;
mod engine;
mod error;
#[cfg(test)]
mod tests;

use minijinja::AutoEscape;

pub use self::error::{TemplateError, TemplateErrorKind};
use crate::scope::Scope;

/// The longest template, in characters.
pub const MAX_TEMPLATE_CHARS: usize = 20_000;

/// The longest rendered text, in characters.
pub const MAX_OUTPUT_CHARS: usize = 10_000;

/// The most operators, member accesses, filters, calls and keywords in the code of one template.
pub const MAX_OPERATORS: usize = 500;

/// The deepest nesting of brackets and blocks in the code of one template.
pub const MAX_NESTING: usize = 24;

/// The work one render may do: an instruction costs one, 64 bytes produced cost one.
pub const FUEL: u64 = 20_000;

/// Is message text, compiled.
#[derive(Debug)]
pub struct Template {
    body: Body,
    variables: Vec<String>,
}

#[derive(Debug)]
enum Body {
    Direct(direct::Segments),
    Engine(Box<engine::Engine>),
}

impl Template {
    /// Compiles `source`.
    ///
    /// Names of filters and functions are looked up when they run, so an unknown one is an error of
    /// [`render`](Self::render).
    ///
    /// # Errors
    /// [`TemplateErrorKind::Syntax`], or [`TemplateErrorKind::TooLong`] over [`MAX_TEMPLATE_CHARS`]
    /// or [`MAX_OPERATORS`], or deeper than [`MAX_NESTING`]. The only statements are `if` and `for`
    /// over a variable; `*` is written `{{ a|times(b) }}` (each of the others could make the engine
    /// work without fuel), literal braces `{{ '{{' }}`. Anything else is a syntax error.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        if longer_than(source, MAX_TEMPLATE_CHARS) {
            return Err(TemplateError::too_long("template", MAX_TEMPLATE_CHARS));
        }
        if let Some(segments) = direct::parse(source) {
            let variables = segments.variables();
            return Ok(Self { body: Body::Direct(segments), variables });
        }
        Ok(engine::Engine::compile(source, AutoEscape::None)?.into())
    }

    /// Compiles HTML: what a value says is shown and is never markup, unless the author says
    /// `{{ value|safe }}`.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_html(source: &str) -> Result<Self, TemplateError> {
        if longer_than(source, MAX_TEMPLATE_CHARS) {
            return Err(TemplateError::too_long("template", MAX_TEMPLATE_CHARS));
        }
        Ok(engine::Engine::compile(source, AutoEscape::Html)?.into())
    }

    /// Renders the text with the values of `scope`.
    ///
    /// # Errors
    /// [`TemplateErrorKind::Evaluation`] when an expression fails, [`TemplateErrorKind::OutOfFuel`]
    /// when it works too long, [`TemplateErrorKind::TooLong`] over [`MAX_OUTPUT_CHARS`]. Messages
    /// never contain values.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, TemplateError> {
        let text = match &self.body {
            Body::Direct(segments) => segments.render(scope)?,
            Body::Engine(engine) => engine.render(scope)?,
        };
        if longer_than(&text, MAX_OUTPUT_CHARS) {
            return Err(TemplateError::too_long("text", MAX_OUTPUT_CHARS));
        }
        Ok(text)
    }

    /// Lists the paths the template reads from its scope, sorted, each once.
    ///
    /// A path ends where the template stops naming members: `{{ order.items[0].name }}` reads
    /// `order.items`.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }
}

impl From<engine::Engine> for Template {
    fn from(engine: engine::Engine) -> Self {
        let variables = engine.variables();
        Self { body: Body::Engine(Box::new(engine)), variables }
    }
}

/// Compares the length in characters, counting only when the bytes leave it open.
fn longer_than(text: &str, chars: usize) -> bool {
    text.len() > chars && text.chars().count() > chars
}
