//! Two stores that are told the same things: the one in memory says what is right.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Deref;

use justping_core::memory::MemoryStore;
use justping_core::model::*;
use justping_core::policy::LaneQuota;
use justping_core::port::Store;
use justping_core::port::store::*;
use serde_json::json;

use super::groups::group_id;
use super::{at, business, channel, uuid};

/// How long the leases of the test hold.
const LEASE_MS: i64 = 4_000;

/// A leap in time: the test begins less than that before midnight.
const LEAP_MS: i64 = 2 * 60 * 60 * 1_000;

/// The businesses there are, and one that is not.
pub(super) const BUSINESSES: u8 = 2;

/// One step: what is done, and three choices of with what.
pub(super) type Step = (u8, u8, u8, u8);

/// How many kinds of step there are.
pub(super) const KINDS: u8 = 39;

/// Both stores, the time, and what workers hold.
pub(super) struct Pair<T> {
    pub(super) memory: MemoryStore,
    pub(super) tested: T,
    pub(super) now: i64,
    next: u128,
    turns: Vec<TurnClaim>,
    sends: Vec<SendClaim>,
    calls: Vec<CallClaim>,
    /// How often something happened that a run without it would not prove much about.
    pub(super) tally: BTreeMap<&'static str, u32>,
}

/// Runs the same method of both stores, asserts that both say the same, and returns it.
macro_rules! both {
    ($pair:expr, $method:ident($($argument:expr),*)) => {{
        let expected = $pair.memory.$method($($argument),*).await;
        let found = $pair.tested.$method($($argument),*).await;
        assert_eq!(found, expected, stringify!($method));
        expected
    }};
}

/// Reads every page of a list of both stores, two rows at a time.
macro_rules! pages {
    ($pair:expr, $method:ident($($argument:expr),*)) => {{
        let expected = every_page!($pair.memory, $method($($argument),*));
        let found = every_page!($pair.tested, $method($($argument),*));
        assert_eq!(found, expected, stringify!($method));
        expected.unwrap_or_default()
    }};
}

macro_rules! every_page {
    ($store:expr, $method:ident($($argument:expr),*)) => {{
        let mut all = Vec::new();
        let mut request = PageRequest::first(2);
        loop {
            match $store.$method($($argument,)* &request).await {
                Err(error) => break Err(error),
                Ok(page) => {
                    all.extend(page.items);
                    match page.next {
                        None => break Ok(all),
                        next => request.after = next,
                    }
                }
            }
        }
    }};
}

pub(super) use {both, every_page, pages};

fn owner(n: u8) -> Owner {
    match n % 4 {
        0 | 1 => Owner::Bot,
        2 => Owner::Queue,
        _ => Owner::Member(MemberId::from_uuid(uuid(u128::from(n % 2) + 1))),
    }
}

pub(super) fn tenant(n: u8) -> BusinessId {
    business(u128::from(n % BUSINESSES) + 1)
}

pub(super) fn channel_id(n: u8) -> ChannelId {
    ChannelId::from_uuid(uuid(u128::from(n % 4) + 100))
}

pub(super) fn agent_id(n: u8) -> AgentId {
    AgentId::from_uuid(uuid(u128::from(n % 3) + 200))
}

pub(super) fn flow_id(n: u8) -> FlowId {
    FlowId::from_uuid(uuid(u128::from(n % 3) + 300))
}

pub(super) fn identity(n: u8) -> Identity {
    let kind = if n & 4 == 0 { ChannelKind::MEMORY } else { ChannelKind::WHATSAPP };
    Identity::new(kind, ["ann", "bob", "c\u{0}\"é", "'; --"][usize::from(n & 3)])
}

pub(super) fn text(n: u8) -> String {
    let quoted = "\"quoted\" \\ '; DROP TABLE messages; --";
    let texts = ["hello", "stop", "", "naïve \u{1f600}\u{0}", "START", quoted];
    texts[usize::from(n % 6)].to_owned()
}

