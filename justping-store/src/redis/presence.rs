use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::{BusinessId, ConversationId, MemberId, Typist};
use justping_core::port::{Change, PRESENT_MAX, Presence, PresenceError, PresenceResult};
use redis::Script;

use super::RedisLink;

static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("enter.lua")));
static EXIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("exit.lua")));
static ROOM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("room.lua")));

/// Longest time a presence may be said for at once.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What the text form of a member who writes starts with.
const MEMBER: &str = "m:";
/// What the text form of a contact who writes starts with.
const CONTACT: &str = "c:";
/// The text form of the bot that writes.
const BOT: &str = "b";

/// Presence shared by all processes: a sorted set for each business and each conversation, on
/// Redis' own clock.
///
/// # When Redis is away
/// Nothing is known: [`PresenceError::Unavailable`]. When it comes back empty, whoever is still
/// here says so with the next heartbeat.
#[derive(Debug)]
pub struct RedisPresence {
    link: RedisLink,
}

impl RedisPresence {
    /// Presence behind a link.
    pub fn new(link: RedisLink) -> Self {
        Self { link }
    }

    fn online(&self, business: BusinessId) -> String {
        format!("{}:online:{{{business}}}", self.link.prefix())
    }

    fn typing(&self, business: BusinessId, conversation: ConversationId) -> String {
        format!("{}:typing:{{{business}:{conversation}}}", self.link.prefix())
    }

    async fn enter(&self, room: String, who: String, ttl: Duration) -> PresenceResult<Change> {
        let ttl = u64::try_from(ttl.min(TTL_MAX).as_millis()).unwrap_or(u64::MAX);
        let mut invocation = ENTER.key(room);
        invocation.arg(who).arg(ttl).arg(PRESENT_MAX);
        let mut connection = self.link.connection();
        let answer: Result<i64, _> = self.link.ask(invocation.invoke_async(&mut connection)).await;
        match answer.map_err(|_| PresenceError::Unavailable)? {
            1 => Ok(Change::Changed),
            0 => Ok(Change::Unchanged),
            _ => Err(PresenceError::Full),
        }
    }

    async fn exit(&self, room: String, who: String) -> PresenceResult<Change> {
        let mut invocation = EXIT.key(room);
        invocation.arg(who);
        let mut connection = self.link.connection();
        let answer: Result<i64, _> = self.link.ask(invocation.invoke_async(&mut connection)).await;
        match answer.map_err(|_| PresenceError::Unavailable)? {
            1 => Ok(Change::Changed),
            _ => Ok(Change::Unchanged),
        }
    }

    /// Everybody in a room, in order; what cannot be read is nobody.
    async fn list<T: Ord>(
        &self,
        room: String,
        read: impl Fn(&str) -> Option<T>,
    ) -> PresenceResult<Vec<T>> {
        let invocation = ROOM.key(room);
        let mut connection = self.link.connection();
        let answer: Result<Vec<String>, _> =
            self.link.ask(invocation.invoke_async(&mut connection)).await;
        let texts = answer.map_err(|_| PresenceError::Unavailable)?;
        let mut people: Vec<T> = texts.iter().filter_map(|text| read(text)).collect();
        people.sort();
        Ok(people)
    }
}

fn written(typist: Typist) -> String {
    let text = |prefix: &str, id: &dyn Display| format!("{prefix}{id}");
    match typist {
        Typist::Member(id) => text(MEMBER, &id),
        Typist::Contact(id) => text(CONTACT, &id),
        Typist::Bot => BOT.to_owned(),
    }
}

fn read(text: &str) -> Option<Typist> {
    if text == BOT {
        return Some(Typist::Bot);
    }
    if let Some(id) = text.strip_prefix(MEMBER) {
        return id.parse().ok().map(Typist::Member);
    }
    text.strip_prefix(CONTACT)?.parse().ok().map(Typist::Contact)
}

#[async_trait]
impl Presence for RedisPresence {
    async fn arrive(
        &self,
        business: BusinessId,
        member: MemberId,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        self.enter(self.online(business), member.to_string(), ttl).await
    }

    async fn leave(&self, business: BusinessId, member: MemberId) -> PresenceResult<Change> {
        self.exit(self.online(business), member.to_string()).await
    }

    async fn members(&self, business: BusinessId) -> PresenceResult<Vec<MemberId>> {
        self.list(self.online(business), |text| text.parse().ok()).await
    }

    async fn start_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        self.enter(self.typing(business, conversation), written(typist), ttl).await
    }

    async fn stop_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
    ) -> PresenceResult<Change> {
        self.exit(self.typing(business, conversation), written(typist)).await
    }

    async fn typists(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> PresenceResult<Vec<Typist>> {
        self.list(self.typing(business, conversation), read).await
    }
}
