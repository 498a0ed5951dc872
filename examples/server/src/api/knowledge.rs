use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::agents::fetch::{FetchError, Fetcher};
use justping::agents::knowledge::{Passage, QUESTION_MAX_CHARS, format_of};
use justping::http::OpenUrl;
use justping::model::{
    KnowledgeBase, KnowledgeBaseId, SOURCE_BYTES_MAX, Source, SourceFormat, SourceId, SourceOrigin,
    SourceState, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, DESCRIPTION_MAX_CHARS, NAME_MAX_CHARS};
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query, RawBody};

/// Most characters of an address.
const URL_MAX_CHARS: usize = 2_000;
/// Most minutes between two readings of a source: a year.
const REFRESH_MAX_MINUTES: u32 = 366 * 24 * 60;
/// Fewest minutes between them.
const REFRESH_MIN_MINUTES: u32 = 15;
/// Passages of a search unless another number is asked for.
const PASSAGES_DEFAULT: u32 = 8;
/// Most passages of a search.
const PASSAGES_MAX: u32 = 25;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(search))
        .routes(routes!(sources, add))
        .routes(routes!(upload))
        .routes(routes!(source, delete_source))
        .routes(routes!(read_again))
}

/// A knowledge base: sources that are searched together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KnowledgeBase)]
struct BaseView {
    #[schema(value_type = String)]
    id: KnowledgeBaseId,
    name: String,
    /// What it is about.
    description: String,
    /// The model that turns its chunks into vectors; without one it is searched by words alone.
    embedding_model: Option<String>,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<KnowledgeBase> for BaseView {
    fn from(base: KnowledgeBase) -> Self {
        let KnowledgeBase {
            id,
            name,
            description,
            embedding_model,
            revision,
            created_at,
            updated_at,
            ..
        } = base;
        Self { id, name, description, embedding_model, revision, created_at, updated_at }
    }
}

/// A knowledge base to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBase {
    name: String,
    /// What it is about.
    #[serde(default)]
    description: String,
    /// The model that turns its chunks into vectors; without one it is searched by words alone.
    embedding_model: Option<String>,
}

/// A knowledge base as it shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BaseUpdate {
    name: String,
    description: String,
    /// With another model all sources are read again.
    embedding_model: Option<String>,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

/// Where a source comes from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = SourceOrigin)]
enum OriginView {
    /// Bytes that were handed over.
    Upload,
    /// An address.
    Url { url: String },
}

/// What the bytes of a source are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SourceFormat)]
enum FormatBody {
    Text,
    Markdown,
    Html,
    Pdf,
    Csv,
}

impl From<FormatBody> for SourceFormat {
    fn from(format: FormatBody) -> Self {
        match format {
            FormatBody::Text => Self::Text,
            FormatBody::Markdown => Self::Markdown,
            FormatBody::Html => Self::Html,
            FormatBody::Pdf => Self::Pdf,
            FormatBody::Csv => Self::Csv,
        }
    }
}

impl From<SourceFormat> for FormatBody {
    fn from(format: SourceFormat) -> Self {
        match format {
            SourceFormat::Text => Self::Text,
            SourceFormat::Markdown => Self::Markdown,
            SourceFormat::Html => Self::Html,
            SourceFormat::Pdf => Self::Pdf,
            SourceFormat::Csv => Self::Csv,
        }
    }
}

/// How far a source is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schema(as = SourceState)]
enum StateView {
    /// It waits to be read.
    Pending,
    /// It is fetched, read and cut.
    Reading,
    /// It is found by words; its vectors are being made.
    Embedding { done: u32, total: u32 },
    /// All of it is found.
    Ready { chunks: u32 },
    /// It cannot be read; what was found of it before still is.
    Failed { code: String, detail: String },
}

impl From<SourceState> for StateView {
    fn from(state: SourceState) -> Self {
        match state {
            SourceState::Pending => Self::Pending,
            SourceState::Reading => Self::Reading,
            SourceState::Embedding { done, total } => Self::Embedding { done, total },
            SourceState::Ready { chunks } => Self::Ready { chunks },
            SourceState::Failed { code, detail } => Self::Failed { code, detail },
        }
    }
}

