//! Placeholders for personal data: a model sees those, everybody else the data.

use std::collections::BTreeSet;

use justping_core::model::PersonalData;
use justping_core::port::{ChatReply, ChatRequest};

use super::personal::{Found, find};

/// Most characters of a placeholder.
const PLACEHOLDER_MAX_CHARS: usize = 16;

/// Shows placeholders instead of personal data, and takes them back.
///
/// The same data has the same placeholder throughout, so that a model can tell whether two are the
/// same. What is a placeholder already in some text is not used again.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    kinds: BTreeSet<PersonalData>,
    /// Placeholders and data, in order of appearance.
    pairs: Vec<(String, String)>,
}

fn name(kind: PersonalData) -> &'static str {
    match kind {
        PersonalData::Email => "EMAIL",
        PersonalData::Phone => "PHONE",
        PersonalData::Card => "CARD",
        PersonalData::Iban => "IBAN",
    }
}

impl Redactor {
    /// Redacts these kinds.
    pub fn new(kinds: impl IntoIterator<Item = PersonalData>) -> Self {
        Self { kinds: kinds.into_iter().collect(), pairs: Vec::new() }
    }

    /// Learns what is personal in these texts, and gives each a placeholder that none of them holds.
    pub fn learn(&mut self, texts: &[&str]) {
        if self.kinds.is_empty() {
            return;
        }
        for text in texts {
            let mut rest = (*text).to_owned();
            // What is left over when one was taken out may be another.
            loop {
                let found = find(&rest, &self.kinds);
                if found.is_empty() {
                    break;
                }
                for one in &found {
                    let data = rest.get(one.range.clone()).unwrap_or_default();
                    if self.pairs.iter().all(|(_, known)| known != data) {
                        let placeholder = self.fresh(one.kind, texts);
                        self.pairs.push((placeholder, data.to_owned()));
                    }
                }
                rest = self.taken_out(&rest, &found);
            }
        }
    }

    /// A placeholder that stands in no text and for nothing yet.
    fn fresh(&self, kind: PersonalData, texts: &[&str]) -> String {
        let mut number = self.pairs.len() + 1;
        loop {
            let placeholder = format!("[{}_{number}]", name(kind));
            let written = texts.iter().any(|text| text.contains(&placeholder));
            if !written && self.pairs.iter().all(|(known, _)| *known != placeholder) {
                return placeholder;
            }
            number += 1;
        }
    }

    /// A text with placeholders.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.pairs.is_empty() {
            return text;
        }
        loop {
            let found = find(&text, &self.kinds);
            let next = self.taken_out(&text, &found);
            if next == text {
                return next;
            }
            text = next;
        }
    }

    /// The text with placeholders for what was found and is known.
    fn taken_out(&self, text: &str, found: &[Found]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for one in found {
            let data = text.get(one.range.clone()).unwrap_or_default();
            let pair = self.pairs.iter().find(|(_, known)| known == data);
            out.push_str(text.get(from..one.range.start).unwrap_or_default());
            out.push_str(pair.map_or(data, |(placeholder, _)| placeholder));
            from = one.range.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    /// A text with the data again.
    pub fn restore(&self, text: &str) -> String {
        let mut restorer = Restorer::new(self);
        let mut out = restorer.push(text);
        out.push_str(&restorer.finish());
        out
    }

    /// A request with placeholders in all that was said; what tools and schemas say is the
    /// business's own.
    pub fn redact_request(&mut self, request: &ChatRequest) -> ChatRequest {
        let messages = &request.messages;
        let texts: Vec<&str> = messages
            .iter()
            .flat_map(|message| {
                let calls = message.tool_calls.iter().map(|call| call.arguments.as_str());
                std::iter::once(message.text.as_str()).chain(calls)
            })
            .collect();
        self.learn(&texts);
        let mut request = request.clone();
        for message in &mut request.messages {
            message.text = self.redact(&message.text);
            for call in &mut message.tool_calls {
                call.arguments = self.redact(&call.arguments);
            }
        }
        request
    }

    /// A reply with the data again, in the arguments of calls too.
    pub fn restore_reply(&self, mut reply: ChatReply) -> ChatReply {
        reply.text = self.restore(&reply.text);
        for call in &mut reply.tool_calls {
            // Inside JSON the data stands as JSON writes it.
            call.arguments = self.replace(&call.arguments, |data| {
                let json = serde_json::Value::from(data).to_string();
                json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned()
            });
        }
        reply
    }

    fn replace(&self, text: &str, write: impl Fn(&str) -> String) -> String {
        let pairs = self.pairs.iter();
        pairs.fold(text.to_owned(), |text, (placeholder, data)| {
            text.replace(placeholder.as_str(), &write(data))
        })
    }
}

/// Takes placeholders back in a text that arrives in pieces.
#[derive(Debug)]
pub struct Restorer<'r> {
    redactor: &'r Redactor,
    /// What may be the beginning of a placeholder.
    open: String,
}