fn content(n: u8) -> Content {
    match n % 3 {
        0 => Content::text(text(n / 3)),
        1 => {
            Content::Location { latitude: 52.520_008_1, longitude: -0.1, name: None, address: None }
        }
        _ => Content::Unsupported {
            kind: text(n),
            raw: json!({"b": [1, 2.5e-7, null], "a": {"": true}, "big": u64::MAX}),
        },
    }
}

fn reference(n: u8) -> String {
    ["p1", "p2", "", "p\u{0}4", "P1"][usize::from(n % 5)].to_owned()
}

fn status(n: u8) -> DeliveryStatus {
    use DeliveryStatus::{Delivered, Failed, Queued, Read, Sent};
    [Sent, Delivered, Read, Failed, Queued][usize::from(n % 5)]
}

fn failure() -> Failure {
    Failure { kind: FailureKind::Rejected, code: Some("7".to_owned()), detail: "no".to_owned() }
}

fn change(n: u8) -> ConversationChange {
    match n % 5 {
        0 => ConversationChange::Close,
        1 => ConversationChange::Reopen,
        2 => ConversationChange::SetPriority { priority: Priority::High },
        _ => ConversationChange::Assign { owner: owner(n / 5) },
    }
}

pub(super) fn patch(n: u8) -> ContactPatch {
    if n.is_multiple_of(3) {
        return ContactPatch::default();
    }
    ContactPatch {
        name: (n & 1 == 0).then(|| text(n)),
        fields: BTreeMap::from([("f".to_owned(), if n & 4 == 0 { json!(n) } else { json!(null) })]),
        add_tags: [text(n)].into(),
        remove_tags: [text(n >> 2)].into(),
        opt_out: [ChannelKind::MEMORY].into(),
        join_groups: (n % 5 == 1).then(|| group_id(n >> 3)).into_iter().collect(),
        leave_groups: (n % 7 == 1).then(|| group_id(n >> 4)).into_iter().collect(),
        ..ContactPatch::default()
    }
}

