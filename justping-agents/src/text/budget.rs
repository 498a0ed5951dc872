//! Bounds what a template can make the engine do, before the engine parses it.
//!
//! Two things its own limits do not cover. **Depth:** `a+a+a+…`, `a.b.b.…`, `a|f|f|…` and `{% elif %}`
//! chains deepen the syntax tree without brackets, and walking too deep a tree exhausts the stack,
//! which ends the process. Depth never exceeds the number of operators plus that of open brackets
//! and blocks, so those are counted. **Growth:** lists repeat (`*`) and join lazily, share their
//! items, and print without using fuel until the end, so a list that doubles forty times takes hours.
//! Nothing can double here: the only statements are `if` and `for`, a `for` goes over what the scope
//! has (literals, `range` and filters of literals aside), and `*` is not available.
//!
//! The scan finds tags, strings and comments where the engine's lexer finds them; `{% raw %}`, which
//! would make that uncertain, is no statement here.

use super::{MAX_NESTING, MAX_OPERATORS, TemplateError, TemplateErrorKind};

/// Words that deepen the tree.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

/// What one `elif` costs: its stack frames are the largest.
const ELIF_COST: usize = 3;

/// The only statements.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Is what the code of a template adds up to.
#[derive(Debug, Default)]
struct Budget {
    operators: usize,
    brackets: usize,
    blocks: usize,
    header: Header,
    nesting: usize,
}

/// Says where in `{% for … in … %}` the scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Header {
    /// In no `for`.
    #[default]
    None,
    /// Before `in`.
    Names,
    /// Behind `in`.
    Items,
    /// Inside the brackets of `range`.
    Range,
}

/// Refuses a template with more than [`MAX_OPERATORS`] operators, or code nested deeper than
/// [`MAX_NESTING`].
pub(super) fn check(source: &str) -> Result<(), TemplateError> {
    let mut budget = Budget::default();
    let mut left = source;
    while let Some((start, tail)) = next_tag(left) {
        left = match start {
            "{#" => tail.split_once("#}").map_or("", |(_, after)| after),
            "{%" => budget.statement(tail)?,
            _ => budget.code(tail)?,
        };
        budget.check()?;
    }
    Ok(())
}

/// Returns the first tag opener of `text` and what follows it.
fn next_tag(text: &str) -> Option<(&str, &str)> {
    let starts = ["{{", "{%", "{#"].map(|opener| text.find(opener));
    let at = starts.into_iter().flatten().min()?;
    Some((text.get(at..at + 2)?, text.get(at + 2..)?))
}

impl Budget {
    fn check(&self) -> Result<(), TemplateError> {
        let what = if self.operators > MAX_OPERATORS {
            format!("more than {MAX_OPERATORS} operators")
        } else if self.nesting > MAX_NESTING {
            format!("code nested deeper than {MAX_NESTING}")
        } else {
            return Ok(());
        };
        let message = format!("template has {what}");
        Err(TemplateError { kind: TemplateErrorKind::TooLong, line: 0, message })
    }

    /// Counts `{% … %}` from behind its opener; returns what follows it.
    fn statement<'t>(&mut self, tag: &'t str) -> Result<&'t str, TemplateError> {
        let body = tag.trim_start_matches(['-', '+']).trim_start();
        let keyword = body.get(..word(body)).unwrap_or_default();
        if !STATEMENTS.contains(&keyword) {
            return Err(unsupported("the only statements in text are `if` and `for`"));
        }
        match keyword {
            "if" | "for" => self.blocks += 1,
            "endif" | "endfor" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
        self.header = if keyword == "for" { Header::Names } else { Header::None };
        let after = self.code(body);
        self.header = Header::None;
        after
    }

    fn deepen(&mut self) {
        self.nesting = self.nesting.max(self.brackets + self.blocks);
    }

    /// Refuses what would let lists grow; `token` is the next one, `code` starts with it.
    fn supports(&mut self, token: &str, code: &str) -> Result<(), TemplateError> {
        if token == "*" {
            return Err(unsupported("`*` is not supported, write {{ a|times(b) }}"));
        }
        let names = token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        self.header = match self.header {
            Header::Names if token == "in" => Header::Items,
            Header::Items if token == "recursive" => {
                return Err(unsupported("recursive loops are not supported"));
            }
            Header::Items if self.brackets == 0 && code.starts_with("range(") => Header::Range,
            Header::Items if (self.brackets > 0 && names) || matches!(token, "+" | "~") => {
                // `+%}` and `-%}` only trim blanks.
                if !code.starts_with("+%}") {
                    return Err(unsupported("`for` goes over a variable, not over an expression"));
                }
                Header::Items
            }
            Header::Items if token == "," && self.brackets == 0 => {
                return Err(unsupported("`for` goes over one variable"));
            }
            Header::Range if token == ")" && self.brackets <= 1 => Header::Items,
            same => same,
        };
        Ok(())
    }

    /// Counts code up to the end of its tag; returns what follows the tag.
    fn code<'t>(&mut self, tag: &'t str) -> Result<&'t str, TemplateError> {
        self.brackets = 0;
        let mut left = tag;
        while let Some(first) = left.chars().next() {
            if self.brackets == 0 && (left.starts_with("}}") || left.starts_with("%}")) {
                return Ok(left.get(2..).unwrap_or_default());
            }
            let length = match first {
                '"' | '\'' => string(left),
                c if is_word(c) => word(left),
                '*' if left.starts_with("**") => 2,
                c => c.len_utf8(),
            };
            let token = left.get(..length).unwrap_or_default();
            self.supports(token, left)?;
            self.operators += operators(token);
            match first {
                '(' | '[' | '{' => self.brackets += 1,
                ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            self.deepen();
            left = left.get(length..).unwrap_or_default();
        }
        Ok("")
    }
}

fn unsupported(message: &str) -> TemplateError {
    TemplateError { kind: TemplateErrorKind::Syntax, line: 0, message: message.to_owned() }
}

/// Returns the length of the string literal at the start of `text`.
///
/// One that never ends is no literal: only its quote is taken, so that what follows still counts.
fn string(text: &str) -> usize {
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else { return 0 };
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return at + 1;
        }
    }
    1
}

/// Returns the length of the word or of the digits at the start of `text`; `1and` is two tokens.
fn word(text: &str) -> usize {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let goes_on = |c: char| if digits { c.is_ascii_digit() } else { is_word(c) };
    text.find(|c| !goes_on(c)).unwrap_or(text.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns what one token costs.
fn operators(token: &str) -> usize {
    const SIGNS: [&str; 15] =
        ["+", "-", "**", "/", "%", "~", "|", ".", "[", "(", "{", "<", ">", "=", "!"];
    match token {
        "elif" => ELIF_COST,
        token => usize::from(SIGNS.contains(&token) || KEYWORDS.contains(&token)),
    }
}