impl<'r> Restorer<'r> {
    /// Restores what the redactor learned.
    pub fn new(redactor: &'r Redactor) -> Self {
        Self { redactor, open: String::new() }
    }

    /// Takes a piece; gives what is sure by now.
    pub fn push(&mut self, piece: &str) -> String {
        if self.redactor.pairs.is_empty() {
            return piece.to_owned();
        }
        let mut out = String::with_capacity(piece.len());
        for c in piece.chars() {
            if c == '[' {
                out.push_str(&std::mem::take(&mut self.open));
                self.open.push(c);
            } else if self.open.is_empty() {
                out.push(c);
            } else {
                self.open.push(c);
                if c == ']' || self.open.chars().count() > PLACEHOLDER_MAX_CHARS {
                    self.close(&mut out);
                }
            }
        }
        out
    }

    /// The text is over.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.open)
    }

    fn close(&mut self, out: &mut String) {
        let open = std::mem::take(&mut self.open);
        let pair = self.redactor.pairs.iter().find(|(placeholder, _)| *placeholder == open);
        out.push_str(pair.map_or(open.as_str(), |(_, data)| data));
    }
}

#[cfg(test)]
mod tests {
    use justping_core::port::{ChatMessage, ChatRole, FinishReason, ToolCall, Usage};
    use proptest::prelude::*;

    use super::*;

    fn learned(texts: &[&str]) -> Redactor {
        let mut redactor = Redactor::new(PersonalData::ALL);
        redactor.learn(texts);
        redactor
    }

    #[test]
    fn the_same_data_has_the_same_placeholder() {
        let text = "ada@mail.example, +49 151 23456789; again ada@mail.example";
        let redactor = learned(&[text, "4242424242424242"]);
        let redacted = redactor.redact(text);
        assert_eq!(redacted, "[EMAIL_1], [PHONE_2]; again [EMAIL_1]");
        assert_eq!(redactor.redact("4242424242424242"), "[CARD_3]");
        assert_eq!(redactor.restore(&redacted), text);
    }

    #[test]
    fn a_placeholder_that_somebody_wrote_stays_what_it_is() {
        let text = "is [EMAIL_1] yours, ada@mail.example?";
        let redactor = learned(&[text]);
        assert_eq!(redactor.redact(text), "is [EMAIL_1] yours, [EMAIL_2]?");
        assert_eq!(redactor.restore("[EMAIL_1] [EMAIL_2"), "[EMAIL_1] [EMAIL_2");
    }

    #[test]
    fn requests_and_replies_go_both_ways() {
        let call = |arguments: &str| ToolCall {
            id: "1".to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
        };
        let mut asked = ChatMessage::new(ChatRole::Assistant, "");
        asked.tool_calls.push(call("{\"mail\":\"ada@mail.example\"}"));
        let messages = vec![ChatMessage::new(ChatRole::User, "I am ada@mail.example"), asked];
        let request = ChatRequest { messages, ..ChatRequest::default() };
        let mut redactor = Redactor::new(PersonalData::ALL);
        let redacted = redactor.redact_request(&request);
        assert_eq!(redacted.messages[0].text, "I am [EMAIL_1]");
        assert_eq!(redacted.messages[1].tool_calls[0].arguments, "{\"mail\":\"[EMAIL_1]\"}");
        let reply = ChatReply {
            text: "Hello [EMAIL_1]".to_owned(),
            tool_calls: vec![call("{\"to\":\"[EMAIL_1]\"}")],
            finish: FinishReason::Stop,
            usage: Usage::default(),
            model: None,
        };
        let reply = redactor.restore_reply(reply);
        assert_eq!(reply.text, "Hello ada@mail.example");
        assert_eq!(reply.tool_calls[0].arguments, "{\"to\":\"ada@mail.example\"}");
    }

    fn texts() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "ada@mail.example",
            "+49 151 23456789",
            "4242 4242 4242 4242",
            "DE89370400440532013000",
            "[EMAIL_1]",
            "[",
            "]",
            "é😀",
            " ",
            "x",
            "1",
            "[PHONE_2]",
            "\n",
        ]);
        prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_was_redacted_comes_back(text in texts(), other in texts(), size in 1_usize..6) {
            let redactor = learned(&[&text, &other]);
            let redacted = redactor.redact(&text);
            prop_assert_eq!(&redactor.restore(&redacted), &text);
            prop_assert_eq!(find(&redacted, &redactor.kinds), vec![]);
            let mut restorer = Restorer::new(&redactor);
            let chars: Vec<char> = redacted.chars().collect();
            let pieces = chars.chunks(size).map(|piece| piece.iter().collect::<String>());
            let mut streamed: String = pieces.map(|piece| restorer.push(&piece)).collect();
            streamed.push_str(&restorer.finish());
            prop_assert_eq!(streamed, text);
        }

        #[test]
        fn any_text_comes_back(text in ".{0,80}") {
            let redactor = learned(&[&text]);
            prop_assert_eq!(redactor.restore(&redactor.redact(&text)), text);
        }
    }
}
