//! What an event means to the node that waits, and what goes before it.
//!
//! The order: the node's own options and answers; session words; options of other prompts, by their
//! node's policy; the words the node takes as they are; intents; and at last whatever the node makes
//! of a message that fits nothing. People who own the conversation and words of opting out come
//! before all of it, in the engine.

use justping_core::model::Content;
use justping_core::port::{Expectation, Fit, StepEvent};

use super::label::Label;
use super::outside::expectation;
use super::run::Run;
use super::state::call_token;
use super::words::{Intent, SessionWord};
use super::{FRAMES_MAX, Place, speaks};
use crate::keyword::fold;
use crate::node::LateReply;

/// What an event means.
pub(super) enum Heard<'a> {
    /// Nothing to anybody.
    Nothing,
    /// Something for later.
    Kept,
    /// Itself, for the node that waits.
    Event,
    /// Another event in its place.
    Instead(StepEvent),
    /// An option of another node, which takes over.
    Elsewhere(&'a Place, StepEvent),
    /// A session word.
    Word(&'a SessionWord),
    /// An intent.
    Intent(&'a Intent),
}

impl<'a> Run<'a> {
    /// Decides what an event means, and takes note of a timer or call that is over with it.
    pub(super) fn hear(&mut self, event: &StepEvent) -> Heard<'a> {
        match event {
            StepEvent::Timer { token } => {
                let ours = self.state.timer.take_if(|timer| timer.token() == *token);
                if ours.is_some() { Heard::Event } else { Heard::Nothing }
            }
            StepEvent::CallDone { token, .. } => {
                let ours = self.state.call.take_if(|number| call_token(*number) == *token);
                if ours.is_some() { Heard::Event } else { Heard::Nothing }
            }
            StepEvent::Outside { signal, data } => {
                match expectation(self.program, &self.state, Some(self.at), signal) {
                    Expectation::Awaited => Heard::Event,
                    Expectation::Early if self.keep(signal, data) => Heard::Kept,
                    Expectation::Early | Expectation::Over => Heard::Nothing,
                }
            }
            StepEvent::Message { content } if !speaks(content) => Heard::Nothing,
            StepEvent::Message { content: Content::Reply { option, title } } => {
                self.hear_option(option, title)
            }
            StepEvent::Message { content } => self.hear_words(content).unwrap_or(Heard::Event),
        }
    }

    /// A pressed option may belong to the node that waits, to another one, or to another session.
    fn hear_option(&mut self, option: &str, title: &str) -> Heard<'a> {
        let Some(found) = Label::read(option) else { return Heard::Event };
        let pressed = |option: &str, title: &str| StepEvent::Message {
            content: Content::Reply { option: option.to_owned(), title: title.to_owned() },
        };
        let foreign = found.tag.is_some() && found.tag != self.state.tag;
        if foreign || found.prompt <= self.state.prompts {
            let own = *found.node == *self.at.id;
            if own && !(foreign && self.at.late == LateReply::Ignore) {
                return Heard::Instead(pressed(found.option, title));
            }
            match self.program.place(found.node).map(|place| (place, place.late)) {
                Some((_, LateReply::Ignore)) => return Heard::Nothing,
                Some((place, LateReply::Jump)) if self.is_under_way(place.flow) => {
                    return Heard::Elsewhere(place, pressed(found.option, title));
                }
                _ => {}
            }
        }
        let text = Content::text(title);
        let before = self.hear_words(&text);
        before.unwrap_or(Heard::Instead(StepEvent::Message { content: text }))
    }

    /// A session word or an intent that goes before what the node would make of the text.
    fn hear_words(&mut self, content: &Content) -> Option<Heard<'a>> {
        let program = self.program;
        if program.words.are_none() || !matches!(content, Content::Text { .. }) {
            return None;
        }
        let text = fold(content.plain());
        let word = program.words.session(&text);
        let intent = program
            .words
            .intent(&text)
            .filter(|intent| !intent.resume || self.state.frames.len() < FRAMES_MAX);
        if word.is_none() && intent.is_none() {
            return None;
        }
        match (self.fit(content), word, intent) {
            (Fit::Free | Fit::Other, Some(word), _) => Some(Heard::Word(word)),
            (Fit::Other, None, Some(intent)) => Some(Heard::Intent(intent)),
            _ => None,
        }
    }

    /// How well a message fits the node that waits.
    pub(super) fn fit(&mut self, content: &Content) -> Fit {
        let place = self.at;
        self.with_node(|cx| place.built.fits(cx, content))
    }

    /// Says whether a message is a choice among what is on offer or a session word: it needs no
    /// other message to be understood.
    pub(super) fn is_prompt(&mut self, content: &Content) -> bool {
        match content {
            Content::Reply { .. } => true,
            other => matches!(self.hear_words(other), Some(Heard::Word(_))),
        }
    }
}
