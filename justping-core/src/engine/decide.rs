//! One conversation's mail becomes everything a turn changes. Pure: no store, no clock, no I/O.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Map;

use super::fate::{Fate, destiny};
use super::program::Compiled;
use super::publish::running;
use crate::model::{
    Agent, AgentId, AgentSettings, Author, Call, CallId, ChannelKind, ContactId, ContactPatch,
    Content, ConversationChange, ConversationStatus, Direction, Event, EventBody, FlowVersionId,
    MailboxEvent, MessageId, Owner, Publication, Session, SessionId, SessionStatus, StrandedPolicy,
    Timer, TimerId, Timestamp, TraceStep, Typist,
};
use crate::policy::{self, ConsentWord, ResumeLinks};
use crate::port::store::{TurnClaim, TurnCommit, TurnMessage};
use crate::port::{
    AgentView, Capabilities, ContactView, Effect, IdSource, Moved, Outcome, StepEvent, StepInput,
};

/// What a decision may use besides the claim.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    pub(crate) now: Timestamp,
    pub(crate) ids: &'a IdSource,
    pub(crate) capabilities: &'a Capabilities,
    /// Every program the claim can need: those of `versions`, of the waiting session and of
    /// `publication`.
    pub(crate) programs: &'a HashMap<FlowVersionId, Compiled>,
    /// The newest decision about the flow of a waiting session that is on another version.
    pub(crate) publication: Option<&'a Publication>,
    /// What makes links to sessions, if this platform has them.
    pub(crate) links: Option<&'a ResumeLinks>,
}

/// Decides a turn.
pub(crate) fn decide(claim: &TurnClaim, env: &Env<'_>) -> TurnCommit {
    let mut turn = Turn::new(claim, env);
    for entry in &claim.entries {
        turn.commit.consumed.push(entry.seq);
        turn.handle(&entry.event);
    }
    turn.commit
}

/// The turn of a conversation whose flow cannot run: its session fails, people take over, and the
/// mail is dealt with, so that it does not come back for ever.
pub(crate) fn give_up(claim: &TurnClaim, now: Timestamp, reason: &str) -> TurnCommit {
    let conversation = &claim.conversation;
    let mut commit = empty(claim, now);
    commit.consumed.extend(claim.entries.iter().map(|entry| entry.seq));
    if let Some(mut session) = claim.session.clone() {
        session.status = SessionStatus::Failed;
        session.failure = Some(reason.to_owned());
        session.updated_at = now;
        commit.events.push(Event {
            business_id: conversation.business_id,
            conversation_id: Some(conversation.id),
            at: now,
            body: EventBody::SessionStatus {
                session_id: session.id,
                status: SessionStatus::Failed,
            },
        });
        commit.sessions.push(session);
        (commit.clear_timers, commit.cancel_calls) = (true, true);
    }
    if conversation.owner == Owner::Bot {
        commit.changes.push(ConversationChange::Assign { owner: Owner::Queue });
    }
    commit
}

/// A commit that changes nothing yet.
fn empty(claim: &TurnClaim, now: Timestamp) -> TurnCommit {
    let conversation = &claim.conversation;
    TurnCommit {
        business_id: conversation.business_id,
        conversation_id: conversation.id,
        fence: claim.fence,
        revision: conversation.revision,
        now,
        consumed: Vec::with_capacity(claim.entries.len()),
        sessions: Vec::new(),
        trace: Vec::new(),
        messages: Vec::new(),
        clear_timers: false,
        timers: Vec::new(),
        cancel_calls: false,
        calls: Vec::new(),
        contact: ContactPatch::default(),
        changes: Vec::new(),
        events: Vec::new(),
    }
}

/// A turn under way.
struct Turn<'a> {
    claim: &'a TurnClaim,
    env: &'a Env<'a>,
    commit: TurnCommit,
    owner: Owner,
    /// Closed by an earlier turn or by this one; a message opens it again.
    closed: bool,
    session: Option<Session>,
    contact_view: Arc<ContactView>,
    agent_view: Arc<AgentView>,
}

impl<'a> Turn<'a> {
    fn new(claim: &'a TurnClaim, env: &'a Env<'a>) -> Self {
        let conversation = &claim.conversation;
        let kind = &env.capabilities.kind;
        Self {
            claim,
            env,
            commit: empty(claim, env.now),
            owner: conversation.owner,
            closed: conversation.status == ConversationStatus::Closed,
            session: claim.session.clone(),
            contact_view: Arc::new(contact_view(claim, kind)),
            agent_view: Arc::new(agent_view(claim.agent.as_ref(), claim.contact.id)),
        }
    }

