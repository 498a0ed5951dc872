use std::collections::HashSet;
use std::fmt::Write;

use crate::model::{ChannelKind, Choice, Content, ListSection};
use crate::port::Capabilities;

/// Label of a list that opens, when buttons had to become one.
const LIST_BUTTON: &str = "Choose";
/// The row that opens the next page of a list.
const MORE: &str = "More…";
/// What the id of the row “More…” ends with: before it stands the id of the first option of the
/// next page.
pub const MORE_MARK: char = '+';

/// What becomes of options that are too many for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TooMany {
    /// They are numbered.
    Number,
    /// They come page by page.
    Page,
}

/// Fits content to what a channel can show, losing looks but never words: buttons that are too many,
/// too long or alike become a list, a list that is too much becomes numbered text, long text becomes
/// several messages, a mail where there are no mails becomes text below its subject. What already fits
/// comes back as it is.
pub fn fit(content: Content, capabilities: &Capabilities) -> Vec<Content> {
    fit_as(content, capabilities, TooMany::Number)
}

/// The same for content whose sender shows the next page when asked: rows that are too many for a
/// list, but not too long, come in pages. The last row of a page has an id that ends with
/// [`MORE_MARK`]; a reply with it asks for the options from the one named before the mark.
pub fn fit_in_pages(content: Content, capabilities: &Capabilities) -> Vec<Content> {
    fit_as(content, capabilities, TooMany::Page)
}

fn fit_as(content: Content, capabilities: &Capabilities, too_many: TooMany) -> Vec<Content> {
    match content {
        Content::Text { text } => split(&text, capabilities.text_max),
        Content::Buttons { text, header, footer, options } => {
            if buttons_fit(&text, &options, capabilities) {
                return vec![Content::Buttons { text, header, footer, options }];
            }
            let text = join([header.as_deref(), Some(&text), footer.as_deref()]);
            let sections = vec![ListSection { title: None, options }];
            fit_list(text, LIST_BUTTON.to_owned(), sections, capabilities, too_many)
        }
        Content::List { text, button, sections } => {
            fit_list(text, button, sections, capabilities, too_many)
        }
        Content::Email(mail) if capabilities.kind != ChannelKind::EMAIL => {
            split(&mail.as_text(), capabilities.text_max)
        }
        other => vec![other],
    }
}

fn fit_list(
    text: String,
    button: String,
    sections: Vec<ListSection>,
    capabilities: &Capabilities,
    too_many: TooMany,
) -> Vec<Content> {
    if list_fits(&text, &sections, capabilities) {
        return vec![Content::List { text, button, sections }];
    }
    if too_many == TooMany::Page
        && let Some(sections) = page(&text, &sections, capabilities)
    {
        return vec![Content::List { text, button, sections }];
    }
    split(&numbered(&text, &sections), capabilities.text_max)
}

/// The first page of rows that are only too many.
fn page(
    text: &str,
    sections: &[ListSection],
    capabilities: &Capabilities,
) -> Option<Vec<ListSection>> {
    let mut room = capabilities.list_rows_max.checked_sub(1).filter(|room| *room > 0)?;
    let next = sections.iter().flat_map(|section| &section.options).nth(room)?;
    let more =
        Choice { id: format!("{}{MORE_MARK}", next.id), title: MORE.to_owned(), description: None };
    let mut shown = Vec::new();
    for ListSection { title, options } in sections.iter().filter(|one| !one.options.is_empty()) {
        if room == 0 {
            break;
        }
        let options: Vec<Choice> = options.iter().take(room).cloned().collect();
        room -= options.len();
        shown.push(ListSection { title: title.clone(), options });
    }
    shown.last_mut()?.options.push(more);
    list_fits(text, &shown, capabilities).then_some(shown)
}

fn buttons_fit(text: &str, options: &[Choice], capabilities: &Capabilities) -> bool {
    let mut titles = HashSet::new();
    options.len() <= capabilities.buttons_max
        && options.iter().all(|option| titles.insert(option.title.trim()))
        && text.chars().count() <= capabilities.interactive_text_max
        && options.iter().all(|option| {
            option.description.is_none()
                && option.title.chars().count() <= capabilities.button_title_max
                && option.id.len() <= capabilities.option_id_max
        })
}

fn list_fits(text: &str, sections: &[ListSection], capabilities: &Capabilities) -> bool {
    let mut rows = sections.iter().flat_map(|section| &section.options);
    let count: usize = sections.iter().map(|section| section.options.len()).sum();
    count <= capabilities.list_rows_max
        && text.chars().count() <= capabilities.interactive_text_max
        && rows.all(|row| {
            let described = row.description.as_deref().unwrap_or_default();
            row.title.chars().count() <= capabilities.list_title_max
                && described.chars().count() <= capabilities.list_description_max
                && row.id.len() <= capabilities.option_id_max
        })
}

/// Writes options as lines `1. Title – description`, the number being what the contact answers.
fn numbered(text: &str, sections: &[ListSection]) -> String {
    let mut out = text.to_owned();
    let mut number = 0;
    for section in sections {
        if let Some(title) = &section.title {
            let _ = write!(out, "\n\n{title}");
        }
        for option in &section.options {
            number += 1;
            let _ = write!(out, "\n{number}. {}", option.title);
            if let Some(description) = &option.description {
                let _ = write!(out, " – {description}");
            }
        }
    }
    out
}

fn join<const N: usize>(parts: [Option<&str>; N]) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Splits text into messages of at most `max` characters, at line or word ends where there are any.
fn split(text: &str, max: usize) -> Vec<Content> {
    let max = max.max(1);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((hard_end, _)) = rest.char_indices().nth(max) {
        let head = rest.get(..hard_end).unwrap_or(rest);
        let end =
            head.rfind('\n').or_else(|| head.rfind(' ')).filter(|end| *end > 0).unwrap_or(hard_end);
        let (part, tail) = rest.split_at(end);
        parts.push(Content::text(part.trim_end()));
        rest = tail.trim_start();
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Content::text(rest));
    }
    parts
}
