use axum::Json;
use axum::response::Response;
use justping::engine::SendMessage;
use justping::model::{
    Author, ChannelId, ContactId, Content, Conversation, ConversationChange, ConversationId,
    ConversationStatus, DeliveryStatus, Direction, Failure, MemberId, Message, MessageId, Owner,
    PageRequest, Priority, SessionId, Timeline, Timestamp,
};
use justping::port::StoreError;
use justping::port::store::{ConversationFilter, MessageOrder};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::analytics::SpendView;
use super::content::ContentBody;
use super::schema;
use super::view::{PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{self, Id, JsonBody, Query};
use crate::http::resume::{Taken, refusal};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(usage))
        .routes(routes!(messages, send))
        .routes(routes!(assign))
        .routes(routes!(close))
        .routes(routes!(reopen))
        .routes(routes!(prioritise))
        .routes(routes!(send_event))
}

/// Who answers in a conversation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Owner)]
enum OwnerBody {
    /// A flow.
    Bot,
    /// Nobody yet.
    Queue,
    /// A member.
    Member {
        #[schema(value_type = String)]
        id: MemberId,
    },
}

impl From<Owner> for OwnerBody {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Bot => Self::Bot,
            Owner::Queue => Self::Queue,
            Owner::Member(id) => Self::Member { id },
        }
    }
}

/// A contact on a channel: the thread, its owner and its window.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
struct ConversationView {
    #[schema(value_type = String)]
    id: ConversationId,
    #[schema(value_type = String)]
    channel_id: ChannelId,
    #[schema(value_type = String)]
    contact_id: ContactId,
    #[schema(schema_with = schema::status)]
    status: ConversationStatus,
    owner: OwnerBody,
    #[schema(schema_with = schema::priority)]
    priority: Priority,
    /// The `seq` of the newest message.
    last_seq: u64,
    last_message_at: Timestamp,
    /// Until when free-form messages are allowed, on channels that have a window.
    window_expires_at: Option<Timestamp>,
    /// Since when the contact waits for an answer.
    waiting_since: Option<Timestamp>,
    first_reply_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Conversation> for ConversationView {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id,
            channel_id: conversation.channel_id,
            contact_id: conversation.contact_id,
            status: conversation.status,
            owner: conversation.owner.into(),
            priority: conversation.priority,
            last_seq: conversation.last_seq,
            last_message_at: conversation.last_message_at,
            window_expires_at: conversation.window_expires_at,
            waiting_since: conversation.waiting_since,
            first_reply_at: conversation.first_reply_at,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Author)]
enum AuthorView {
    /// The contact.
    Contact,
    /// A flow, in this session.
    Bot {
        #[schema(value_type = String)]
        id: SessionId,
    },
    /// A member.
    Member {
        #[schema(value_type = String)]
        id: MemberId,
    },
    /// The platform itself.
    System,
}

impl From<Author> for AuthorView {
    fn from(author: Author) -> Self {
        match author {
            Author::Contact => Self::Contact,
            Author::Bot(id) => Self::Bot { id },
            Author::Member(id) => Self::Member { id },
            Author::System => Self::System,
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageView {
    #[schema(value_type = String)]
    id: MessageId,
    /// Its place in the conversation: 1, 2, 3 … without a gap.
    seq: u64,
    #[schema(schema_with = schema::direction)]
    direction: Direction,
    author: AuthorView,
    #[schema(value_type = ContentBody)]
    content: Content,
    #[schema(schema_with = schema::delivery)]
    status: DeliveryStatus,
    /// When it reached each status: `sent_at`, `delivered_at`, `read_at`, `failed_at`.
    #[schema(value_type = Object)]
    timeline: Timeline,
    /// Why it failed, if it did: `kind`, `code`, `detail`.
    #[schema(value_type = Option<Object>)]
    failure: Option<Failure>,
    /// The provider's reference of the message it answers.
    reply_to: Option<String>,
    created_at: Timestamp,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            seq: message.seq,
            direction: message.direction,
            author: message.author.into(),
            content: message.content,
            status: message.status,
            timeline: message.timeline,
            failure: message.failure,
            reply_to: message.reply_to,
            created_at: message.created_at,
        }
    }
}

/// Which conversations are wanted; what is left out does not matter.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConversationQuery {
    #[param(schema_with = schema::status)]
    status: Option<ConversationStatus>,
    /// `bot`, `queue`, or the id of a member.
    owner: Option<String>,
    #[param(value_type = Option<String>)]
    channel_id: Option<ChannelId>,
    #[param(value_type = Option<String>)]
    contact_id: Option<ContactId>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

impl ConversationQuery {
    fn split(self) -> Result<(ConversationFilter, PageRequest), Problem> {
        let owner = match self.owner.as_deref() {
            None => None,
            Some("bot") => Some(Owner::Bot),
            Some("queue") => Some(Owner::Queue),
            Some(member) => Some(Owner::Member(member.parse().map_err(|_| {
                Problem::invalid_field("owner", "must be bot, queue or the id of a member")
            })?)),
        };
        let Self { status, channel_id, contact_id, .. } = self;
        let filter = ConversationFilter { status, owner, channel_id, contact_id };
        Ok((filter, extract::page(self.after, self.limit)?))
    }
}

/// Which messages are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessageQuery {
    /// Which way to go; the newest first unless given.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// A message to write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    content: ContentBody,
    /// For the contact, or for members only.
    #[serde(default)]
    kind: MessageKind,
    /// The provider's reference of the message it answers.
    reply_to: Option<String>,
}

