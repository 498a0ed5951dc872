use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{ApiKey, ApiKeyId, MemberId, Role, Timestamp};
use justping::port::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, NAME_MAX_CHARS};
use super::schema;
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::{Id, JsonBody, Query};
use crate::http::idempotency::ReplayBody;
use crate::token;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A credential for programs.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    #[schema(value_type = String)]
    id: ApiKeyId,
    /// The member it acts for.
    #[schema(value_type = String)]
    member_id: MemberId,
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    created_at: Timestamp,
    /// When it stopped working.
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, member_id, name, role, created_at, revoked_at, .. } = key;
        Self { id, member_id, name, role, created_at, revoked_at }
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKeyView,
    /// The token, shown this once and kept nowhere; `null` when the answer is repeated.
    token: Option<String>,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// A label for people.
    name: String,
    /// What it may do; at most what its member may.
    #[schema(schema_with = schema::role)]
    role: Role,
    /// The member it acts for; yourself unless given.
    #[schema(value_type = Option<String>)]
    member_id: Option<MemberId>,
}

/// Lists keys, revoked ones too.
#[utoipa::path(get, path = "/api-keys", tag = "api-keys", params(PageQuery),
    security(("api_key" = ["api_keys_write"])),
    responses((status = 200, body = PageView<ApiKeyView>)))]
async fn list(
    caller: Allowed<perm::ApiKeysWrite>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<ApiKeyView>>, Problem> {
    let page = caller.store().api_keys(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, ApiKeyView::from))
}

/// Makes a key.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", request_body = NewApiKey,
    security(("api_key" = ["api_keys_write"])),
    responses((status = 201, body = CreatedApiKey)))]
async fn create(
    caller: Allowed<perm::ApiKeysWrite>,
    JsonBody(new): JsonBody<NewApiKey>,
) -> Result<Response, Problem> {
    let mut checks = Checks::default();
    checks.text("/name", &new.name, NAME_MAX_CHARS);
    checks.done()?;
    let member_id = new.member_id.unwrap_or(caller.member_id());
    let member = match caller.store().member(caller.business_id, member_id).await {
        Ok(member) => member,
        Err(StoreError::NotFound(_)) => {
            return Err(Problem::invalid_field("/member_id", "there is no such member"));
        }
        Err(error) => return Err(error.into()),
    };
    if !new.role.within(member.role) {
        return Err(Problem::invalid_field("/role", "is more than the member may"));
    }
    let token = token::mint(&**caller.jp().entropy());
    let key = ApiKey {
        id: ApiKeyId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        member_id,
        name: new.name,
        role: new.role,
        token_sha256: token::digest(&token),
        created_at: caller.now(),
        revoked_at: None,
    };
    caller.store().create_api_key(&key).await?;
    show_once(key.into(), token)
}

/// Answers with the token; a repeated request gets the same answer without it.
fn show_once(key: ApiKeyView, token: String) -> Result<Response, Problem> {
    let again = CreatedApiKey { key: key.clone(), token: None };
    let again = serde_json::to_string(&again).map_err(|_| Problem::internal())?;
    let mut response = created(CreatedApiKey { key, token: Some(token) });
    response.extensions_mut().insert(ReplayBody(again));
    Ok(response)
}

/// Ends a key at once. Again is fine.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys",
    params(("id" = String, Path, description = "The key.")),
    security(("api_key" = ["api_keys_write"])),
    responses((status = 204)))]
async fn revoke(
    caller: Allowed<perm::ApiKeysWrite>,
    Id(id): Id<ApiKeyId>,
) -> Result<Response, Problem> {
    caller.store().revoke_api_key(caller.business_id, id, caller.now()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
