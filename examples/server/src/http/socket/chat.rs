//! One chat, from the upgrade to the end.
//!
//! The store is the truth, the bus only says when to look: a chat subscribes before it reads, shows
//! messages strictly in the order of their `seq`, and reads the store again whenever an event says
//! that something is missing in between. What another process over the same store records is not
//! on this process's bus, so a chat also looks every few seconds whether the store has more than
//! it showed. Statuses and parts of answers from there are not made up for: who says hello again
//! is told the newest status.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use justping::channels::webchat::protocol::{ClientFrame, ServerFrame, WELCOME_MAX, WebMessage};
use justping::channels::webchat::{VisitorId, WebChatChannel};
use justping::engine::EngineError;
use justping::model::{
    BusinessId, ChannelId, Conversation, ConversationId, Cursor, DeliveryStatus, Direction, Event,
    EventBody, Inbound, Message, OutboxRow, Owner, Page, PageRequest, StatusUpdate, Topic, Typist,
};
use justping::port::store::{Accepted, MessageOrder};
use justping::port::{BusError, StoreError, Subscription};

use super::bucket::Bucket;
use crate::app::App;
use crate::metric;

/// How long a client may take to say hello.
const HELLO_PATIENCE: Duration = Duration::from_secs(15);
/// How often the server asks a silent client for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How often a lively chat looks into the store for what the bus did not tell.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A chat is lively so long after the last message; a quiet one looks only with its pings.
const LIVELY_FOR: Duration = Duration::from_secs(300);
/// After this silence a client counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(80);
/// How long a client may take to read what it is sent.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Frames that cost a transaction: so many at once, and so many a second.
const WORK_RATE: (u32, u32) = (20, 5);
/// Frames of any kind: so many at once, and so many a second. Who sends more is cut off.
const FRAME_RATE: (u32, u32) = (120, 40);
/// Messages kept in mind until they are read; older ones are not reported as read.
const UNREAD_MAX: usize = 256;

/// Why a chat ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, or does not read.
    Gone,
    /// The client breaks the rules.
    Policy,
    /// Something here is not available: the client comes back and repeats what was not accepted.
    TryAgain,
    /// The process stops: the client comes back to another or later one.
    Stopping,
}

type Flow = Result<(), End>;

/// What happened.
enum News {
    Heard(Frame),
    Event(Result<Arc<Event>, BusError>),
    Tick,
}

/// The visitor and what is known of the conversation.
#[derive(Debug)]
struct Visitor {
    id: VisitorId,
    conversation: Option<(ConversationId, Box<dyn Subscription>)>,
    /// Every message up to this one was shown, or must not be.
    shown: u64,
    /// The last message there was at the last look into the store.
    stored: u64,
    /// Who answers, as far as is known. Only of the bot is shown how it writes.
    owner: Owner,
    /// Messages to the visitor that were shown and not yet read.
    unread: VecDeque<u64>,
}

/// Where the chat is recorded.
struct Thread {
    app: Arc<App>,
    business: BusinessId,
    channel: ChannelId,
}