/// A text of a knowledge base.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
struct SourceView {
    #[schema(value_type = String)]
    id: SourceId,
    #[schema(value_type = String)]
    base_id: KnowledgeBaseId,
    title: String,
    origin: OriginView,
    /// What its bytes are; `null` for an address that says so itself.
    format: Option<FormatBody>,
    /// How often it is read again by itself.
    refresh_minutes: Option<u32>,
    state: StateView,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Source> for SourceView {
    fn from(source: Source) -> Self {
        Self {
            id: source.id,
            base_id: source.base_id,
            title: source.title,
            origin: match source.origin {
                SourceOrigin::Upload => OriginView::Upload,
                SourceOrigin::Url { url } => OriginView::Url { url },
            },
            format: source.format.map(FormatBody::from),
            refresh_minutes: source.refresh_minutes,
            state: source.state.into(),
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

/// A source to add: either its text or its address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSource {
    /// The name people see, in citations too.
    title: String,
    /// The text itself.
    text: Option<String>,
    /// Where it is; it is asked whenever the source is read.
    url: Option<String>,
    /// What the text or the address is: of a text, plain text unless given; of an address, what it
    /// says itself.
    format: Option<FormatBody>,
    /// How often it is read again by itself, 15 minutes to a year.
    refresh_minutes: Option<u32>,
}

/// About a file to add.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FileQuery {
    /// The name people see, in citations too.
    title: String,
    /// What the file is, if its `Content-Type` does not say.
    #[param(inline)]
    format: Option<FormatBody>,
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KnowledgeSearch {
    /// A question, or words.
    q: String,
    /// Most passages, 1 to 25; 8 unless given.
    limit: Option<u32>,
}

/// A part of a source that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passage)]
struct PassageView {
    #[schema(value_type = String)]
    source_id: SourceId,
    title: String,
    url: Option<String>,
    /// The headings it stands under.
    section: String,
    /// The page of a PDF or the row of a table.
    page: Option<u32>,
    text: String,
    /// How much of the question its words answer, 0 to 1, if they do.
    share: Option<f32>,
    /// How alike its meaning is, -1 to 1, if it was compared.
    likeness: Option<f32>,
    /// Whether it may answer the question at all.
    answers: bool,
}

impl From<Passage> for PassageView {
    fn from(passage: Passage) -> Self {
        Self {
            answers: passage.answers(),
            source_id: passage.source_id,
            title: passage.title,
            url: passage.url,
            section: passage.section,
            page: passage.page,
            text: passage.text,
            share: passage.share,
            likeness: passage.likeness,
        }
    }
}

/// What was found, the best first.
#[derive(Debug, Serialize, ToSchema)]
struct Passages {
    items: Vec<PassageView>,
}

fn check_base(name: &str, description: &str, model: Option<&str>) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/name", name, NAME_MAX_CHARS);
    checks.at_most("/description", description, DESCRIPTION_MAX_CHARS);
    if let Some(model) = model {
        checks.text("/embedding_model", model, NAME_MAX_CHARS);
    }
    checks.done()
}

/// Lists knowledge bases.
#[utoipa::path(get, path = "/knowledge", tag = "knowledge", params(PageQuery),
    security(("api_key" = ["knowledge_read"])),
    responses((status = 200, body = PageView<BaseView>)))]
async fn list(
    caller: Allowed<perm::KnowledgeRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<BaseView>>, Problem> {
    let page = caller.store().knowledge_bases(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, BaseView::from))
}

/// Creates a knowledge base.
#[utoipa::path(post, path = "/knowledge", tag = "knowledge", request_body = NewBase,
    security(("api_key" = ["knowledge_write"])),
    responses((status = 201, body = BaseView)))]
async fn create(
    caller: Allowed<perm::KnowledgeWrite>,
    JsonBody(new): JsonBody<NewBase>,
) -> Result<Response, Problem> {
    check_base(&new.name, &new.description, new.embedding_model.as_deref())?;
    let now = caller.now();
    let base = KnowledgeBase {
        id: KnowledgeBaseId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name: new.name,
        description: new.description,
        embedding_model: new.embedding_model,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    caller.store().create_knowledge_base(&base).await?;
    Ok(created(BaseView::from(base)))
}

/// Reads a knowledge base.
#[utoipa::path(get, path = "/knowledge/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The knowledge base.")),
    security(("api_key" = ["knowledge_read"])),
    responses((status = 200, body = BaseView)))]