impl<T> Pair<T>
where
    T: Deref,
    T::Target: Store + Sized,
{
    pub(super) async fn new(tested: T) -> Self {
        let memory = MemoryStore::new();
        let pair = Self {
            memory,
            tested,
            now: 0,
            next: 1_000_000,
            turns: Vec::new(),
            sends: Vec::new(),
            calls: Vec::new(),
            tally: BTreeMap::new(),
        };
        for n in 0..BUSINESSES {
            pair.settle_in(n).await;
        }
        pair
    }

    /// Gives a business a member, an agent with a flow, and a channel of its own that names it.
    async fn settle_in(&self, n: u8) {
        let business_id = tenant(n);
        let row = Business { id: business_id, name: text(n), created_at: at(0) };
        both!(self, create_business(&row)).unwrap();
        both!(self, create_agent(&self.agent(n, n))).unwrap();
        both!(self, create_flow(&self.flow(n, n))).unwrap();
        let channel = ChannelConfig { agent_id: Some(agent_id(n)), ..self.channel(n, n) };
        both!(self, create_channel(&channel, &ChannelSecrets::new())).unwrap();
        self.found_groups(n).await;
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(super) fn moment(&self) -> Timestamp {
        at(self.now)
    }

    pub(super) fn fresh(&mut self) -> uuid::Uuid {
        self.next += 1;
        uuid(self.next)
    }

    fn options(&self, limit: u8) -> ClaimOptions {
        ClaimOptions {
            worker: WorkerId::from_uuid(uuid(1)),
            now: self.moment(),
            lease_until: at(self.now + LEASE_MS),
            limit: u32::from(limit % 8).min(3),
        }
    }

    pub(super) fn agent(&self, owner: u8, id: u8) -> Agent {
        Agent {
            id: agent_id(id),
            business_id: tenant(owner),
            name: text(id),
            instructions: text(owner),
            model: None,
            flows: vec![flow_id(0), flow_id(1), flow_id(2)],
            settings: Default::default(),
            revision: 1,
            created_at: self.moment(),
            updated_at: self.moment(),
        }
    }

    pub(super) fn flow(&self, owner: u8, id: u8) -> Flow {
        Flow {
            id: flow_id(id),
            business_id: tenant(owner),
            name: text(id),
            draft: json!({"nodes": [0.1, id]}),
            published: None,
            revision: 1,
            created_at: self.moment(),
            updated_at: self.moment(),
        }
    }

    pub(super) fn channel(&self, owner: u8, id: u8) -> ChannelConfig {
        ChannelConfig {
            created_at: self.moment(),
            updated_at: self.moment(),
            ..channel(channel_id(id).uuid().as_u128(), u128::from(owner % 2) + 1)
        }
    }

    /// Takes one step with both stores.
    pub(super) async fn step(&mut self, (kind, a, b, c): Step) {
        match kind {
            0..=5 => self.accept(a, b, c).await,
            6..=8 => self.claim_turns(a).await,
            9..=12 => self.commit_turn(a, b, c).await,
            13 => self.release_turn(a, b, c).await,
            14 | 15 => self.post(a, b, c).await,
            16 | 17 => self.claim_outbox(a, b).await,
            18 | 19 => self.record_send(a, b, c).await,
            20 | 21 => self.record_status(a, b, c).await,
            22 | 33 => self.pass_time(a).await,
            23 => self.claim_calls(a).await,
            24 => self.finish_call(a, b).await,
            25 | 26 => self.change_conversation(a, b, c).await,
            27 => self.touch_contact(a, b, c).await,
            28 => self.touch_channel(a, b, c).await,
            29 => self.touch_agent(a, b, c).await,
            30 => self.touch_flow(a, b, c).await,
            31 => self.touch_directory(a, b, c).await,
            34 => self.touch_plugin(a, b, c).await,
            35 | 36 => self.touch_value(a, b, c).await,
            37 | 38 => self.touch_group(a, b, c).await,
            _ => self.touch_request(a, b, c).await,
        }
        self.compare_next_due().await;
    }

    async fn accept(&mut self, a: u8, b: u8, c: u8) {
        let mut batch = Vec::new();
        for k in 0..1 + (a >> 4) % 3 {
            let (a, b, c) = (a.wrapping_add(k), b.wrapping_add(k * 3), c.wrapping_add(k * 5));
            // One in eight names a channel that may be another business's, or nobody's.
            let channel = if c >> 5 == 7 { c } else { a % 2 };
            let mut from = vec![identity(b)];
            if b & 64 != 0 {
                from.push(identity(b >> 3));
            }
            batch.push(Accept {
                business_id: tenant(a),
                channel_id: channel_id(channel),
                message: InboundMessage {
                    provider_ref: if c & 1 == 0 {
                        reference(c >> 1)
                    } else {
                        self.fresh().to_string()
                    },
                    from,
                    name: (c & 2 == 0).then(|| text(c)),
                    content: content(c),
                    reply_to: (c & 4 == 0).then(|| reference(b)),
                    sent_at: None,
                },
                owner: owner(b >> 2),
                message_id: MessageId::from_uuid(self.fresh()),
                contact_id: ContactId::from_uuid(self.fresh()),
                conversation_id: ConversationId::from_uuid(self.fresh()),
                now: self.moment(),
            });
        }
        for accepted in both!(self, accept(batch.clone())).into_iter().flatten() {
            self.count(match accepted {
                Accepted::New { contact_created: true, .. } => "accepted of a new contact",
                Accepted::New { .. } => "accepted of a known contact",
                Accepted::Duplicate { .. } => "accepted before",
            });
        }
    }

    async fn claim_turns(&mut self, a: u8) {
        let after = (a & 8 != 0).then(|| tenant(a >> 4));
        let claims = both!(self, claim_turns(&self.options(a), after)).unwrap();
        self.turns.extend(claims);
    }

    async fn commit_turn(&mut self, a: u8, b: u8, c: u8) {
        let Some(claim) = pick(&self.turns, a) else { return };
        let mut batch = vec![self.commit_of(&claim, b, c)];
        if c & 128 != 0
            && let Some(second) = pick(&self.turns, a.wrapping_add(1))
        {
            batch.push(self.commit_of(&second, c, b));
        }
        for outcome in both!(self, commit_turns(batch.clone())).unwrap() {
            // One in four is tried again later, which is one time too many.
            if let Some(done) = outcome.as_ref().ok().filter(|_| c & 6 != 0) {
                self.turns.retain(|claim| claim.conversation.id != done.conversation.id);
            }
            self.count(match outcome {
                Ok(_) => "turn committed",
                Err(StoreError::Stale(_)) => "turn stale",
                Err(_) => "turn refused",
            });
        }
    }

    fn commit_of(&mut self, claim: &TurnClaim, b: u8, c: u8) -> TurnCommit {
        let conversation = &claim.conversation;
        let session = self.session_of(claim, b);
        let business_id = if b == 255 { tenant(c) } else { conversation.business_id };
        let mut commit = TurnCommit {
            business_id,
            conversation_id: conversation.id,
            fence: claim.fence + u64::from(b == 254),
            revision: conversation.revision + u64::from(b == 253),
            now: self.moment(),
            consumed: claim.entries.iter().map(|entry| entry.seq).collect(),
            sessions: Vec::new(),
            trace: Vec::new(),
            messages: Vec::new(),
            clear_timers: b & 1 != 0,
            timers: Vec::new(),
            cancel_calls: b & 2 != 0,
            calls: Vec::new(),
            contact: patch(c),
            changes: if c & 3 == 0 { vec![change(b), change(c)] } else { Vec::new() },
            events: Vec::new(),
        };
        if b & 4 != 0 {
            let number = u32::from(b % 3);
            let step = TraceStep { number, input: text(b), effects: text(c), state: text(b) };
            commit.trace.push((session.id, step));
        }
        if b & 8 != 0 {
            commit.timers.push(self.timer_of(&session, b, c));
            commit.calls.push(self.call_of(&session, c));
        }
        if b & 24 != 0 {
            commit.sessions.push(session.clone());
        }
        if c & 16 != 0 {
            commit.messages.extend([self.message_of(&session, b), self.message_of(&session, c)]);
        }
        if c & 32 != 0 {
            let body = EventBody::Custom { name: text(c), data: json!({"n": c}) };
            let conversation_id = Some(commit.conversation_id);
            let at = self.moment();
            commit.events.push(Event { business_id, conversation_id, at, body });
        }
        commit
    }

    /// The waiting session moved, a new one, or rarely one of a fixed id that may be taken.
    fn session_of(&mut self, claim: &TurnClaim, b: u8) -> Session {
        let status = [SessionStatus::Waiting, SessionStatus::Completed, SessionStatus::Failed];
        let status = status[usize::from(b >> 6) % 3];
        if let Some(session) = claim.session.clone().filter(|_| b & 32 == 0) {
            let updated_at = self.moment();
            return Session { status, steps: session.steps + 1, updated_at, ..session };
        }
        let id = if b & 48 == 48 { uuid(400) } else { self.fresh() };
        Session {
            id: SessionId::from_uuid(id),
            business_id: claim.conversation.business_id,
            conversation_id: claim.conversation.id,
            agent_id: agent_id(b),
            flow_version_id: FlowVersionId::from_uuid(uuid(500)),
            status,
            steps: 1,
            state: text(b),
            failure: (status == SessionStatus::Failed).then(|| text(b)),
            created_at: self.moment(),
            updated_at: self.moment(),
        }
    }

    fn timer_of(&mut self, session: &Session, b: u8, c: u8) -> Timer {
        let id = if c & 7 == 7 { uuid(600) } else { self.fresh() };
        Timer {
            id: TimerId::from_uuid(id),
            business_id: session.business_id,
            conversation_id: session.conversation_id,
            session_id: session.id,
            due_at: at(self.now + i64::from(b) * 50),
            token: text(c),
        }
    }

    fn call_of(&mut self, session: &Session, c: u8) -> Call {
        let id = if c & 7 == 6 { uuid(700) } else { self.fresh() };
        Call {
            id: CallId::from_uuid(id),
            business_id: session.business_id,
            conversation_id: session.conversation_id,
            session_id: session.id,
            flow_version_id: session.flow_version_id,
            request: CallRequest { node: text(c), token: text(c >> 2), input: json!({"x": 1e-3}) },
            attempts: 0,
            created_at: self.moment(),
        }
    }

    fn message_of(&mut self, session: &Session, c: u8) -> TurnMessage {
        TurnMessage {
            id: MessageId::from_uuid(self.fresh()),
            direction: match c & 15 {
                0 => Direction::Note,
                1 => Direction::Inbound,
                _ => Direction::Outbound,
            },
            author: if c & 16 == 0 { Author::Bot(session.id) } else { Author::System },
            content: content(c),
            due_at: at(self.now + i64::from(c & 3) * 700),
        }
    }

    async fn release_turn(&mut self, a: u8, b: u8, c: u8) {
        let Some(claim) = pick(&self.turns, a) else { return };
        let release = TurnRelease {
            business_id: if c == 0 { tenant(b) } else { claim.conversation.business_id },
            conversation_id: claim.conversation.id,
            fence: claim.fence.saturating_sub(u64::from(c == 1)),
            not_before: at(self.now + i64::from(b) * 20),
        };
        both!(self, release_turns(&[release])).unwrap();
    }

    async fn conversation(&self, a: u8) -> Option<Conversation> {
        let mut all = Vec::new();
        for n in 0..BUSINESSES {
            let (filter, page) = (ConversationFilter::default(), PageRequest::first(50));
            all.extend(self.memory.conversations(tenant(n), &filter, &page).await.unwrap().items);
        }
        all.sort_by_key(|row| row.id);
        pick(&all, a)
    }

    async fn post(&mut self, a: u8, b: u8, c: u8) {
        let Some(conversation) = self.conversation(a).await else { return };
        let mut batch = Vec::new();
        for k in 0..1 + (c >> 6) {
            let lanes = [Lane::Interactive, Lane::Transactional, Lane::Bulk];
            batch.push(Post {
                business_id: if b == 255 { tenant(c) } else { conversation.business_id },
                conversation_id: conversation.id,
                message_id: MessageId::from_uuid(self.fresh()),
                direction: match b.wrapping_add(k) & 15 {
                    0 | 1 => Direction::Note,
                    2 => Direction::Inbound,
                    _ => Direction::Outbound,
                },
                author: Author::Member(MemberId::from_uuid(uuid(1))),
                content: content(c),
                lane: lanes[usize::from(b) % 3],
                reply_to: (b & 16 == 0).then(|| reference(c)),
                provider_ref: (b & 32 == 0).then(|| reference(c)),
                once: None,
                owner: (c & 8 == 0).then(|| owner(c)),
                now: self.moment(),
            });
        }
        for outcome in both!(self, post(batch.clone())).unwrap() {
            self.count(if outcome.is_ok() { "posted" } else { "post refused" });
        }
    }

    /// Mostly everything; sometimes bounds, of which some are reached already.
    fn quota(&self, a: u8, b: u8) -> SendQuota {
        if a & 16 == 0 {
            return SendQuota::default();
        }
        let held = Held {
            lane: Lane::ALL[usize::from(b % 3)],
            business: tenant(a >> 5),
            channel: channel_id(a >> 5),
            count: u32::from(b >> 7),
        };
        SendQuota {
            lanes: LaneQuota { reserved: [0, 1, 1], room: [3, 3, 2] },
            per_business: 2,
            per_channel: 1 + u32::from(b >> 6 & 1),
            held: vec![held],
            after: [Some(tenant(b)), None, Some(tenant(a >> 5))],
        }
    }

    async fn claim_outbox(&mut self, a: u8, b: u8) {
        let unknown_until = at(self.now + i64::from(b) * 30);
        let quota = self.quota(a, b);
        let claims = both!(self, claim_outbox(&self.options(a), &quota, unknown_until)).unwrap();
        for claim in &claims {
            self.count(match claim.row.state {
                OutboxState::Unknown => "claimed with an unknown outcome",
                _ => "claimed to be sent",
            });
        }
        self.sends.extend(claims);
    }

    async fn record_send(&mut self, a: u8, b: u8, c: u8) {
        let mut batch = Vec::new();
        for k in 0..1 + (c >> 7) {
            let Some(claim) = pick(&self.sends, a.wrapping_add(k * (c & 1))) else { return };
            let due_at = at(self.now + i64::from(c) * 40);
            batch.push(SendRecord {
                business_id: if b == 255 { tenant(c) } else { claim.row.business_id },
                conversation_id: claim.row.conversation_id,
                seq: claim.row.seq,
                fence: claim.fence + u64::from(b == 254),
                now: self.moment(),
                outcome: match b.wrapping_add(k) % 8 {
                    0 => SendOutcome::Retry { due_at },
                    1 => SendOutcome::Defer { due_at },
                    2 => SendOutcome::Unknown { due_at },
                    3 => SendOutcome::Failed(failure()),
                    4 => SendOutcome::Sent { provider_ref: None, changed: None },
                    _ => SendOutcome::Sent {
                        provider_ref: Some(reference(c)),
                        changed: (c & 2 == 0).then(|| Box::new(content(b))),
                    },
                },
            });
        }
        for message in both!(self, record_sends(batch.clone())).unwrap() {
            self.count(if message.status == DeliveryStatus::Sent {
                "sent"
            } else {
                "sent and more, or failed"
            });
        }
    }

    async fn record_status(&mut self, a: u8, b: u8, c: u8) {
        let mut batch = Vec::new();
        for k in 0..1 + (c >> 6) % 3 {
            let (b, c) = (b.wrapping_add(k * 7), c.wrapping_add(k));
            let claim = pick(&self.sends, a.wrapping_add(k));
            let (business_id, channel) = match claim.as_ref().filter(|_| c & 16 == 0) {
                Some(claim) => (claim.row.business_id, claim.row.channel_id),
                None => (tenant(b), channel_id(b % 2)),
            };
            batch.push(StatusRecord {
                business_id,
                channel_id: if b == 255 { channel_id(c) } else { channel },
                update: StatusUpdate {
                    provider_ref: reference(c),
                    key: claim.filter(|_| b & 3 != 0).map(|claim| claim.row.idempotency_key()),
                    status: status(b >> 2),
                    at: (b & 64 == 0).then(|| at(self.now - 1)),
                    failure: (status(b >> 2) == DeliveryStatus::Failed).then(failure),
                },
                now: self.moment(),
            });
        }
        for outcome in both!(self, record_statuses(batch.clone())).into_iter().flatten() {
            self.count(match outcome {
                StatusOutcome::Applied { .. } => "status applied",
                StatusOutcome::Unchanged => "status unchanged",
                StatusOutcome::Parked => "status parked",
            });
        }
    }

    async fn pass_time(&mut self, a: u8) {
        self.now += if a % 16 == 15 { LEAP_MS } else { i64::from(a) * 100 };
        if both!(self, fire_due(self.moment(), u32::from(a % 5))).unwrap() > 0 {
            self.count("timer fired");
        }
    }

    async fn claim_calls(&mut self, a: u8) {
        let claims = both!(self, claim_calls(&self.options(a))).unwrap();
        self.calls.extend(claims);
    }

    async fn finish_call(&mut self, a: u8, b: u8) {
        let Some(claim) = pick(&self.calls, a) else { return };
        let result = if b & 1 == 0 {
            CallResult::Ok(json!({"answer": 0.3}))
        } else {
            CallResult::Error { code: "timeout".to_owned(), detail: text(b) }
        };
        let finish = CallFinish {
            business_id: if b == 255 { tenant(a) } else { claim.call.business_id },
            call_id: claim.call.id,
            fence: claim.fence.saturating_sub(u64::from(b & 6 == 6)),
            result,
        };
        if both!(self, finish_calls(vec![finish.clone(), finish.clone()])).unwrap() > 0 {
            self.count("call finished");
        }
    }

    async fn change_conversation(&mut self, a: u8, b: u8, c: u8) {
        let Some(row) = self.conversation(a).await else { return };
        let business = if c == 255 { tenant(b) } else { row.business_id };
        let _ = both!(self, change_conversation(business, row.id, &change(b), self.moment()));
    }

    /// Both know the same next moment.
    async fn compare_next_due(&self) {
        let now = self.moment();
        both!(self, next_due(now)).unwrap();
        both!(self, queue_stats(now)).unwrap();
    }

    /// Reads everything from both.
    pub(super) async fn compare(&self) {
        pages!(self, businesses());
        for n in 0..BUSINESSES {
            let business = tenant(n);
            pages!(self, members(business));
            pages!(self, api_keys(business));
            pages!(self, channels(business));
            pages!(self, agents(business));
            pages!(self, events(business));
            self.compare_counters(business).await;
            for flow in pages!(self, flows(business)) {
                for version in pages!(self, flow_versions(business, flow.id)) {
                    both!(self, flow_version(business, version.id)).unwrap();
                }
            }
            for contact in pages!(self, contacts(business)) {
                for identity in &contact.identities {
                    both!(self, contact_by_identity(business, identity)).unwrap();
                }
            }
            self.compare_groups(business, n).await;
            self.compare_conversations(business, n).await;
        }
        let queries = ["hello", "naive", "drop messages tab", "bob"];
        self.compare_searches(queries.into_iter()).await;
    }

    async fn compare_counters(&self, business: BusinessId) {
        let (from, to) = (day_of(at(0)), day_of(self.moment()));
        for channel_id in [None].into_iter().chain((0..4).map(|n| Some(channel_id(n)))) {
            both!(self, counters(business, &CounterFilter { from, to, channel_id })).unwrap();
        }
    }

    async fn compare_conversations(&self, business: BusinessId, n: u8) {
        let everything = ConversationFilter::default();
        for row in pages!(self, conversations(business, &everything)) {
            both!(self, conversation_of(business, row.channel_id, row.contact_id)).unwrap();
            both!(self, conversation_of(tenant(n + 1), row.channel_id, row.contact_id))
                .unwrap_err();
            pages!(self, messages(business, row.id, MessageOrder::OldestFirst));
            pages!(self, messages(business, row.id, MessageOrder::NewestFirst));
            pages!(self, messages(tenant(n + 1), row.id, MessageOrder::NewestFirst));
            for session in pages!(self, sessions(business, row.id)) {
                both!(self, session(business, session.id)).unwrap();
                pages!(self, trace(business, session.id));
                pages!(self, trace(tenant(n + 1), session.id));
            }
            let filter = ConversationFilter {
                status: Some(row.status),
                owner: Some(row.owner),
                channel_id: Some(row.channel_id),
                contact_id: Some(row.contact_id).filter(|_| row.last_seq.is_multiple_of(2)),
            };
            pages!(self, conversations(business, &filter));
        }
    }
}

/// A row of what workers hold: mostly the newest, sometimes one whose time is long past.
pub(super) fn pick<T: Clone + Debug>(rows: &[T], n: u8) -> Option<T> {
    let back = if n < 160 { n % 2 } else { n };
    let index = usize::from(back).checked_rem(rows.len())?;
    rows.iter().rev().nth(index).cloned()
}