impl Thread {
    async fn conversation_of(&self, visitor: VisitorId) -> Result<Option<ConversationId>, End> {
        let store = self.app.store();
        let contact = match store.contact_by_identity(self.business, &visitor.identity()).await {
            Ok(contact) => contact,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(unavailable(&error)),
        };
        match store.conversation_of(self.business, self.channel, contact.id).await {
            Ok(conversation) => Ok(Some(conversation.id)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn conversation(&self, conversation: ConversationId) -> Result<Conversation, End> {
        let found = self.app.store().conversation(self.business, conversation).await;
        found.map_err(|error| unavailable(&error))
    }

    async fn page(&self, conversation: ConversationId, after: u64) -> Result<Page<Message>, End> {
        let after = (after > 0).then(|| Cursor(after.to_string()));
        let limit = u32::try_from(WELCOME_MAX).unwrap_or(u32::MAX);
        let request = PageRequest { after, limit };
        let oldest = MessageOrder::OldestFirst;
        let page = self.app.store().messages(self.business, conversation, oldest, &request).await;
        page.map_err(|error| unavailable(&error))
    }

    async fn receive(&self, news: Vec<Inbound>) -> Result<Vec<Accepted>, EngineError> {
        self.app.jp().receive(self.business, self.channel, news).await
    }
}

/// A chat over one socket.
pub(super) struct Chat {
    thread: Thread,
    channel: WebChatChannel,
    socket: WebSocket,
    visitor: Option<Visitor>,
    work: Bucket,
    frames: Bucket,
    heard_at: Instant,
    pinged_at: Instant,
    /// When something was said, by either side.
    said_at: Instant,
}

impl Chat {
    pub(super) fn new(
        app: Arc<App>,
        business: BusinessId,
        channel: WebChatChannel,
        socket: WebSocket,
    ) -> Self {
        let now = Instant::now();
        Self {
            thread: Thread { app, business, channel: channel.id() },
            channel,
            socket,
            visitor: None,
            work: Bucket::new(WORK_RATE.0, WORK_RATE.1),
            frames: Bucket::new(FRAME_RATE.0, FRAME_RATE.1),
            heard_at: now,
            pinged_at: now,
            said_at: now,
        }
    }

    /// Talks until one side ends it.
    pub(super) async fn run(mut self) {
        let open = metric::sockets();
        open.increment(1.0);
        let end = self.talk().await;
        open.decrement(1.0);
        self.goodbye(end).await;
    }

    async fn talk(&mut self) -> End {
        let mut stopping = self.thread.app.stopping();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.reset();
        let hello_by = tokio::time::Instant::now() + HELLO_PATIENCE;
        loop {
            let is_unknown = self.visitor.is_none();
            let news = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return End::Stopping,
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => News::Heard(frame),
                    Some(Err(_)) | None => return End::Gone,
                },
                event = next_event(&mut self.visitor) => News::Event(event),
                _ = ticks.tick() => News::Tick,
                () = tokio::time::sleep_until(hello_by), if is_unknown => return End::Policy,
            };
            let went = match news {
                News::Heard(frame) => self.hear(frame).await,
                News::Event(event) => self.tell(event).await,
                News::Tick => self.tick().await,
            };
            if let Err(end) = went {
                return end;
            }
        }
    }

    async fn goodbye(&mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Policy => (close_code::POLICY, "too many or wrong frames"),
            End::TryAgain => (close_code::AGAIN, "try again"),
            End::Stopping => (close_code::AWAY, "the server stops"),
        };
        let frame = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
        // Whether the client hears it makes no difference here.
        drop(tokio::time::timeout(SEND_PATIENCE, self.socket.send(frame)).await);
    }

    /// Asks a quiet client for a sign of life now and then, and looks for what the bus did not tell.
    async fn tick(&mut self) -> Flow {
        if self.heard_at.elapsed() > SILENCE_MAX {
            return Err(End::Gone);
        }
        let is_ping_due = self.pinged_at.elapsed() >= PING_EVERY;
        if is_ping_due {
            self.pinged_at = Instant::now();
            self.put_frame(Frame::Ping(axum::body::Bytes::new())).await?;
        }
        if is_ping_due || self.said_at.elapsed() < LIVELY_FOR {
            self.look().await?;
        }
        Ok(())
    }

    /// Looks for messages that another process recorded: one read by key while there are none. What
    /// the bus did not tell from one look to the next it will never tell; a message that is only
    /// just recorded is left to it, so that no part of an answer comes after the whole.
    async fn look(&mut self) -> Flow {
        let Some(visitor) = &mut self.visitor else { return Ok(()) };
        let Some(conversation) = visitor.conversation.as_ref().map(|(id, _)| *id) else {
            return self.look_for_conversation().await;
        };
        let is_behind = visitor.stored > visitor.shown;
        let found = self.thread.conversation(conversation).await?;
        (visitor.stored, visitor.owner) = (found.last_seq, found.owner);
        if is_behind { self.catch_up().await } else { Ok(()) }
    }

    /// Looks whether another window of the same visitor has meanwhile begun the conversation.
    async fn look_for_conversation(&mut self) -> Flow {
        let waiting = self.visitor.as_ref().filter(|visitor| visitor.conversation.is_none());
        let Some(id) = waiting.map(|visitor| visitor.id) else { return Ok(()) };
        if let Some(conversation) = self.thread.conversation_of(id).await? {
            self.listen(conversation);
            self.catch_up().await?;
        }
        Ok(())
    }

    async fn hear(&mut self, frame: Frame) -> Flow {
        self.heard_at = Instant::now();
        if !self.frames.take() {
            return Err(End::Policy);
        }
        match frame {
            Frame::Text(text) => self.hear_text(text.as_str()).await,
            Frame::Binary(_) => self.refuse("invalid_frame", "frames are JSON texts", None).await,
            Frame::Ping(_) | Frame::Pong(_) => Ok(()),
            Frame::Close(_) => Err(End::Gone),
        }
    }