    fn handle(&mut self, event: &MailboxEvent) {
        match event {
            // Two programs that answer each other would never stop.
            MailboxEvent::Message { content, .. } if content.is_automatic() => {}
            MailboxEvent::Message { content, .. } => {
                if self.closed {
                    self.reopen();
                }
                // Once people own it, messages are theirs.
                if self.owner == Owner::Bot {
                    self.message(content);
                }
            }
            MailboxEvent::Timer { session_id, token, .. } => {
                self.resume(*session_id, StepEvent::Timer { token: token.clone() });
            }
            MailboxEvent::CallDone { session_id, token, result, .. } => {
                let (token, result) = (token.clone(), result.clone());
                self.resume(*session_id, StepEvent::CallDone { token, result });
            }
            MailboxEvent::Outside { session_id, signal, data } => {
                let (signal, data) = (signal.clone(), data.clone());
                self.resume(*session_id, StepEvent::Outside { signal, data });
            }
        }
    }

    /// A message that came while the conversation was being closed is not lost with it.
    fn reopen(&mut self) {
        self.closed = false;
        self.owner = if self.claim.agent.is_some() { Owner::Bot } else { Owner::Queue };
        self.commit.changes.push(ConversationChange::Assign { owner: self.owner });
    }

    fn message(&mut self, content: &Content) {
        if policy::consent_of(content) == Some(ConsentWord::OptOut) {
            return self.opt_out();
        }
        let event = StepEvent::Message { content: content.clone() };
        match self.session.take() {
            Some(session) => self.follow(session, event),
            None => self.start(event),
        }
    }

    /// The contact wants silence, which the store knows since it accepted the message: a word that
    /// the contact took back meanwhile must not be written again.
    fn opt_out(&mut self) {
        if let Some(session) = self.session.take() {
            self.end(session, SessionStatus::Cancelled, None);
        }
        self.note("The contact opted out.".to_owned(), Author::System);
    }

    /// Starts the first flow whose trigger matches; without one, people take over.
    fn start(&mut self, event: StepEvent) {
        let starts = |version: &&FlowVersionId| match self.env.programs.get(*version) {
            Some(Ok(program)) => program.starts_on(&event),
            _ => false,
        };
        let Some(version) = self.claim.versions.iter().find(starts) else {
            return self.hand_off(None, Author::System);
        };
        let Some(agent) = &self.claim.agent else {
            return self.hand_off(None, Author::System);
        };
        self.begin(agent.id, *version, event);
    }

    fn begin(&mut self, agent: AgentId, version: FlowVersionId, event: StepEvent) {
        let session = Session {
            id: SessionId::from_uuid(self.env.ids.uuid()),
            business_id: self.commit.business_id,
            conversation_id: self.commit.conversation_id,
            agent_id: agent,
            flow_version_id: version,
            status: SessionStatus::Waiting,
            steps: 0,
            state: String::new(),
            failure: None,
            created_at: self.env.now,
            updated_at: self.env.now,
        };
        self.step(session, event, None);
    }

    /// Feeds an event to a session, which first goes where a newer version of its flow sends it.
    fn follow(&mut self, mut session: Session, event: StepEvent) {
        let Some((version, fate, moved)) = self.fate(&session) else {
            return self.step(session, event, None);
        };
        let fate = match fate {
            Fate::Stranded { then: StrandedPolicy::Restart, .. } => Fate::Restarts,
            Fate::Stranded { then: StrandedPolicy::End, .. } => Fate::Ends,
            other => other,
        };
        match fate {
            Fate::Stays | Fate::Finishes | Fate::Stranded { .. } => self.step(session, event, None),
            Fate::Migrates { .. } => {
                session.flow_version_id = version;
                self.step(session, event, Some(moved));
            }
            Fate::Restarts => {
                let agent = session.agent_id;
                self.end(session, SessionStatus::Cancelled, None);
                self.begin(agent, version, event);
            }
            Fate::Ends => {
                self.end(session, SessionStatus::Cancelled, None);
                if matches!(event, StepEvent::Message { .. }) {
                    self.start(event);
                }
            }
        }
    }