async fn read(
    caller: Allowed<perm::KnowledgeRead>,
    Id(id): Id<KnowledgeBaseId>,
) -> Result<Json<BaseView>, Problem> {
    Ok(Json(caller.store().knowledge_base(caller.business_id, id).await?.into()))
}

/// Replaces a knowledge base. With another embedding model all of its sources are read again.
#[utoipa::path(put, path = "/knowledge/{id}", tag = "knowledge", request_body = BaseUpdate,
    params(("id" = String, Path, description = "The knowledge base.")),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 200, body = BaseView)))]
async fn update(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<KnowledgeBaseId>,
    JsonBody(new): JsonBody<BaseUpdate>,
) -> Result<Json<BaseView>, Problem> {
    let base = caller.store().knowledge_base(caller.business_id, id).await?;
    check_base(&new.name, &new.description, new.embedding_model.as_deref())?;
    let BaseUpdate { name, description, embedding_model, revision } = new;
    let updated_at = caller.now();
    let base = KnowledgeBase { name, description, embedding_model, revision, updated_at, ..base };
    let updated = caller.store().update_knowledge_base(&base).await?;
    caller.ingest().wake();
    Ok(Json(updated.into()))
}

/// Deletes a knowledge base that has no sources.
#[utoipa::path(delete, path = "/knowledge/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The knowledge base.")),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<KnowledgeBaseId>,
) -> Result<Response, Problem> {
    caller.store().delete_knowledge_base(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Finds the passages of a knowledge base that say most about a question, by their words and, where
/// the base has an embedding model, by what they mean.
#[utoipa::path(get, path = "/knowledge/{id}/search", tag = "knowledge",
    params(("id" = String, Path, description = "The knowledge base."), KnowledgeSearch),
    security(("api_key" = ["knowledge_read"])),
    responses((status = 200, body = Passages)))]
async fn search(
    caller: Allowed<perm::KnowledgeRead>,
    Id(id): Id<KnowledgeBaseId>,
    query: Result<Query<KnowledgeSearch>, Problem>,
) -> Result<Json<Passages>, Problem> {
    caller.store().knowledge_base(caller.business_id, id).await?;
    let Query(search) = query?;
    let limit = search.limit.unwrap_or(PASSAGES_DEFAULT);
    let mut checks = Checks::default();
    checks.text("q", &search.q, QUESTION_MAX_CHARS);
    let in_bounds = (1..=PASSAGES_MAX).contains(&limit);
    checks.require(in_bounds, "limit", format!("must be 1 to {PASSAGES_MAX}"));
    checks.done()?;
    let found = caller.knowledge().search(caller.business_id, id, &search.q, limit).await?;
    Ok(Json(Passages { items: found.into_iter().map(PassageView::from).collect() }))
}

/// Lists the sources of a knowledge base.
#[utoipa::path(get, path = "/knowledge/{id}/sources", tag = "knowledge",
    params(("id" = String, Path, description = "The knowledge base."), PageQuery),
    security(("api_key" = ["knowledge_read"])),
    responses((status = 200, body = PageView<SourceView>)))]
async fn sources(
    caller: Allowed<perm::KnowledgeRead>,
    Id(id): Id<KnowledgeBaseId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<SourceView>>, Problem> {
    let page = caller.store().sources(caller.business_id, id, &query.request()?).await?;
    Ok(PageView::of(page, SourceView::from))
}

/// Adds a text or an address. It is read soon; its state tells how far that is.
#[utoipa::path(post, path = "/knowledge/{id}/sources", tag = "knowledge",
    request_body = NewSource,
    params(("id" = String, Path, description = "The knowledge base.")),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 201, body = SourceView)))]
async fn add(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<KnowledgeBaseId>,
    JsonBody(new): JsonBody<NewSource>,
) -> Result<Response, Problem> {
    caller.store().knowledge_base(caller.business_id, id).await?;
    check_source(&caller, &new)?;
    let body = new.text.map(String::into_bytes);
    let text = body.is_some().then_some(SourceFormat::Text);
    let source = Source {
        origin: new.url.map_or(SourceOrigin::Upload, |url| SourceOrigin::Url { url }),
        format: new.format.map(SourceFormat::from).or(text),
        refresh_minutes: new.refresh_minutes,
        ..new_source(&caller, id, new.title)
    };
    keep(&caller, source, body.as_deref()).await
}