    async fn hear_text(&mut self, text: &str) -> Flow {
        let frame = match ClientFrame::parse(text) {
            Ok(frame) => frame,
            Err(error) => return self.put(&error.into()).await,
        };
        if matches!(frame, ClientFrame::Ping {}) {
            self.put(&ServerFrame::Pong {}).await?;
            return self.look_for_conversation().await;
        }
        if !self.work.take() {
            let detail = "too many messages at once; wait a little";
            return self.refuse("rate_limited", detail, frame.client_id()).await;
        }
        match (frame, self.visitor.as_ref().map(|visitor| visitor.id)) {
            (ClientFrame::Hello { token, after }, _) => self.welcome(token.as_deref(), after).await,
            (frame @ (ClientFrame::Message { .. } | ClientFrame::Choice { .. }), Some(id)) => {
                self.accept(id, &frame).await
            }
            (ClientFrame::Read { seq }, Some(_)) => self.read(seq).await,
            (ClientFrame::Ping {}, _) => Ok(()),
            (frame, None) => self.refuse("hello_first", "say hello first", frame.client_id()).await,
        }
    }

    /// Answers `hello`: who the visitor is, and what was said since.
    async fn welcome(&mut self, token: Option<&str>, after: u64) -> Flow {
        let visit = self.channel.visit(token, || self.thread.app.ids().uuid());
        self.visitor = Some(Visitor {
            id: visit.visitor,
            conversation: None,
            shown: 0,
            stored: 0,
            owner: Owner::Bot,
            unread: VecDeque::new(),
        });
        let mut messages = Vec::new();
        let mut more = false;
        if let Some(conversation) = self.thread.conversation_of(visit.visitor).await? {
            // Listening starts before reading: what is recorded in between is told twice, not never.
            self.listen(conversation);
            let found = self.thread.conversation(conversation).await?;
            self.begin_at(after.min(found.last_seq), found.owner);
            (messages, more) = self.read_visible(conversation).await?;
        }
        let name = self.channel.name().to_owned();
        self.put(&ServerFrame::Welcome { token: visit.token, name, messages, more }).await
    }

    fn listen(&mut self, conversation: ConversationId) {
        let topic = Topic::Conversation(self.thread.business, conversation);
        let subscription = self.thread.app.jp().bus().subscribe(topic);
        if let Some(visitor) = &mut self.visitor {
            visitor.conversation = Some((conversation, subscription));
        }
    }

    fn begin_at(&mut self, shown: u64, owner: Owner) {
        if let Some(visitor) = &mut self.visitor {
            visitor.shown = shown;
            visitor.owner = owner;
        }
    }

    /// Reads on from what was shown until there is something a visitor may see, or the end. Marks it
    /// as shown.
    async fn read_visible(
        &mut self,
        conversation: ConversationId,
    ) -> Result<(Vec<WebMessage>, bool), End> {
        loop {
            let shown = self.visitor.as_ref().map_or(0, |visitor| visitor.shown);
            let page = self.thread.page(conversation, shown).await?;
            let more = page.next.is_some();
            let visible: Vec<_> =
                page.items.iter().filter_map(|message| self.mark_shown(message)).collect();
            if !visible.is_empty() || !more {
                return Ok((visible, more));
            }
        }
    }

    /// Notes that a message is shown now, and gives what a visitor sees of it.
    fn mark_shown(&mut self, message: &Message) -> Option<WebMessage> {
        let visitor = self.visitor.as_mut()?;
        visitor.shown = visitor.shown.max(message.seq);
        self.said_at = Instant::now();
        let is_unread = message.direction == Direction::Outbound
            && !matches!(message.status, DeliveryStatus::Read | DeliveryStatus::Failed);
        if is_unread {
            if visitor.unread.len() >= UNREAD_MAX {
                visitor.unread.pop_front();
            }
            visitor.unread.push_back(message.seq);
        }
        WebMessage::show(message)
    }

