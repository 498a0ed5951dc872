//! The contact of a scenario, and the stage it is on.

use std::sync::Arc;

use jiff::SignedDuration;
use justping_core::model::{
    ChannelKind, Choice, Contact, ContactId, ContactPatch, Content, Direction, FlowVersionId,
    GROUPS_MAX, Group, Identity, Message, Owner, PAGE_MAX, PageRequest, Session, SessionId,
    TraceStep,
};
use justping_core::port::{Program, StepInput, Visit};
use justping_core::stage::{Stage, StageError};
use serde_json::{Value, json};

use super::expect::Found;
use super::report::{SentMail, WalkedSession};
use super::{GivenContact, Step};
use crate::Flows;
use crate::fetch::ScriptedFetcher;

/// What the one contact of a scenario is called on the channel.
const ADDRESS: &str = "tester";

/// The contact on its stage.
pub(super) struct Actor {
    stage: Stage,
    servers: Arc<ScriptedFetcher>,
    before: Mark,
}

/// How far things were before the last deed.
#[derive(Default)]
struct Mark {
    seq: u64,
    session: Option<(SessionId, u32)>,
    requests: usize,
    mails: usize,
}

impl Actor {
    /// Steps on the stage as who it is given to be. The groups that the flows on it name are there, as
    /// they will be where the flows run.
    pub(super) async fn enter(
        stage: Stage,
        servers: Arc<ScriptedFetcher>,
        flows: &Flows,
        given: &GivenContact,
    ) -> Result<Self, StageError> {
        let (engine, business) = (stage.engine(), stage.business());
        let now = engine.clock().now();
        let mut contact = Contact::new(ContactId::from_uuid(engine.ids().uuid()), business, now);
        contact.identities.push(Identity::new(ChannelKind::MEMORY, ADDRESS));
        let patch = ContactPatch {
            name: given.name.clone(),
            fields: given.fields.clone(),
            add_tags: given.tags.iter().cloned().collect(),
            locale: given.locale.clone(),
            time_zone: given.time_zone.clone(),
            ..ContactPatch::default()
        };
        contact.apply(&patch, now);
        engine.store().create_contact(&contact).await?;
        found_groups(&stage, flows, given).await?;
        let joined = ContactPatch { join_groups: given.groups.clone(), ..ContactPatch::default() };
        engine.store().patch_contact(business, contact.id, &joined, now).await?;
        Ok(Self { stage, servers, before: Mark::default() })
    }

    /// Does what a step says; tells why when it cannot be done.
    pub(super) async fn act(&mut self, step: &Step) -> Result<Option<String>, StageError> {
        self.mark().await?;
        let content = match step {
            Step::Expect(_) => return Ok(None),
            Step::After(pause) => {
                self.wait(pause.0).await?;
                return Ok(None);
            }
            Step::Say(text) => Content::text(text),
            Step::Send(content) => content.clone(),
            Step::Choose(id) => Content::Reply { option: id.clone(), title: id.clone() },
            Step::Press(name) => match self.offered(name).await? {
                Some(Choice { id, title, .. }) => Content::Reply { option: id, title },
                None => return Ok(Some(format!("nothing offers the option {name}"))),
            },
        };
        self.stage.hear(ADDRESS, content).await?;
        Ok(None)
    }

    async fn wait(&self, span: SignedDuration) -> Result<(), StageError> {
        self.stage.advance(span).await.map(drop)
    }

    /// The newest option that is called so: by its title, or by the id its node gave it.
    async fn offered(&self, name: &str) -> Result<Option<Choice>, StageError> {
        let thread = self.thread().await?;
        let said = thread.iter().rev().filter(|message| message.direction == Direction::Outbound);
        let mut offered = said.flat_map(|message| options(&message.content));
        let is_called = |choice: &&Choice| {
            let own = choice.id.rsplit('.').next();
            [Some(choice.title.as_str()), Some(choice.id.as_str()), own].contains(&Some(name))
        };
        Ok(offered.find(is_called).cloned())
    }

    async fn mark(&mut self) -> Result<(), StageError> {
        let conversation = self.stage.conversation(ADDRESS).await?;
        let session = self.newest().await?.map(|session| (session.id, session.steps));
        let (seq, requests) =
            (conversation.map_or(0, |c| c.last_seq), self.servers.requests().len());
        let mails = self.mails().len();
        self.before = Mark { seq, session, requests, mails };
        Ok(())
    }

    /// The whole thread, oldest first.
    pub(super) async fn thread(&self) -> Result<Vec<Message>, StageError> {
        self.stage.thread(ADDRESS).await
    }

    /// The mails that left, oldest first.
    pub(super) fn mails(&self) -> Vec<SentMail> {
        let mailbox = self.stage.mail().channel(self.stage.mailbox());
        mailbox.sent().iter().filter_map(SentMail::of).collect()
    }