    /// What a newer version means to a session, and how it gets there. Nothing when there is none,
    /// or when that one does not run in this program.
    fn fate(&self, session: &Session) -> Option<(FlowVersionId, Fate, Moved)> {
        let (from, publication) = (session.flow_version_id, self.env.publication?);
        let to = publication.version_id;
        if from == to || session.id != self.claim.session.as_ref()?.id {
            return None;
        }
        let new = running(self.env.programs.get(&to))?;
        let old = running(self.env.programs.get(&from));
        let position = old.map(|old| old.position(&session.state)).unwrap_or_default();
        let destiny = destiny(&publication.policy, old, new, &position);
        let again = matches!(destiny.fate, Fate::Migrates { again: true, .. });
        Some((to, destiny.fate, Moved { from, to, nodes: destiny.nodes, again }))
    }

    /// Feeds an event that is meant for one session; any other has moved on without it. While
    /// people own the conversation the session cannot take what it waited for: it ends, rather than
    /// wait for ever once the bot is back.
    fn resume(&mut self, id: SessionId, event: StepEvent) {
        let Some(session) = self.session.take_if(|session| session.id == id) else { return };
        if self.owner == Owner::Bot && !self.closed {
            self.follow(session, event);
        } else {
            self.end(session, SessionStatus::Cancelled, None);
        }
    }

    /// Takes a step. What the session did not hear any more is heard by whatever comes next.
    fn step(&mut self, session: Session, event: StepEvent, moved: Option<Moved>) {
        for content in self.take_step(session, event, moved) {
            if self.owner == Owner::Bot && !self.closed {
                self.message(&content);
            }
        }
    }

    /// Takes a step; returns the messages that the session did not hear any more.
    fn take_step(
        &mut self,
        mut session: Session,
        event: StepEvent,
        moved: Option<Moved>,
    ) -> Vec<Content> {
        let program = match self.env.programs.get(&session.flow_version_id) {
            Some(Ok(program)) => program,
            Some(Err(reason)) => {
                self.fail(session, reason.clone());
                return Vec::new();
            }
            None => {
                self.fail(session, "the flow version was not loaded".to_owned());
                return Vec::new();
            }
        };
        session.steps += 1;
        let links = self.env.links.filter(|_| program.needs_link());
        let input = StepInput {
            event,
            now: self.env.now,
            seed: seed(session.id, session.steps),
            contact: Arc::clone(&self.contact_view),
            agent: Arc::clone(&self.agent_view),
            link: links.map(|links| Arc::new(links.of(session.business_id, session.id))),
            moved,
        };
        let state = (session.steps > 1).then_some(session.state.as_str());
        let outcome = program.step(state, &input);
        self.commit.trace.push((session.id, trace(session.steps, &input, &outcome)));
        session.state = outcome.state;
        session.updated_at = self.env.now;
        for effect in outcome.effects {
            self.effect(&session, effect);
        }
        match outcome.status {
            SessionStatus::Waiting if self.owner == Owner::Bot => {
                self.session = Some(session.clone());
                self.save(session);
            }
            SessionStatus::Waiting => self.end(session, SessionStatus::Cancelled, None),
            SessionStatus::Failed => {
                let reason = outcome.failure.unwrap_or_else(|| "the flow failed".to_owned());
                self.fail(session, reason);
            }
            ended => self.end(session, ended, None),
        }
        outcome.unheard
    }

    /// A flow that failed leaves the contact to people.
    fn fail(&mut self, session: Session, reason: String) {
        tracing::warn!(session = %session.id, reason, "a session failed");
        self.end(session, SessionStatus::Failed, Some(reason));
        if self.owner == Owner::Bot {
            self.hand_off(None, Author::System);
        }
    }

    fn end(&mut self, mut session: Session, status: SessionStatus, failure: Option<String>) {
        session.status = status;
        session.failure = failure;
        session.updated_at = self.env.now;
        self.clear_timers();
        self.cancel_calls();
        self.tell(EventBody::SessionStatus { session_id: session.id, status });
        self.save(session);
    }

    /// Keeps only the newest form of each session, in the order in which they started.
    fn save(&mut self, session: Session) {
        match self.commit.sessions.iter_mut().find(|known| known.id == session.id) {
            Some(known) => *known = session,
            None => self.commit.sessions.push(session),
        }
    }

