//! What a line asks for.

use justping::agents::scenario::{Pause, ServerReply};
use justping::model::{Capability, Content};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::call::{ContactAsk, EventAsk, FilterAsk, MessageAsk, OutboundAsk, WebhookAsk};

/// Everything that can be asked for, and what comes of it.
const HELP: [(&str, &str); 24] = [
    ("enter NODE [{config}]", "a conversation arrives at a node"),
    (
        "resume [TEXT | {content}]",
        "the contact writes to the node that waits; without, its time comes",
    ),
    ("tool NAME [{arguments}]", "calls a tool"),
    ("apply FUNCTION VALUE [[arguments]]", "applies a function for texts to JSON"),
    ("before-send TEXT | {content}", "shows the hook a message that leaves"),
    ("after-receive TEXT | {content}", "shows the hook a message that came in"),
    ("interests", "asks which events it wants"),
    ("event NAME [{data}]", "tells the subscriber an event"),
    ("send ADDRESS TEXT | {content}", "hands a message to the channel"),
    ("receive {webhook}", "hands the channel a webhook: method, query, headers, body, sign"),
    ("say TEXT", "the contact writes"),
    ("press TITLE", "the contact presses what was offered"),
    (":after SPAN", "time passes, such as 23h"),
    (":contact {contact}", "what calls are told of the contact"),
    (":variables {variables}", "what nodes are told of variables"),
    (":config {config}", "configures the plugin"),
    (":secret NAME VALUE", "gives the plugin a secret"),
    (":grant CAPABILITY | all", "grants what the plugin asks for"),
    (":revoke CAPABILITY | all", "takes it back"),
    (":reply STATUS [BODY]", "what the next server answers"),
    (":show", "shows what the plugin exports"),
    (":reload", "builds and loads the plugin again; what it keeps stays"),
    (":help", "shows this"),
    (":quit", "ends"),
];

/// What a line asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// A call of the plugin.
    Call(Deed),
    /// The contact says something.
    Say(Content),
    /// The contact presses what was offered.
    Press(String),
    After(Pause),
    Contact(Box<ContactAsk>),
    Variables(Map<String, Value>),
    Config(Map<String, Value>),
    Secret(String, String),
    Grant(Which),
    Revoke(Which),
    Reply(ServerReply),
    Show,
    Reload,
    Help,
    Quit,
    Nothing,
}

/// A call of the plugin.
#[derive(Debug)]
pub(super) enum Deed {
    Enter(String, Map<String, Value>),
    /// With what the contact wrote; without, the time has come.
    Resume(Option<Content>),
    Tool(String, Map<String, Value>),
    BeforeSend(MessageAsk),
    AfterReceive(MessageAsk),
    Interests,
    Event(EventAsk),
    Receive(WebhookAsk),
    Send(OutboundAsk),
    Apply(FilterAsk),
}

/// Which capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    One(Capability),
}

/// What a line means to somebody who calls the plugin, or talks to its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A line is a command.
    Calls,
    /// A line is what the contact says, and a command begins with a colon.
    Talks,
}

/// Reads a line; what it cannot mean is told in words.
pub(super) fn parse(line: &str, manner: Manner) -> Result<Command, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Command::Nothing);
    }
    let marked =
        line.strip_prefix(':').filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
    match (marked, manner) {
        (Some(rest), _) => command(rest),
        (None, Manner::Calls) => command(line),
        (None, Manner::Talks) => Ok(Command::Say(Content::text(line))),
    }
}

/// What can be asked for, a line each.
pub(super) fn help() -> String {
    let lines = HELP.iter().map(|(usage, what)| format!("  {usage:<36} {what}\n"));
    lines.collect()
}

fn command(line: &str) -> Result<Command, String> {
    let (verb, rest) = split(line);
    let need = |part: &str| if part.is_empty() { Err(usage(verb)) } else { Ok(part.to_owned()) };
    let (first, second) = split(rest);
    Ok(match verb {
        "enter" => Command::Call(Deed::Enter(need(first)?, object(second)?)),
        "resume" => Command::Call(Deed::Resume(match rest {
            "" => None,
            rest => Some(content(rest)?),
        })),
        "tool" => Command::Call(Deed::Tool(need(first)?, object(second)?)),
        "apply" => Command::Call(Deed::Apply(apply(first, second).ok_or_else(|| usage(verb))?)),
        "before-send" => Command::Call(Deed::BeforeSend(message(&need(rest)?)?)),
        "after-receive" => Command::Call(Deed::AfterReceive(message(&need(rest)?)?)),
        "interests" => Command::Call(Deed::Interests),
        "event" => {
            let (id, name, data) = (String::new(), need(first)?, object(second)?);
            Command::Call(Deed::Event(EventAsk { id, name, data }))
        }
        "send" => {
            let (to, content) = (need(first)?, content(&need(second)?)?);
            let content = serde_json::to_value(&content).map_err(|error| error.to_string())?;
            let idempotency_key = String::new();
            Command::Call(Deed::Send(OutboundAsk { to, content, reply_to: None, idempotency_key }))
        }
        "receive" => Command::Call(Deed::Receive(json(&need(rest)?)?)),
        "say" => Command::Say(content(&need(rest)?)?),
        "press" => Command::Press(need(rest)?),
        verb => return setting(verb, rest),
    })
}