    async fn sessions(&self) -> Result<Vec<Session>, StageError> {
        let Some(conversation) = self.stage.conversation(ADDRESS).await? else {
            return Ok(Vec::new());
        };
        let (store, business) = (self.stage.engine().store(), self.stage.business());
        let mut page = PageRequest::first(PAGE_MAX);
        let mut sessions = Vec::new();
        loop {
            let read = store.sessions(business, conversation.id, &page).await?;
            sessions.extend(read.items);
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(sessions),
            }
        }
    }

    async fn newest(&self) -> Result<Option<Session>, StageError> {
        Ok(self.sessions().await?.pop())
    }

    /// What came of the last deed.
    pub(super) async fn found(&self) -> Result<Found, StageError> {
        let thread = self.thread().await?;
        let new = thread.iter().filter(|message| message.seq > self.before.seq);
        let said: Vec<&Message> = new.filter(|m| m.direction == Direction::Outbound).collect();
        let offers = said.iter().rev().map(|message| options(&message.content).collect::<Vec<_>>());
        let offered = offers.into_iter().find(|options| !options.is_empty()).unwrap_or_default();
        let mut found = Found {
            says: said.iter().map(|message| message.content.plain().to_owned()).collect(),
            options: offered.into_iter().map(|option| option.title.clone()).collect(),
            status: "none".to_owned(),
            ..Found::default()
        };
        let requests = self.servers.requests();
        let requests = requests.iter().skip(self.before.requests);
        found.requests = requests.map(|request| json!(request)).collect();
        found.mails = self.mails().iter().skip(self.before.mails).map(|mail| json!(mail)).collect();
        self.look_at_contact(&mut found).await?;
        if let Some(session) = self.newest().await? {
            self.look_at_session(session, &mut found).await?;
        }
        Ok(found)
    }

    async fn look_at_contact(&self, found: &mut Found) -> Result<(), StageError> {
        let (store, business) = (self.stage.engine().store(), self.stage.business());
        let identity = Identity::new(ChannelKind::MEMORY, ADDRESS);
        let contact = store.contact_by_identity(business, &identity).await?;
        found.fields = json!(contact.fields);
        found.tags = contact.tags.into_iter().collect();
        let groups = store.groups_of(business, &[contact.id]).await?.into_values().flatten();
        found.groups = groups.map(|group| group.to_string()).collect();
        found.owner = match self.stage.conversation(ADDRESS).await?.map(|one| one.owner) {
            None | Some(Owner::Bot) => "bot".to_owned(),
            Some(Owner::Queue) => "queue".to_owned(),
            Some(Owner::Member(_)) => "member".to_owned(),
        };
        Ok(())
    }

    async fn look_at_session(&self, session: Session, found: &mut Found) -> Result<(), StageError> {
        let seen = match self.before.session {
            Some((id, steps)) if id == session.id => steps,
            _ => 0,
        };
        found.status = session.status.as_str().to_owned();
        let state: Value = serde_json::from_str(&session.state).unwrap_or_default();
        found.variables = state.get("v").cloned().unwrap_or_default();
        let program = self.program(session.flow_version_id).await?;
        found.node = program.and_then(|program| program.position(&session.state).pop());
        let (trace, ways) = self.walked(session.id, session.flow_version_id).await?;
        for (step, way) in trace.iter().zip(ways).filter(|(step, _)| step.number > seen) {
            let effects: Vec<Value> = serde_json::from_str(&step.effects).unwrap_or_default();
            found.effects.extend(effects);
            found.way.extend(way.into_iter().map(|visit| (visit.node, visit.exit)));
        }
        Ok(())
    }

    async fn program(
        &self,
        version: FlowVersionId,
    ) -> Result<Option<Arc<dyn Program>>, StageError> {
        Ok(self.stage.engine().program(self.stage.business(), version).await?)
    }

    /// The steps of a session, and the nodes that each visited.
    async fn walked(
        &self,
        id: SessionId,
        version: FlowVersionId,
    ) -> Result<(Vec<TraceStep>, Vec<Vec<Visit>>), StageError> {
        let record = self.stage.engine().session_record(self.stage.business(), id).await?;
        let Some(program) = self.program(version).await? else { return Ok(Default::default()) };
        let mut state: Option<&str> = None;
        let mut ways = Vec::with_capacity(record.steps.len());
        for step in &record.steps {
            let input = serde_json::from_str::<StepInput>(&step.input).ok();
            ways.push(input.map(|input| program.path(state, &input)).unwrap_or_default());
            state = Some(&step.state);
        }
        Ok((record.steps, ways))
    }

    /// All walks through flows, oldest first.
    pub(super) async fn walks(&self) -> Result<Vec<WalkedSession>, StageError> {
        let mut walks = Vec::new();
        for session in self.sessions().await? {
            let (trace, ways) = self.walked(session.id, session.flow_version_id).await?;
            let Session { status, failure, .. } = session;
            walks.push(WalkedSession { status, failure, trace, ways });
        }
        Ok(walks)
    }
}

/// What a message offers: its buttons or rows.
pub fn options(content: &Content) -> impl Iterator<Item = &Choice> {
    let (buttons, rows) = match content {
        Content::Buttons { options, .. } => (options.as_slice(), [].as_slice()),
        Content::List { sections, .. } => ([].as_slice(), sections.as_slice()),
        _ => ([].as_slice(), [].as_slice()),
    };
    buttons.iter().chain(rows.iter().flat_map(|section| &section.options))
}

/// Makes the groups that the contact is in and that the flows on the stage name.
async fn found_groups(
    stage: &Stage,
    flows: &Flows,
    given: &GivenContact,
) -> Result<(), StageError> {
    let (engine, business) = (stage.engine(), stage.business());
    let (store, now) = (engine.store(), engine.clock().now());
    let mut named = given.groups.clone();
    for flow in store.flows(business, &PageRequest::first(PAGE_MAX)).await?.items {
        if let Some(version) = flow.published {
            named.extend(flows.groups(&store.flow_version(business, version).await?.document));
        }
    }
    for id in named.into_iter().take(GROUPS_MAX) {
        let (name, revision) = (id.to_string(), 1);
        let group =
            Group { id, business_id: business, name, revision, created_at: now, updated_at: now };
        store.create_group(&group).await?;
    }
    Ok(())
}