    /// Shows everything that was recorded and not yet shown.
    async fn catch_up(&mut self) -> Flow {
        let bound = self.visitor.as_ref().and_then(|visitor| visitor.conversation.as_ref());
        let Some(conversation) = bound.map(|(id, _)| *id) else { return Ok(()) };
        loop {
            let (messages, more) = self.read_visible(conversation).await?;
            for message in messages {
                let client_id = message.client_id;
                self.put(&ServerFrame::Message { message, client_id }).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Records what the visitor says. `accepted` means that it is durable.
    async fn accept(&mut self, visitor: VisitorId, frame: &ClientFrame) -> Flow {
        let client_id = frame.client_id();
        let message = WebChatChannel::inbound(visitor, frame);
        let (Some(message), Some(client_id)) = (message, client_id) else { return Ok(()) };
        let news = vec![Inbound::Message(message)];
        let accepted = match self.thread.receive(news).await {
            Ok(accepted) => accepted,
            Err(EngineError::Disabled | EngineError::Store(StoreError::NotFound(_))) => {
                let detail = "this chat is closed";
                return self.refuse("channel_closed", detail, Some(client_id)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "a chat message was not recorded");
                return Err(End::TryAgain);
            }
        };
        let (conversation, seq) = match accepted.into_iter().next() {
            Some(Accepted::New { message, .. }) => (message.conversation_id, message.seq),
            Some(Accepted::Duplicate { conversation_id, seq }) => (conversation_id, seq),
            // A hook of the business stopped it; to send it again would change nothing.
            None => {
                let detail = "this message was not taken";
                return self.refuse("message_refused", detail, Some(client_id)).await;
            }
        };
        self.put(&ServerFrame::Accepted { client_id, seq }).await?;
        let is_known = self.visitor.as_ref().is_some_and(|visitor| visitor.conversation.is_some());
        if is_known {
            return Ok(());
        }
        self.listen(conversation);
        self.catch_up().await
    }

    /// Records that the visitor saw everything up to a message.
    async fn read(&mut self, seq: u64) -> Flow {
        let Some(visitor) = &mut self.visitor else { return Ok(()) };
        let Some((conversation, _)) = &visitor.conversation else { return Ok(()) };
        let conversation = *conversation;
        let read: Vec<u64> = visitor.unread.iter().copied().filter(|one| *one <= seq).collect();
        visitor.unread.retain(|one| *one > seq);
        if read.is_empty() {
            return Ok(());
        }
        let news = read.into_iter().map(|seq| Inbound::Status(read_status(conversation, seq)));
        let news = news.collect();
        match self.thread.receive(news).await {
            Ok(_) | Err(EngineError::Disabled) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "a chat receipt was not recorded");
                Err(End::TryAgain)
            }
        }
    }

    /// Passes an event on.
    async fn tell(&mut self, event: Result<Arc<Event>, BusError>) -> Flow {
        let event = match event {
            Ok(event) => event,
            Err(BusError::Missed(_)) => return self.catch_up().await,
            Err(BusError::Closed) => return Err(End::TryAgain),
        };
        let Some(visitor) = &mut self.visitor else { return Ok(()) };
        let shown = visitor.shown;
        match &event.body {
            EventBody::ConversationCreated { conversation }
            | EventBody::ConversationUpdated { conversation } => {
                visitor.owner = conversation.owner;
                Ok(())
            }
            // Somebody took over while the bot still wrote: the whole will not follow.
            EventBody::MessageDelta { .. }
            | EventBody::TypingStarted { typist: Typist::Bot, .. }
                if visitor.owner != Owner::Bot =>
            {
                Ok(())
            }
            EventBody::MessageNew { message } if message.seq <= shown => Ok(()),
            EventBody::MessageNew { message } if message.seq == shown + 1 => {
                match self.mark_shown(message) {
                    Some(message) => {
                        let client_id = message.client_id;
                        self.put(&ServerFrame::Message { message, client_id }).await
                    }
                    None => Ok(()),
                }
            }
            // Events overtake each other between two writers; the store knows what lies between.
            EventBody::MessageNew { .. } => self.catch_up().await,
            // A message that is not shown yet will be shown with its newest status.
            EventBody::MessageStatus { seq, .. } if *seq > shown => Ok(()),
            body => match ServerFrame::event(body) {
                Some(frame) => self.put(&frame).await,
                None => Ok(()),
            },
        }
    }

    async fn refuse(&mut self, code: &str, detail: &str, client_id: Option<uuid::Uuid>) -> Flow {
        let (code, detail) = (code.to_owned(), detail.to_owned());
        self.put(&ServerFrame::Error { code, detail, client_id }).await
    }

    async fn put(&mut self, frame: &ServerFrame) -> Flow {
        self.put_frame(Frame::Text(frame.to_json().into())).await
    }

    async fn put_frame(&mut self, frame: Frame) -> Flow {
        match tokio::time::timeout(SEND_PATIENCE, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

/// The next event of the visitor's conversation; never, while there is none.
async fn next_event(visitor: &mut Option<Visitor>) -> Result<Arc<Event>, BusError> {
    match visitor.as_mut().and_then(|visitor| visitor.conversation.as_mut()) {
        Some((_, subscription)) => subscription.next().await,
        None => std::future::pending().await,
    }
}

/// A message is named by our own key: the chat has no ids of its own.
fn read_status(conversation: ConversationId, seq: u64) -> StatusUpdate {
    let key = OutboxRow::key(conversation, seq);
    StatusUpdate {
        provider_ref: key.clone(),
        key: Some(key),
        status: DeliveryStatus::Read,
        at: None,
        failure: None,
    }
}

fn unavailable(error: &StoreError) -> End {
    tracing::warn!(%error, "a chat cannot read");
    End::TryAgain
}