/// For whom a message is.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MessageKind {
    /// For the contact. Writing to the contact takes the conversation over from the bot.
    #[default]
    Outbound,
    /// For members only; never sent.
    Note,
}

/// What was recorded: content that the channel cannot show at once becomes several messages.
#[derive(Debug, Serialize, ToSchema)]
struct SentMessages {
    messages: Vec<MessageView>,
}

/// The new owner of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    owner: OwnerBody,
}

/// How urgent a conversation is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Prioritisation {
    #[schema(schema_with = schema::priority)]
    priority: Priority,
}

/// Lists conversations, the one with the newest message first.
#[utoipa::path(get, path = "/conversations", tag = "conversations", params(ConversationQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<ConversationView>)))]
async fn list(
    caller: Allowed<perm::ConversationsRead>,
    Query(query): Query<ConversationQuery>,
) -> Result<Json<PageView<ConversationView>>, Problem> {
    let (filter, page) = query.split()?;
    let page = caller.store().conversations(caller.business_id, &filter, &page).await?;
    Ok(PageView::of(page, ConversationView::from))
}

/// Reads a conversation.
#[utoipa::path(get, path = "/conversations/{id}", tag = "conversations",
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = ConversationView)))]
async fn read(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<ConversationId>,
) -> Result<Json<ConversationView>, Problem> {
    Ok(Json(caller.store().conversation(caller.business_id, id).await?.into()))
}

/// Tells what models were used for in a conversation, and what it cost.
#[utoipa::path(get, path = "/conversations/{id}/usage", tag = "conversations",
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = SpendView)))]
async fn usage(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<ConversationId>,
) -> Result<Json<SpendView>, Problem> {
    caller.store().conversation(caller.business_id, id).await?;
    Ok(Json(caller.store().conversation_usage(caller.business_id, id).await?.into()))
}

/// Lists the messages of a conversation.
#[utoipa::path(get, path = "/conversations/{id}/messages", tag = "conversations",
    params(("id" = String, Path, description = "The conversation."), MessageQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<MessageView>)))]
async fn messages(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<ConversationId>,
    Query(query): Query<MessageQuery>,
) -> Result<Json<PageView<MessageView>>, Problem> {
    let page = extract::page(query.after, query.limit)?;
    let order = match query.order {
        Order::NewestFirst => MessageOrder::NewestFirst,
        Order::OldestFirst => MessageOrder::OldestFirst,
    };
    caller.store().conversation(caller.business_id, id).await?;
    let page = caller.store().messages(caller.business_id, id, order, &page).await?;
    Ok(PageView::of(page, MessageView::from))
}

/// Writes a message. It is recorded when this answers; its status tells how it fares.
#[utoipa::path(post, path = "/conversations/{id}/messages", tag = "conversations",
    request_body = NewMessage,
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_write"])),
    responses((status = 201, body = SentMessages)))]
