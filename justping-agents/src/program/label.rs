//! Ids of options on their way out and back.
//!
//! What a contact presses may be three prompts old, so every option goes out as
//! `<node>.<prompt>.<option>`. Nodes never see this: they get and give plain ids.

use std::fmt::Write as _;

use justping_core::model::{Choice, Content};
use justping_core::port::Effect;

/// Most bytes of an id that goes out; longer ones go out as the node wrote them.
const OPTION_ID_MAX_BYTES: usize = 200;

/// Where a pressed option came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    /// The node that offered it.
    pub(super) node: &'a str,
    /// The prompt it was in, counted over the session.
    pub(super) prompt: u32,
    /// The id the node gave it.
    pub(super) option: &'a str,
}

impl<'a> Label<'a> {
    /// Reads an id; `None` when it is not one of ours.
    pub(super) fn read(id: &'a str) -> Option<Self> {
        let mut parts = id.rsplitn(3, '.');
        let (option, prompt, node) = (parts.next()?, parts.next()?, parts.next()?);
        let prompt = prompt.parse().ok()?;
        (!node.is_empty() && !option.is_empty()).then_some(Self { node, prompt, option })
    }
}

/// Labels the options of what a node has just sent; each prompt has its own number.
pub(super) fn label(effects: &mut [Effect], node: &str, prompts: &mut u32) {
    for effect in effects {
        let Effect::Send { content } = effect else { continue };
        match content {
            Content::Buttons { options, .. } => {
                *prompts = prompts.saturating_add(1);
                options.iter_mut().for_each(|option| rename(option, node, *prompts));
            }
            Content::List { sections, .. } => {
                *prompts = prompts.saturating_add(1);
                let options = sections.iter_mut().flat_map(|section| &mut section.options);
                options.for_each(|option| rename(option, node, *prompts));
            }
            _ => {}
        }
    }
}

fn rename(option: &mut Choice, node: &str, prompt: u32) {
    // A dot in a plugin's own id would be read as part of the label.
    if option.id.contains('.') || option.id.is_empty() {
        return;
    }
    let mut id = String::with_capacity(node.len() + option.id.len() + 6);
    // Writing to a string does not fail.
    let _ = write!(id, "{node}.{prompt}.{}", option.id);
    if id.len() <= OPTION_ID_MAX_BYTES {
        option.id = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back() {
        let label = |node, prompt, option| Some(Label { node, prompt, option });
        assert_eq!(Label::read("menu.3.yes"), label("menu", 3, "yes"));
        assert_eq!(Label::read("a.b.3.yes"), label("a.b", 3, "yes"));
        for other in ["yes", "menu.yes", "menu.x.yes", ".1.yes", "menu.1.", "", ".."] {
            assert_eq!(Label::read(other), None, "{other}");
        }
    }

    #[test]
    fn ids_that_would_not_read_back_stay() {
        let choice =
            |id: &str| Choice { id: id.to_owned(), title: String::new(), description: None };
        for id in ["a.b", "", &"x".repeat(OPTION_ID_MAX_BYTES)] {
            let mut option = choice(id);
            rename(&mut option, "menu", 1);
            assert_eq!(option.id, id);
        }
    }
}
