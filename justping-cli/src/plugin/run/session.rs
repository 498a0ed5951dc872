//! A plugin that is tried out, line by line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use justping::agents::scenario::options;
use justping::model::{Capability, Content, Direction, Grants, Message, PluginSpend, Timestamp};
use justping::plugins::CallMeter;
use justping::plugins::plugins::Change;
use serde_json::{Map, Value};

use super::super::call::{Ask, ContactAsk, EventAsk, MessageAsk, NodeAsk, OutboundAsk, ToolAsk};
use super::super::stand::{Servers, Stand, known, reason, said, secrets};
use super::Origin;
use super::command::{Command, Deed, Manner, Which, help, parse};
use super::show;
use crate::source::Source;

/// What the contact is called on the channel.
const CONTACT: &str = "tester";
/// How a conversation begins that no flow leads.
const FIRST_WORDS: &str = "hello";

/// A plugin that is tried out.
pub(super) struct Session {
    pub(super) stand: Stand,
    pub(super) origin: Origin,
    /// What answers in place of other servers; without, they are asked.
    pub(super) servers: Option<Arc<Servers>>,
    pub(super) documents: Vec<Source>,
    talk: Talk,
    calls: u64,
    seen: Seen,
}

/// What calls are told.
#[derive(Debug, Default)]
struct Talk {
    contact: Option<ContactAsk>,
    variables: Map<String, Value>,
    last_text: String,
    secrets: BTreeMap<String, String>,
    /// The node that waits: its name, its configuration, its memory.
    waiting: Option<(String, Map<String, Value>, Value)>,
}

/// What was told already.
struct Seen {
    lines: usize,
    seq: u64,
    spend: PluginSpend,
    began: Timestamp,
}

/// What a line led to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What there is to say.
    pub(super) text: String,
    /// Whether that was the last.
    pub(super) is_over: bool,
    /// What the contact said.
    words: Option<Content>,
    meter: Option<CallMeter>,
}

