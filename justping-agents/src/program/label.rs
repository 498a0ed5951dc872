//! Ids of options on their way out and back.
//!
//! What a contact presses may be three prompts old, or of an older session, so every option goes
//! out as `<node>.<prompt>-<session>.<option>`; sessions that began before there was a mark of the
//! session still have ids without it. Nodes never see this: they get and give plain ids.

use std::fmt::Write as _;

use justping_core::model::{Choice, Content};
use justping_core::port::Effect;

/// Most bytes of an id that goes out; longer ones go out as the node wrote them.
const OPTION_ID_MAX_BYTES: usize = 200;

/// Bits of the mark of a session: enough to tell apart those of one contact.
const TAG_BITS: u32 = 24;

/// Where a pressed option came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    /// The node that offered it.
    pub(super) node: &'a str,
    /// The prompt it was in, counted over the session.
    pub(super) prompt: u32,
    /// The mark of the session.
    pub(super) tag: Option<u32>,
    /// The id the node gave it.
    pub(super) option: &'a str,
}

impl<'a> Label<'a> {
    /// Reads an id; `None` when it is not one of ours.
    pub(super) fn read(id: &'a str) -> Option<Self> {
        let mut parts = id.rsplitn(3, '.');
        let (option, prompt, node) = (parts.next()?, parts.next()?, parts.next()?);
        let (prompt, tag) = match prompt.split_once('-') {
            Some((prompt, tag)) => (prompt, Some(u32::from_str_radix(tag, 16).ok()?)),
            None => (prompt, None),
        };
        let prompt = prompt.parse().ok()?;
        (!node.is_empty() && !option.is_empty()).then_some(Self { node, prompt, tag, option })
    }
}

/// The mark of a session, made of the randomness of the step that sends its first options.
pub(super) fn tag_of(seed: u64) -> u32 {
    u32::try_from(seed >> (u64::BITS - TAG_BITS)).unwrap_or(0)
}

/// Labels the options of what a node has just sent; each prompt has its own number.
pub(crate) fn label(
    effects: &mut [Effect],
    node: &str,
    prompts: &mut u32,
    tag: &mut Option<u32>,
    seed: u64,
) {
    for effect in effects {
        let Effect::Send { content } = effect else { continue };
        match content {
            Content::Buttons { options, .. } => {
                *prompts = prompts.saturating_add(1);
                let tag = *tag.get_or_insert_with(|| tag_of(seed));
                options.iter_mut().for_each(|option| rename(option, node, *prompts, tag));
            }
            Content::List { sections, .. } => {
                *prompts = prompts.saturating_add(1);
                let options = sections.iter_mut().flat_map(|section| &mut section.options);
                let tag = *tag.get_or_insert_with(|| tag_of(seed));
                options.for_each(|option| rename(option, node, *prompts, tag));
            }
            _ => {}
        }
    }
}

fn rename(option: &mut Choice, node: &str, prompt: u32, tag: u32) {
    // A dot in a plugin's own id would be read as part of the label.
    if option.id.contains('.') || option.id.is_empty() {
        return;
    }
    let mut id = String::with_capacity(node.len() + option.id.len() + 12);
    // Writing to a string does not fail.
    let _ = write!(id, "{node}.{prompt}-{tag:x}.{}", option.id);
    if id.len() <= OPTION_ID_MAX_BYTES {
        option.id = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back() {
        let label = |node, prompt, tag, option| Some(Label { node, prompt, tag, option });
        assert_eq!(Label::read("menu.3.yes"), label("menu", 3, None, "yes"));
        assert_eq!(Label::read("a.b.3-0.yes"), label("a.b", 3, Some(0), "yes"));
        assert_eq!(Label::read("f/a.3-fffff7.y"), label("f/a", 3, Some(0xff_fff7), "y"));
        for other in
            ["yes", "menu.yes", "menu.x.yes", ".1.yes", "menu.1.", "", "..", "m.1-x.y", "m.-1.y"]
        {
            assert_eq!(Label::read(other), None, "{other}");
        }
    }

    #[test]
    fn ids_that_would_not_read_back_stay() {
        let choice =
            |id: &str| Choice { id: id.to_owned(), title: String::new(), description: None };
        for id in ["a.b", "", &"x".repeat(OPTION_ID_MAX_BYTES)] {
            let mut option = choice(id);
            rename(&mut option, "menu", 1, 0);
            assert_eq!(option.id, id);
        }
    }
}
