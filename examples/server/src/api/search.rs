use axum::Json;
use justping::model::{ConversationId, Message, SearchQuery, Words};
use justping::port::store::MessageFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::Checks;
use super::contact::{ContactView, show_all};
use super::conversation::MessageView;
use super::view::PageView;
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::{self, Query};

/// Most characters of a query.
const QUERY_MAX_CHARS: usize = 500;
/// Most characters of an excerpt.
const EXCERPT_CHARS: usize = 160;
/// Characters of an excerpt before what was found.
const EXCERPT_BEFORE_CHARS: usize = 40;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(contacts)).routes(routes!(messages))
}

/// Which contacts are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ContactSearch {
    /// Words, all of which are there; the last may be the beginning of one. Case and accents do not
    /// count, and no character has a special meaning.
    q: String,
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// Which messages are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessageSearch {
    /// Words, all of which are there; the last may be the beginning of one. Case and accents do not
    /// count, and no character has a special meaning.
    q: String,
    /// Of this conversation only.
    conversation_id: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// A message that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageHit)]
struct HitView {
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    /// The part of its text around the first word that was asked for.
    excerpt: String,
    message: MessageView,
}

/// Finds contacts by name, address, label and field, those created last first. What changed in the
/// last second or so may not be found yet.
#[utoipa::path(get, path = "/search/contacts", tag = "search", params(ContactSearch),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = PageView<ContactView>)))]
async fn contacts(
    caller: Allowed<perm::ContactsRead>,
    Query(search): Query<ContactSearch>,
) -> Result<Json<PageView<ContactView>>, Problem> {
    let query = read(&search.q)?;
    let page = extract::page(search.after, search.limit)?;
    let found = caller.store().search_contacts(caller.business_id, &query, &page).await?;
    show_all(&caller, found).await
}

/// Finds messages of contacts, bots and members, notes too, the newest first. What was written in
/// the last second or so may not be found yet.
#[utoipa::path(get, path = "/search/messages", tag = "search", params(MessageSearch),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<HitView>)))]
async fn messages(
    caller: Allowed<perm::ConversationsRead>,
    Query(search): Query<MessageSearch>,
) -> Result<Json<PageView<HitView>>, Problem> {
    let query = read(&search.q)?;
    let page = extract::page(search.after, search.limit)?;
    let conversation = search.conversation_id.map(|id| id.parse::<ConversationId>());
    let conversation_id = conversation.transpose().map_err(|_| Problem::not_found())?;
    if let Some(id) = conversation_id {
        caller.store().conversation(caller.business_id, id).await?;
    }
    let filter = MessageFilter { conversation_id };
    let found = caller.store().search_messages(caller.business_id, &query, &filter, &page).await?;
    Ok(PageView::of(found, |message| hit(message, &query)))
}

fn read(q: &str) -> Result<SearchQuery, Problem> {
    let query = SearchQuery::parse(q);
    let mut checks = Checks::default();
    checks.at_most("q", q, QUERY_MAX_CHARS);
    checks.require(!query.is_empty(), "q", "must have a word");
    checks.done()?;
    Ok(query)
}

fn hit(message: Message, query: &SearchQuery) -> HitView {
    HitView {
        conversation_id: message.conversation_id,
        excerpt: excerpt(message.content.plain(), query),
        message: message.into(),
    }
}

/// The part of a text around the first word that a query asks for.
fn excerpt(text: &str, query: &SearchQuery) -> String {
    let asked = |piece: &&str| {
        let mut words = Words::default();
        words.add(piece);
        words.meet(query)
    };
    let found = text.split_whitespace().find(asked);
    let at = found.map_or(0, |piece| piece.as_ptr().addr() - text.as_ptr().addr());
    let before = text.get(..at).map_or(0, |before| before.chars().count());
    let skipped = before.saturating_sub(EXCERPT_BEFORE_CHARS);
    let mut rest = text.chars().skip(skipped);
    let body: String = rest.by_ref().take(EXCERPT_CHARS).collect();
    let dots = |cut: bool| if cut { "…" } else { "" };
    format!("{}{body}{}", dots(skipped > 0), dots(rest.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_around_what_was_found() {
        let excerpt = |text: &str, query| excerpt(text, &SearchQuery::parse(query));
        assert_eq!(excerpt("my Order is late", "order"), "my Order is late");
        assert_eq!(excerpt("", "order"), "");
        let long = format!("{} Bestellung {}", "x ".repeat(500), "ü ".repeat(500));
        let cut = excerpt(&long, "bestell");
        assert_eq!(cut.chars().count(), EXCERPT_CHARS + 2);
        assert!(cut.starts_with('…') && cut.ends_with('…') && cut.contains(" Bestellung "));
        assert!(excerpt(&long, "other").starts_with("x x"));
    }
}