/// Why something was not done, for people.
fn why(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Session {
    pub(super) fn new(
        stand: Stand,
        origin: Origin,
        servers: Option<Arc<Servers>>,
        documents: Vec<Source>,
    ) -> Self {
        let began = stand.stage.engine().clock().now();
        let seen = Seen { lines: 0, seq: 0, spend: PluginSpend::default(), began };
        Self { stand, origin, servers, documents, talk: Talk::default(), calls: 0, seen }
    }

    /// Whether lines are commands or words of the contact.
    fn manner(&self) -> Manner {
        if self.documents.is_empty() { Manner::Calls } else { Manner::Talks }
    }

    /// Lets the contact have a conversation that calls can be made for, where no flow leads one.
    pub(super) async fn begin(&mut self) -> Result<(), String> {
        if self.manner() == Manner::Calls {
            self.stand.stage.hear(CONTACT, Content::text(FIRST_WORDS)).await.map_err(why)?;
            FIRST_WORDS.clone_into(&mut self.talk.last_text);
        }
        let thread = self.stand.stage.thread(CONTACT).await.map_err(why)?;
        self.seen.seq = thread.last().map_or(0, |message| message.seq);
        Ok(())
    }

    /// Does what a line asks for, and tells what came of it.
    pub(super) async fn take(&mut self, line: &str) -> Heard {
        let mut heard = Heard::default();
        let done = match parse(line, self.manner()) {
            Ok(Command::Nothing) => return heard,
            Ok(command) => self.act(command, &mut heard).await,
            Err(error) => Err(error),
        };
        let rest = if heard.is_over { Ok(()) } else { self.tell(&mut heard).await };
        for error in [done.err(), rest.err()].into_iter().flatten() {
            let _ = writeln!(heard.text, "! {error}");
        }
        heard
    }

    async fn act(&mut self, command: Command, heard: &mut Heard) -> Result<(), String> {
        let stage = &self.stand.stage;
        match command {
            Command::Nothing => {}
            Command::Call(deed) => return self.call(deed, heard).await,
            Command::Say(content) => {
                content.plain().clone_into(&mut self.talk.last_text);
                heard.words = Some(content.clone());
                stage.hear(CONTACT, content).await.map_err(why)?;
            }
            Command::Press(title) => {
                let content = self.offered(&title).await?;
                heard.words = Some(content.clone());
                stage.hear(CONTACT, content).await.map_err(why)?;
            }
            Command::After(pause) => {
                stage.advance(pause.0).await.map_err(why)?;
                let _ = writeln!(heard.text, "it is {}", stage.engine().clock().now());
            }
            Command::Contact(contact) => self.talk.contact = Some(*contact),
            Command::Variables(variables) => self.talk.variables = variables,
            Command::Show => heard.text = self.shown().await?,
            Command::Help => heard.text = help(),
            Command::Quit => heard.is_over = true,
            other => return self.set(other, heard).await,
        }
        Ok(())
    }

    /// Changes what the business decides, or what is around the plugin.
    async fn set(&mut self, command: Command, heard: &mut Heard) -> Result<(), String> {
        let change = match command {
            Command::Config(config) => Change { config: Some(config), ..Change::default() },
            Command::Secret(name, value) => {
                let given = BTreeMap::from([(name, value)]);
                let change = Change { secrets: secrets(&given), ..Change::default() };
                self.stand.change(change).await.map_err(|error| reason(&error))?;
                self.talk.secrets.extend(given);
                return Ok(());
            }
            Command::Grant(which) => {
                let installed = self.stand.installed().await.map_err(why)?;
                let requested = &installed.release.requested;
                let grants = grant(which, requested, &installed.plugin.grants)?;
                let _ = writeln!(heard.text, "may use {}", show::granted(&grants));
                Change { grants: Some(grants), ..Change::default() }
            }
            Command::Revoke(which) => {
                let installed = self.stand.installed().await.map_err(why)?;
                let grants = revoke(which, &installed.plugin.grants);
                let _ = writeln!(heard.text, "may use {}", show::granted(&grants));
                Change { grants: Some(grants), ..Change::default() }
            }
            Command::Reply(reply) => {
                let real = "other servers are asked themselves: that is what --online means";
                self.servers.as_ref().ok_or(real)?.then(reply);
                return Ok(());
            }
            Command::Reload => return self.reload(heard).await,
            _ => return Ok(()),
        };
        self.stand.change(change).await.map_err(|error| reason(&error))
    }

    async fn reload(&mut self, heard: &mut Heard) -> Result<(), String> {
        let package = self.origin.load().map_err(why)?;
        let is_new = self.stand.upgrade(package).await.map_err(|error| reason(&error))?;
        heard.text = if is_new { self.shown().await? } else { "it is the same\n".to_owned() };
        known(&self.stand, &self.documents).await.map_err(why)
    }

    /// The plugin as it stands.
    pub(super) async fn shown(&self) -> Result<String, String> {
        Ok(show::plugin(&*self.stand.installed().await.map_err(why)?))
    }

    /// Chooses what the newest message that offers something offers under a title.
    async fn offered(&self, title: &str) -> Result<Content, String> {
        let thread = self.stand.stage.thread(CONTACT).await.map_err(why)?;
        let said = thread.iter().rev().filter(|one| one.direction == Direction::Outbound);
        let mut offered = said.flat_map(|message| options(&message.content));
        let found = offered.find(|option| option.title == title || option.id == title);
        let option = found.ok_or_else(|| format!("nothing offers the option {title}"))?;
        Ok(Content::Reply { option: option.id.clone(), title: option.title.clone() })
    }

    async fn call(&mut self, deed: Deed, heard: &mut Heard) -> Result<(), String> {
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        let contact = self.contact().await?;
        let node = |node, config, memory, content: Option<Content>| NodeAsk {
            node,
            config,
            contact: contact.clone(),
            variables: self.talk.variables.clone(),
            last_text: content.as_ref().map(Content::plain).unwrap_or(&self.talk.last_text).into(),
            memory,
            message: content.map(|content| serde_json::to_value(content).unwrap_or_default()),
        };
        match deed {
            Deed::Enter(name, config) => {
                let ask = node(name, config, Value::Null, None);
                let step = self.make(Ask::Enter(&ask), &id, heard).await?;
                self.remember(ask, step.as_ref());
            }
            Deed::Resume(content) => {
                let nobody = "no node waits; enter one that does";
                let (name, config, memory) = self.talk.waiting.clone().ok_or(nobody)?;
                let ask = node(name, config, memory, content);
                let step = self.make(Ask::Resume(&ask), &id, heard).await?;
                self.talk.last_text.clone_from(&ask.last_text);
                self.remember(ask, step.as_ref());
            }
            Deed::Tool(name, arguments) => {
                let ask = ToolAsk { name, arguments, contact_id: contact.id };
                drop(self.make(Ask::Tool(&ask), &id, heard).await?);
            }
            Deed::BeforeSend(ask) => {
                let ask = MessageAsk { contact, ..ask };
                drop(self.make(Ask::BeforeSend(&ask), &id, heard).await?);
            }
            Deed::AfterReceive(ask) => {
                let ask = MessageAsk { contact, ..ask };
                drop(self.make(Ask::AfterReceive(&ask), &id, heard).await?);
            }
            Deed::Interests => drop(self.make(Ask::Interests, &id, heard).await?),
            Deed::Event(event) => {
                let event = EventAsk { id: id.clone(), ..event };
                drop(self.make(Ask::Handle(&[event]), &id, heard).await?);
            }
            Deed::Receive(ask) => drop(self.make(Ask::Receive(&ask), &id, heard).await?),
            Deed::Send(ask) => {
                let ask = OutboundAsk { idempotency_key: id.clone(), ..ask };
                drop(self.make(Ask::Send(&ask), &id, heard).await?);
            }
            Deed::Apply(ask) => drop(self.make(Ask::Apply(&ask), &id, heard).await?),
        }
        Ok(())
    }

    /// Makes a call, says what it gave, and returns it, unless it failed.
    async fn make(
        &self,
        ask: Ask<'_>,
        id: &str,
        heard: &mut Heard,
    ) -> Result<Option<Value>, String> {
        let conversation = self.stand.stage.conversation(CONTACT).await.map_err(why)?;
        let scope = (id, conversation.map(|conversation| conversation.id));
        let (outcome, meter) =
            self.stand.call(ask, scope, &self.talk.secrets).await.map_err(why)?;
        let _ = match &outcome {
            Ok(given) => writeln!(heard.text, "= {given}"),
            Err((code, words)) => {
                writeln!(heard.text, "! {}: {}", show::plain(code), show::plain(words))
            }
        };
        heard.meter = Some(meter);
        Ok(outcome.ok())
    }

    /// Keeps what a node wants to be told again, if it waits.
    fn remember(&mut self, ask: NodeAsk, step: Option<&Value>) {
        let Some(step) = step else { return };
        let memory = step.pointer("/next/wait/memory").cloned();
        self.talk.waiting = memory.map(|memory| (ask.node, ask.config, memory));
    }

    /// The contact that calls are told of: the one who talks, where nothing else was said.
    async fn contact(&self) -> Result<ContactAsk, String> {
        if let Some(contact) = &self.talk.contact {
            return Ok(contact.clone());
        }
        let conversation = self.stand.stage.conversation(CONTACT).await.map_err(why)?;
        let known = conversation.map(|conversation| conversation.contact_id.to_string());
        let other = ContactAsk::default();
        Ok(ContactAsk { id: known.unwrap_or_else(|| other.id.clone()), ..other })
    }

    /// Tells what happened meanwhile: the log, requests, messages, and what it took.
    async fn tell(&mut self, heard: &mut Heard) -> Result<(), String> {
        self.stand.stage.engine().settle().await.map_err(why)?;
        let lines = self.stand.lines().await.map_err(why)?;
        for line in lines.get(self.seen.lines..).unwrap_or_default() {
            let _ = writeln!(heard.text, "# {}", said(line));
        }
        self.seen.lines = lines.len();
        for asked in self.servers.iter().flat_map(|servers| servers.take_asked()) {
            let part = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
            let _ = writeln!(heard.text, "# asked {} {}", part("method"), part("url"));
        }
        let thread = self.stand.stage.thread(CONTACT).await.map_err(why)?;
        let new: Vec<&Message> = thread.iter().filter(|one| one.seq > self.seen.seq).collect();
        self.seen.seq = thread.last().map_or(self.seen.seq, |message| message.seq);
        messages(&new, heard);
        let spend = self.stand.spent(self.seen.began).await.map_err(why)?;
        let before = std::mem::replace(&mut self.seen.spend, spend);
        if let Some(meter) = &heard.meter {
            let took = show::took(meter.cpu, meter.peak_bytes as u64);
            let _ = writeln!(heard.text, "  ({took})");
        }
        if spend.calls > before.calls {
            let cpu = Duration::from_micros(spend.cpu_micros.saturating_sub(before.cpu_micros));
            let (calls, took) = (spend.calls - before.calls, show::took(cpu, spend.peak_bytes));
            let _ = writeln!(heard.text, "  ({calls} call(s): {took})");
        }
        Ok(())
    }
}

/// What was said: what the contact said only where something else was made of it.
fn messages(new: &[&Message], heard: &mut Heard) {
    let mut is_heard = heard.words.is_none();
    for message in new {
        match message.direction {
            Direction::Outbound => {
                let _ = writeln!(heard.text, "{}", show::message(message));
            }
            Direction::Note => {
                let _ = writeln!(heard.text, "note: {}", show::content(&message.content));
            }
            Direction::Inbound => {
                is_heard = true;
                if heard.words.as_ref().is_some_and(|words| *words != message.content) {
                    let _ = writeln!(heard.text, "> {}", show::content(&message.content));
                }
            }
        }
    }
    if !is_heard {
        let _ = writeln!(heard.text, "! nobody heard it: a hook dropped it");
    }
}

/// These grants and more of what is asked for.
pub(super) fn grant(which: Which, requested: &Grants, given: &Grants) -> Result<Grants, String> {
    let capability = match which {
        Which::All => return Ok(requested.clone()),
        Which::One(capability) => capability,
    };
    if !requested.allows(capability) {
        return Err(format!("its plugin.toml does not ask for {}", capability.name()));
    }
    let mut grants = given.clone();
    grants.capabilities.insert(capability);
    match capability {
        Capability::Http => grants.hosts.clone_from(&requested.hosts),
        Capability::Secrets => grants.secrets.clone_from(&requested.secrets),
        _ => {}
    }
    Ok(grants)
}

fn revoke(which: Which, given: &Grants) -> Grants {
    let capability = match which {
        Which::All => return Grants::default(),
        Which::One(capability) => capability,
    };
    let mut grants = given.clone();
    grants.capabilities.remove(&capability);
    match capability {
        Capability::Http => grants.hosts.clear(),
        Capability::Secrets => grants.secrets.clear(),
        _ => {}
    }
    grants
}