    fn effect(&mut self, session: &Session, effect: Effect) {
        match effect {
            Effect::Send { content } => self.send(content, &Author::Bot(session.id)),
            Effect::SetTimer { token, due_at } => {
                self.clear_timers();
                self.commit.timers.push(Timer {
                    id: TimerId::from_uuid(self.env.ids.uuid()),
                    business_id: session.business_id,
                    conversation_id: session.conversation_id,
                    session_id: session.id,
                    due_at,
                    token,
                });
            }
            Effect::ClearTimers => self.clear_timers(),
            Effect::Call { request } => self.commit.calls.push(Call {
                id: CallId::from_uuid(self.env.ids.uuid()),
                business_id: session.business_id,
                conversation_id: session.conversation_id,
                session_id: session.id,
                flow_version_id: session.flow_version_id,
                request,
                attempts: 0,
                created_at: self.env.now,
            }),
            Effect::CancelCalls => self.cancel_calls(),
            Effect::UpdateContact { patch } => self.patch(patch),
            Effect::Typing { until } => {
                self.tell(EventBody::TypingStarted { typist: Typist::Bot, until });
            }
            Effect::HandOff { note } => self.hand_off(note, Author::Bot(session.id)),
            Effect::CloseConversation => {
                self.owner = Owner::Queue;
                self.closed = true;
                self.commit.changes.push(ConversationChange::Close);
            }
            Effect::Emit { name, data } => self.tell(EventBody::Custom { name, data }),
        }
    }

    fn send(&mut self, content: Content, author: &Author) {
        for content in policy::fit_in_pages(content, self.env.capabilities) {
            self.write(Direction::Outbound, author.clone(), content);
        }
    }

    fn note(&mut self, text: String, author: Author) {
        self.write(Direction::Note, author, Content::System { text });
    }

    fn write(&mut self, direction: Direction, author: Author, content: Content) {
        let id = MessageId::from_uuid(self.env.ids.uuid());
        let due_at = self.env.now;
        self.commit.messages.push(TurnMessage { id, direction, author, content, due_at });
    }

    fn hand_off(&mut self, note: Option<String>, author: Author) {
        self.owner = Owner::Queue;
        self.commit.changes.push(ConversationChange::Assign { owner: Owner::Queue });
        if let Some(note) = note {
            self.note(note, author);
        }
    }

    fn patch(&mut self, patch: ContactPatch) {
        Arc::make_mut(&mut self.contact_view).apply(&patch);
        self.commit.contact.merge(patch);
    }

    fn clear_timers(&mut self) {
        self.commit.clear_timers = true;
        self.commit.timers.clear();
    }

    fn cancel_calls(&mut self) {
        self.commit.cancel_calls = true;
        self.commit.calls.clear();
    }

    fn tell(&mut self, body: EventBody) {
        self.commit.events.push(Event {
            business_id: self.commit.business_id,
            conversation_id: Some(self.commit.conversation_id),
            at: self.env.now,
            body,
        });
    }
}

/// The step's randomness: the same for the same step of the same session, for ever.
fn seed(session: SessionId, number: u32) -> u64 {
    let (high, low) = session.uuid().as_u64_pair();
    policy::mix(high ^ policy::mix(low ^ u64::from(number)))
}

fn trace(number: u32, input: &StepInput, outcome: &Outcome) -> TraceStep {
    // These types hold nothing that JSON cannot: the empty text would only show in a replay.
    let json = |result: serde_json::Result<String>| result.unwrap_or_default();
    TraceStep {
        number,
        input: json(serde_json::to_string(input)),
        effects: json(serde_json::to_string(&outcome.effects)),
        state: outcome.state.clone(),
    }
}

fn contact_view(claim: &TurnClaim, kind: &ChannelKind) -> ContactView {
    let contact = &claim.contact;
    ContactView {
        id: contact.id,
        name: contact.name.clone(),
        address: contact.address(kind).map(str::to_owned),
        channel: Some(kind.clone()),
        fields: contact.fields.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>(),
        tags: contact.tags.iter().cloned().collect(),
        groups: claim.groups.clone(),
        locale: contact.locale.clone(),
        time_zone: contact.time_zone.clone(),
    }
}

fn agent_view(agent: Option<&Agent>, contact: ContactId) -> AgentView {
    agent.map_or_else(AgentView::default, |agent| {
        let (prompt, instructions) = agent.instructions_for(contact);
        AgentView {
            id: Some(agent.id),
            name: agent.name.clone(),
            instructions: instructions.to_owned(),
            prompt: prompt.map(str::to_owned),
            model: agent.model.clone(),
            settings: AgentSettings { prompts: Vec::new(), ..agent.settings.clone() },
        }
    })
}