async fn send(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
    JsonBody(new): JsonBody<NewMessage>,
) -> Result<Response, Problem> {
    let message = SendMessage {
        author: Author::Member(caller.member_id()),
        content: new.content.into_outgoing("/content")?,
        direction: match new.kind {
            MessageKind::Outbound => Direction::Outbound,
            MessageKind::Note => Direction::Note,
        },
        reply_to: new.reply_to,
    };
    let messages = caller.jp().send(caller.business_id, id, message).await?;
    let messages = messages.into_iter().map(MessageView::from).collect();
    Ok(created(SentMessages { messages }))
}

/// Gives a conversation to a member, the queue or the bot; a closed one opens again.
#[utoipa::path(put, path = "/conversations/{id}/assign", tag = "conversations",
    request_body = Assignment,
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_write"])),
    responses((status = 200, body = ConversationView)))]
async fn assign(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
    JsonBody(new): JsonBody<Assignment>,
) -> Result<Json<ConversationView>, Problem> {
    caller.store().conversation(caller.business_id, id).await?;
    let owner = match new.owner {
        OwnerBody::Bot => Owner::Bot,
        OwnerBody::Queue => Owner::Queue,
        OwnerBody::Member { id } => Owner::Member(colleague(&caller, id).await?),
    };
    change(&caller, id, ConversationChange::Assign { owner }).await
}

async fn colleague(caller: &Caller, id: MemberId) -> Result<MemberId, Problem> {
    match caller.store().member(caller.business_id, id).await {
        Ok(member) => Ok(member.id),
        Err(StoreError::NotFound(_)) => {
            Err(Problem::invalid_field("/owner/id", "there is no such member"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Something that happened outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OutsideEvent)]
struct EventBody {
    /// Its name, such as `payment.succeeded`: letters, digits, `_`, `.`, `:` and `-`.
    #[schema(max_length = 100)]
    name: String,
    /// What it brings, at most 16 KiB.
    #[serde(default)]
    data: serde_json::Value,
}

/// Tells the session that waits in a conversation that something happened outside. Answers 202 when
/// it waits for it, now or later; 410 when it does not, 409 when no session waits.
#[utoipa::path(post, path = "/conversations/{id}/events", tag = "conversations",
    params(("id" = String, Path, description = "The conversation.")),
    request_body = EventBody,
    security(("api_key" = ["conversations_write"])),
    responses((status = 202, body = Taken)))]
async fn send_event(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
    JsonBody(body): JsonBody<EventBody>,
) -> Result<Response, Problem> {
    let sent = caller.jp().send_event(caller.business_id, id, &body.name, body.data).await;
    Ok(Taken::response(sent.map_err(refusal)?))
}

/// Closes a conversation until the contact writes again.
#[utoipa::path(post, path = "/conversations/{id}/close", tag = "conversations",
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_write"])),
    responses((status = 200, body = ConversationView)))]
async fn close(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
) -> Result<Json<ConversationView>, Problem> {
    change(&caller, id, ConversationChange::Close).await
}

/// Opens a closed conversation again.
#[utoipa::path(post, path = "/conversations/{id}/reopen", tag = "conversations",
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_write"])),
    responses((status = 200, body = ConversationView)))]
async fn reopen(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
) -> Result<Json<ConversationView>, Problem> {
    change(&caller, id, ConversationChange::Reopen).await
}

/// Says how urgent a conversation is.
#[utoipa::path(put, path = "/conversations/{id}/priority", tag = "conversations",
    request_body = Prioritisation,
    params(("id" = String, Path, description = "The conversation.")),
    security(("api_key" = ["conversations_write"])),
    responses((status = 200, body = ConversationView)))]
async fn prioritise(
    caller: Allowed<perm::ConversationsWrite>,
    Id(id): Id<ConversationId>,
    JsonBody(new): JsonBody<Prioritisation>,
) -> Result<Json<ConversationView>, Problem> {
    change(&caller, id, ConversationChange::SetPriority { priority: new.priority }).await
}

async fn change(
    caller: &Caller,
    id: ConversationId,
    change: ConversationChange,
) -> Result<Json<ConversationView>, Problem> {
    let changed = caller.jp().change_conversation(caller.business_id, id, &change).await?;
    Ok(Json(changed.into()))
}
