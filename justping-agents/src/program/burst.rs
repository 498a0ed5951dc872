//! Several messages become one: a contact who writes in bits is answered once.
//!
//! While a burst lasts, the session's timer is the burst's. When it ends the node hears what was
//! gathered and says anew how long it waits, so its own timer comes back or has become needless.

use std::mem;

use justping_core::model::{Content, Timestamp};
use justping_core::port::{Effect, StepEvent};

use super::run::Run;
use super::speaks;
use super::state::{Burst, Timer, call_token};
use crate::document;

/// Most messages that become one.
pub const BURST_MESSAGES_MAX: usize = 20;
/// Most bytes of text that is gathered; the message that goes beyond ends the burst.
pub const BURST_BYTES_MAX: usize = 16 * 1024;

/// What becomes of an event.
pub(super) enum Given {
    /// It is heard as it is.
    This,
    /// It waits for others.
    Held,
    /// These are heard, in order; the first of them starts the session if that has not begun.
    These(Vec<StepEvent>),
}

impl Run<'_> {
    /// Holds a message back, or gives what was held back.
    pub(super) fn gather(&mut self) -> Given {
        let event = &self.input.event;
        match event {
            StepEvent::Message { content } if speaks(content) => {
                let Some(settings) = self.program.burst else { return self.release(Some(event)) };
                if self.is_prompt(content) {
                    return self.release(Some(event));
                }
                self.hold(settings, content, false);
                let full = self.state.burst.as_ref().is_some_and(is_full);
                if full { self.release(None) } else { Given::Held }
            }
            StepEvent::Timer { token } => {
                let ends = |burst: &Burst| burst.timer.token() == *token;
                if self.state.burst.as_ref().is_some_and(ends) {
                    return Given::These(self.gathered());
                }
                Given::This
            }
            StepEvent::CallDone { token, .. } => {
                let ours = self.state.call.is_some_and(|number| call_token(number) == *token);
                if ours { self.release(Some(event)) } else { Given::This }
            }
            // An event from outside is kept meanwhile, and heard when its node waits again.
            StepEvent::Outside { .. } | StepEvent::Message { .. } => Given::This,
        }
    }

    /// Ends the burst before its time; what ends it comes last.
    fn release(&mut self, event: Option<&StepEvent>) -> Given {
        if self.state.burst.is_none() {
            return Given::This;
        }
        self.effects.push(Effect::ClearTimers);
        let mut events = self.gathered();
        events.extend(event.cloned());
        Given::These(events)
    }

    /// Puts a message to the others; what it makes worthless is cancelled.
    pub(super) fn hold(&mut self, settings: document::Burst, content: &Content, starts: bool) {
        if self.at.built.drops_call() && self.state.call.take().is_some() {
            self.effects.push(Effect::CancelCalls);
        }
        self.state.timer = None;
        let now_ms = self.input.now.as_millisecond();
        let millis = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
        let number = self.state.next_token();
        let since_ms = self.state.burst.as_ref().map_or(now_ms, |burst| burst.since_ms);
        let quiet = now_ms.saturating_add(millis(settings.quiet_ms));
        let due_ms = quiet.min(since_ms.saturating_add(millis(settings.max_ms))).max(now_ms);
        // Beyond the end of time nothing is gathered any more.
        let due_at = Timestamp::from_millisecond(due_ms).unwrap_or(self.input.now);
        let timer = Timer::new(number, due_at);
        let burst = self.state.burst.get_or_insert_with(|| Burst {
            contents: Vec::new(),
            since_ms,
            timer,
            starts,
        });
        burst.timer = timer;
        burst.contents.push(content.clone());
        self.effects.push(Effect::SetTimer { token: timer.token(), due_at });
    }

    /// What was gathered, joined.
    fn gathered(&mut self) -> Vec<StepEvent> {
        let Some(burst) = self.state.burst.take() else { return Vec::new() };
        self.starts = burst.starts;
        let contents = join(burst.contents).into_iter();
        contents.map(|content| StepEvent::Message { content }).collect()
    }
}

fn is_full(burst: &Burst) -> bool {
    let bytes: usize = burst.contents.iter().map(|content| content.plain().len()).sum();
    burst.contents.len() >= BURST_MESSAGES_MAX || bytes > BURST_BYTES_MAX
}

/// Makes one message of several: the texts, in order and a line each, as a text or as the caption of
/// the first file. What cannot be joined follows.
pub(super) fn join(mut contents: Vec<Content>) -> Vec<Content> {
    if contents.len() < 2 {
        return contents;
    }
    let mut lines = Vec::new();
    for content in &mut contents {
        match content {
            Content::Text { text } => lines.push(mem::take(text)),
            Content::Media { caption, .. } => lines.extend(caption.take()),
            _ => {}
        }
    }
    contents.retain(|content| !matches!(content, Content::Text { .. }));
    let text = lines.join("\n");
    if !text.is_empty() {
        match contents.iter_mut().find(|content| matches!(content, Content::Media { .. })) {
            Some(Content::Media { caption, .. }) => *caption = Some(text),
            _ => contents.insert(0, Content::Text { text }),
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use justping_core::model::{MediaKind, MediaSource};

    use super::*;

    fn picture(caption: Option<&str>) -> Content {
        Content::Media {
            kind: MediaKind::Image,
            source: MediaSource::ProviderId("p".to_owned()),
            caption: caption.map(str::to_owned),
            filename: None,
            mime: None,
        }
    }

    #[test]
    fn texts_become_lines_and_files_stay() {
        let text = |text: &str| Content::text(text);
        assert_eq!(join(vec![text("a"), text("b")]), [text("a\nb")]);
        assert_eq!(join(vec![picture(Some("x"))]), [picture(Some("x"))]);
        assert_eq!(
            join(vec![text("a"), picture(None), picture(Some("x")), text("b")]),
            [picture(Some("a\nx\nb")), picture(None)]
        );
        let place = Content::Location { latitude: 1.0, longitude: 2.0, name: None, address: None };
        assert_eq!(join(vec![place.clone(), text("here")]), [text("here"), place]);
        assert_eq!(join(vec![picture(None), picture(None)]), [picture(None), picture(None)]);
    }
}
