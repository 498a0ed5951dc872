use axum::Json;
use justping::model::Permission;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::schema;
use super::view::{PageQuery, PageView};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Authenticated, perm};
use crate::http::extract::Query;
use justping::model::{BusinessId, Member, MemberId, Role, Timestamp};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(me)).routes(routes!(members))
}

/// Who is calling.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The business everything happens in.
    #[schema(value_type = String, example = "biz_01kb1z3h3ve0qv8r3s7q5j5x4t")]
    business_id: BusinessId,
    /// Its name.
    business_name: String,
    /// The member the key acts for.
    member: MemberView,
    /// The role of the key.
    #[schema(schema_with = schema::role)]
    role: Role,
    /// What the key may do.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<Permission>,
}

/// A person who works for the business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
struct MemberView {
    #[schema(value_type = String)]
    id: MemberId,
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    created_at: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { id, name, role, created_at, .. } = member;
        Self { id, name, role, created_at }
    }
}

/// Tells who the key belongs to and what it may do.
#[utoipa::path(get, path = "/me", tag = "me", responses((status = 200, body = Me)))]
async fn me(Authenticated(caller): Authenticated) -> Result<Json<Me>, Problem> {
    let business = caller.store().business(caller.business_id).await?;
    let all = Permission::ALL.iter().copied();
    Ok(Json(Me {
        business_id: business.id,
        business_name: business.name,
        member: Member::clone(&caller.member).into(),
        role: caller.role,
        permissions: all.filter(|permission| caller.may(*permission)).collect(),
    }))
}

/// Lists the people who work for the business.
#[utoipa::path(get, path = "/members", tag = "me", params(PageQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<MemberView>)))]
async fn members(
    caller: Allowed<perm::ConversationsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<MemberView>>, Problem> {
    let page = caller.store().members(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, MemberView::from))
}