fn check_source(caller: &Caller, new: &NewSource) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/title", &new.title, NAME_MAX_CHARS);
    let one_of_both = new.text.is_some() != new.url.is_some();
    checks.require(one_of_both, "/text", "either text or url has to be given");
    if let Some(text) = &new.text {
        checks.require(!text.trim().is_empty(), "/text", "must not be blank");
    }
    if let Some(url) = &new.url {
        checks.at_most("/url", url, URL_MAX_CHARS);
        if let Err(refusal) = check_url(caller, url) {
            checks.require(false, "/url", refusal.to_string());
        }
    }
    let minutes = new.refresh_minutes.unwrap_or(REFRESH_MIN_MINUTES);
    let in_bounds = (REFRESH_MIN_MINUTES..=REFRESH_MAX_MINUTES).contains(&minutes);
    checks.require(in_bounds, "/refresh_minutes", "must be 15 minutes to a year");
    checks.done()
}

fn check_url(caller: &Caller, url: &str) -> Result<(), FetchError> {
    OpenUrl::parse(url)?;
    caller.fetcher().map_or(Ok(()), |fetcher: &dyn Fetcher| fetcher.check_url(url))
}

/// Adds a file of at most 8 MiB: PDF, Markdown, HTML, a table or plain text, as its body. It is read
/// soon; its state tells how far that is.
#[utoipa::path(post, path = "/knowledge/{id}/files", tag = "knowledge",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "The knowledge base."), FileQuery),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 201, body = SourceView)))]
async fn upload(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<KnowledgeBaseId>,
    query: Result<Query<FileQuery>, Problem>,
    body: RawBody<SOURCE_BYTES_MAX>,
) -> Result<Response, Problem> {
    caller.store().knowledge_base(caller.business_id, id).await?;
    let Query(file) = query?;
    let mut checks = Checks::default();
    checks.text("title", &file.title, NAME_MAX_CHARS);
    checks.require(!body.bytes.is_empty(), "", "the body must not be empty");
    checks.done()?;
    let said = file.format.map(SourceFormat::from).or_else(|| format_of(&body.media_type));
    let unknown = || {
        Problem::unsupported_media_type()
            .detail("name the format, or send text, Markdown, HTML, PDF or CSV by its Content-Type")
    };
    let format = Some(said.ok_or_else(unknown)?);
    let source = Source { format, ..new_source(&caller, id, file.title) };
    keep(&caller, source, Some(&body.bytes)).await
}

fn new_source(caller: &Caller, base_id: KnowledgeBaseId, title: String) -> Source {
    let now = caller.now();
    Source {
        id: SourceId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        base_id,
        title,
        origin: SourceOrigin::Upload,
        format: None,
        refresh_minutes: None,
        state: SourceState::Pending,
        created_at: now,
        updated_at: now,
    }
}

async fn keep(caller: &Caller, source: Source, body: Option<&[u8]>) -> Result<Response, Problem> {
    caller.store().create_source(&source, body).await?;
    caller.ingest().wake();
    Ok(created(SourceView::from(source)))
}

/// Reads a source.
#[utoipa::path(get, path = "/sources/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The source.")),
    security(("api_key" = ["knowledge_read"])),
    responses((status = 200, body = SourceView)))]
async fn source(
    caller: Allowed<perm::KnowledgeRead>,
    Id(id): Id<SourceId>,
) -> Result<Json<SourceView>, Problem> {
    Ok(Json(caller.store().source(caller.business_id, id).await?.into()))
}

/// Deletes a source; nothing of it is found any more.
#[utoipa::path(delete, path = "/sources/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The source.")),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 204)))]
async fn delete_source(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<SourceId>,
) -> Result<Response, Problem> {
    caller.store().delete_source(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Has a source read again: an address is asked anew, and what failed is tried anew.
#[utoipa::path(post, path = "/sources/{id}/read", tag = "knowledge",
    params(("id" = String, Path, description = "The source.")),
    security(("api_key" = ["knowledge_write"])),
    responses((status = 200, body = SourceView)))]
async fn read_again(
    caller: Allowed<perm::KnowledgeWrite>,
    Id(id): Id<SourceId>,
) -> Result<Json<SourceView>, Problem> {
    let now = caller.now();
    let source = caller.store().read_source_again(caller.business_id, id, now).await?;
    caller.ingest().wake();
    Ok(Json(source.into()))
}