fn setting(verb: &str, rest: &str) -> Result<Command, String> {
    let need = |part: &str| if part.is_empty() { Err(usage(verb)) } else { Ok(part.to_owned()) };
    let (first, second) = split(rest);
    Ok(match verb {
        "after" => Command::After(
            serde_json::from_value(Value::String(need(rest)?))
                .map_err(|error| error.to_string())?,
        ),
        "contact" => Command::Contact(json(&need(rest)?)?),
        "variables" => Command::Variables(object(rest)?),
        "config" => Command::Config(object(rest)?),
        "secret" => Command::Secret(need(first)?, need(second)?),
        "grant" => Command::Grant(which(&need(rest)?)?),
        "revoke" => Command::Revoke(which(&need(rest)?)?),
        "reply" => {
            let status = first.parse().ok().filter(|status| (100..600).contains(status));
            let status = status.ok_or_else(|| usage(verb))?;
            let text = || Value::String(second.to_owned());
            Command::Reply(ServerReply {
                status,
                body: serde_json::from_str(second).unwrap_or_else(|_| text()),
            })
        }
        "show" => Command::Show,
        "reload" => Command::Reload,
        "help" => Command::Help,
        "quit" => Command::Quit,
        other => return Err(format!("{other} is nothing that can be done; see :help")),
    })
}

/// The first word and what is behind it.
fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn usage(verb: &str) -> String {
    let named = |usage: &str| split(usage).0.trim_start_matches(':') == verb;
    let found = HELP.iter().find(|(usage, _)| named(usage));
    found.map(|(usage, _)| format!("it is said so: {usage}")).unwrap_or_default()
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

/// An object; nothing is an empty one.
fn object(text: &str) -> Result<Map<String, Value>, String> {
    if text.is_empty() { Ok(Map::new()) } else { json(text) }
}

/// Content in the API's form, and everything else a text.
fn content(text: &str) -> Result<Content, String> {
    if text.starts_with('{') { json(text) } else { Ok(Content::text(text)) }
}

fn message(text: &str) -> Result<MessageAsk, String> {
    let content = content(text)?;
    let text = content.plain().to_owned();
    let content = serde_json::to_value(content).map_err(|error| error.to_string())?;
    Ok(MessageAsk { text, content: Some(content), contact: ContactAsk::default() })
}

/// A function, a value and maybe a list of arguments; a value that is no JSON is a text.
fn apply(filter: &str, rest: &str) -> Option<FilterAsk> {
    if filter.is_empty() || rest.is_empty() {
        return None;
    }
    let filter = filter.to_owned();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let (value, more) = (values.next(), values.next());
    Some(match (value, more, values.next()) {
        (Some(Ok(value)), None, _) => FilterAsk { filter, value, arguments: Vec::new() },
        (Some(Ok(value)), Some(Ok(Value::Array(arguments))), None) => {
            FilterAsk { filter, value, arguments }
        }
        _ => FilterAsk { filter, value: Value::String(rest.to_owned()), arguments: Vec::new() },
    })
}

/// Reads which capabilities are meant.
pub(super) fn which(name: &str) -> Result<Which, String> {
    if name == "all" {
        return Ok(Which::All);
    }
    let found = Capability::ALL.into_iter().find(|capability| capability.name() == name);
    let names = || Capability::ALL.map(Capability::name).join(", ");
    found.map(Which::One).ok_or_else(|| format!("{name} is none of all, {}", names()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_command_of_the_help_is_known() {
        for (usage, _) in HELP {
            let verb = split(usage).0;
            let error = parse(verb, Manner::Calls).err().unwrap_or_default();
            assert!(!error.contains("nothing that can be done"), "{verb}: {error}");
            assert!(error.is_empty() || error.contains(usage), "{verb}: {error}");
        }
    }

    #[test]
    fn who_talks_marks_commands() {
        let say = |line| parse(line, Manner::Talks).unwrap();
        assert!(
            matches!(say("enter greet"), Command::Say(Content::Text { text }) if text == "enter greet")
        );
        assert!(matches!(say(":)"), Command::Say(_)));
        assert!(
            matches!(say(" :enter greet"), Command::Call(Deed::Enter(node, _)) if node == "greet")
        );
        assert!(matches!(say("  "), Command::Nothing));
    }

    #[test]
    fn a_function_takes_json_or_a_text() {
        let apply = |line| match parse(line, Manner::Calls) {
            Ok(Command::Call(Deed::Apply(ask))) => (ask.value, ask.arguments),
            other => panic!("{other:?}"),
        };
        assert_eq!(apply("apply f 7"), (7.into(), vec![]));
        assert_eq!(apply(r#"apply f "a" [1]"#), ("a".into(), vec![1.into()]));
        assert_eq!(apply("apply f my card"), ("my card".into(), vec![]));
        assert_eq!(apply("apply f 4111 1111"), ("4111 1111".into(), vec![]));
    }

    proptest! {
        #[test]
        fn any_line_is_a_command_or_an_error(
            verb in prop::sample::select(HELP.map(|(usage, _)| split(usage).0).to_vec()),
            rest in ".{0,40}", talks in any::<bool>()
        ) {
            let manner = if talks { Manner::Talks } else { Manner::Calls };
            let _ = parse(&format!("{verb} {rest}"), manner);
            let _ = parse(&rest, manner);
        }
    }
}
