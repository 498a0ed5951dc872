use std::collections::BTreeSet;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{ContactId, GROUP_NAME_MAX_CHARS, Group, GroupId, Membership, Timestamp};
use justping::port::StoreError;
use justping::port::store::GROUP_BATCH_MAX;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::Checks;
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::{Id, JsonBody, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, rename, delete))
        .routes(routes!(members, add))
        .routes(routes!(remove))
}

/// A list of contacts that people and flows put together, one by one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
struct GroupView {
    #[schema(value_type = String)]
    id: GroupId,
    /// Unique in the business.
    name: String,
    /// Counts changes of the name, not of who is in it.
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Group> for GroupView {
    fn from(Group { id, name, revision, created_at, updated_at, .. }: Group) -> Self {
        Self { id, name, revision, created_at, updated_at }
    }
}

/// A group, and how many contacts are in it.
#[derive(Debug, Serialize, ToSchema)]
struct GroupWithSize {
    #[serde(flatten)]
    group: GroupView,
    /// How many contacts are in it.
    size: u64,
}

/// A contact that is in a group.
#[derive(Debug, Serialize, ToSchema)]
struct GroupMember {
    #[schema(value_type = String)]
    contact_id: ContactId,
    /// When it came in.
    since: Timestamp,
}

impl From<Membership> for GroupMember {
    fn from(Membership { contact_id, since, .. }: Membership) -> Self {
        Self { contact_id, since }
    }
}

/// A group to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    /// 1 to 100 characters; white space at its ends is cut off.
    name: String,
}

/// A group as it shall be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupUpdate {
    /// 1 to 100 characters; white space at its ends is cut off.
    name: String,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

/// Contacts to put into a group or to take out of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupContacts {
    /// Up to 1000 ids of contacts.
    #[schema(value_type = Vec<String>)]
    contacts: BTreeSet<ContactId>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
struct GroupChanged {
    /// How many of the contacts were not in the group before, or were.
    changed: u64,
}

fn read_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    let mut checks = Checks::default();
    checks.text("/name", name, GROUP_NAME_MAX_CHARS);
    checks.done()?;
    Ok(name.to_owned())
}

fn read_contacts(body: GroupContacts) -> Result<Vec<ContactId>, Problem> {
    let mut checks = Checks::default();
    checks.count("/contacts", body.contacts.len(), GROUP_BATCH_MAX);
    checks.done()?;
    Ok(body.contacts.into_iter().collect())
}

/// What is wrong with the contacts of a batch is said of them, and not of the group.
fn about_contacts(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound("contact") => {
            Problem::invalid_field("/contacts", "names a contact that does not exist")
        }
        StoreError::Invalid("number of groups") => {
            Problem::invalid_field("/contacts", "names a contact that is in too many groups")
        }
        other => other.into(),
    }
}

/// Lists groups.
#[utoipa::path(get, path = "/groups", tag = "groups", params(PageQuery),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = PageView<GroupView>)))]
async fn list(
    caller: Allowed<perm::ContactsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<GroupView>>, Problem> {
    let page = caller.store().groups(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, GroupView::from))
}

/// Creates a group, with nobody in it.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = NewGroup,
    security(("api_key" = ["contacts_write"])),
    responses((status = 201, body = GroupView)))]
async fn create(
    caller: Allowed<perm::ContactsWrite>,
    JsonBody(new): JsonBody<NewGroup>,
) -> Result<Response, Problem> {
    let (name, now) = (read_name(&new.name)?, caller.now());
    let group = Group {
        id: GroupId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    caller.store().create_group(&group).await?;
    Ok(created(GroupView::from(group)))
}

/// Reads a group and counts who is in it.
#[utoipa::path(get, path = "/groups/{id}", tag = "groups",
    params(("id" = String, Path, description = "The group.")),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = GroupWithSize)))]
async fn read(
    caller: Allowed<perm::ContactsRead>,
    Id(id): Id<GroupId>,
) -> Result<Json<GroupWithSize>, Problem> {
    let group = caller.store().group(caller.business_id, id).await?.into();
    let size = caller.store().group_size(caller.business_id, id).await?;
    Ok(Json(GroupWithSize { group, size }))
}

/// Renames a group.
#[utoipa::path(put, path = "/groups/{id}", tag = "groups", request_body = GroupUpdate,
    params(("id" = String, Path, description = "The group.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 200, body = GroupView)))]
async fn rename(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<GroupId>,
    JsonBody(new): JsonBody<GroupUpdate>,
) -> Result<Json<GroupView>, Problem> {
    let before = caller.store().group(caller.business_id, id).await?;
    let (name, updated_at) = (read_name(&new.name)?, caller.now());
    let group = Group { name, revision: new.revision, updated_at, ..before };
    Ok(Json(caller.store().update_group(&group).await?.into()))
}

/// Deletes a group. Its contacts stay; flows that name it pass over it.
#[utoipa::path(delete, path = "/groups/{id}", tag = "groups",
    params(("id" = String, Path, description = "The group.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<GroupId>,
) -> Result<Response, Problem> {
    caller.store().delete_group(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the contacts in a group, by id.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "groups",
    params(("id" = String, Path, description = "The group."), PageQuery),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = PageView<GroupMember>)))]
async fn members(
    caller: Allowed<perm::ContactsRead>,
    Id(id): Id<GroupId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<GroupMember>>, Problem> {
    let page = caller.store().memberships(caller.business_id, id, &query.request()?).await?;
    Ok(PageView::of(page, GroupMember::from))
}

/// Puts contacts into a group: all of them, or none when one does not exist. Those who are in it stay.
#[utoipa::path(post, path = "/groups/{id}/members", tag = "groups", request_body = GroupContacts,
    params(("id" = String, Path, description = "The group.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 200, body = GroupChanged)))]
async fn add(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<GroupId>,
    JsonBody(body): JsonBody<GroupContacts>,
) -> Result<Json<GroupChanged>, Problem> {
    let contacts = read_contacts(body)?;
    let now = caller.now();
    let added = caller.store().add_to_group(caller.business_id, id, &contacts, now).await;
    Ok(Json(GroupChanged { changed: added.map_err(about_contacts)? }))
}

/// Takes contacts out of a group: all of them, or none when one does not exist.
#[utoipa::path(post, path = "/groups/{id}/members/remove", tag = "groups",
    request_body = GroupContacts,
    params(("id" = String, Path, description = "The group.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 200, body = GroupChanged)))]
async fn remove(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<GroupId>,
    JsonBody(body): JsonBody<GroupContacts>,
) -> Result<Json<GroupChanged>, Problem> {
    let contacts = read_contacts(body)?;
    let removed = caller.store().remove_from_group(caller.business_id, id, &contacts).await;
    Ok(Json(GroupChanged { changed: removed.map_err(about_contacts)? }))
}
