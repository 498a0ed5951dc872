use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{
    ChannelKind, Contact, ContactId, ContactPatch, GROUPS_OF_CONTACT_MAX, GroupId, Identity, Page,
    Timestamp,
};
use justping::port::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{
    Checks, IDENTITIES_MAX, IDENTITY_MAX_CHARS, LABEL_MAX_CHARS, LABELS_MAX, NAME_MAX_CHARS,
};
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, patch, delete))
}

/// How a contact is known in one kind of channel.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Identity)]
struct IdentityBody {
    /// The kind of channel, such as `whatsapp` or `webchat`.
    kind: String,
    /// The id in that kind: phone digits, visitor id.
    id: String,
}

/// An end user, known by one identity or more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub(super) struct ContactView {
    #[schema(value_type = String)]
    id: ContactId,
    name: Option<String>,
    identities: Vec<IdentityBody>,
    /// Custom fields by name.
    fields: BTreeMap<String, Value>,
    tags: BTreeSet<String>,
    /// The groups it is in.
    #[schema(value_type = Vec<String>)]
    groups: BTreeSet<GroupId>,
    /// BCP 47 language tag.
    locale: Option<String>,
    /// IANA time zone.
    time_zone: Option<String>,
    /// Kinds of channel on which the contact asked for silence.
    #[schema(value_type = Vec<String>)]
    opted_out: BTreeSet<ChannelKind>,
    /// Kinds of channel whose provider reported the address as dead.
    #[schema(value_type = Vec<String>)]
    suppressed: BTreeSet<ChannelKind>,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ContactView {
    fn new(contact: Contact, groups: BTreeSet<GroupId>) -> Self {
        let identity = |i: Identity| IdentityBody { kind: i.kind.to_string(), id: i.id };
        Self {
            id: contact.id,
            name: contact.name,
            identities: contact.identities.into_iter().map(identity).collect(),
            fields: contact.fields,
            tags: contact.tags,
            groups,
            locale: contact.locale,
            time_zone: contact.time_zone,
            opted_out: contact.opted_out,
            suppressed: contact.suppressed,
            revision: contact.revision,
            created_at: contact.created_at,
            updated_at: contact.updated_at,
        }
    }
}

/// Shows a page of contacts with the groups they are in.
pub(super) async fn show_all(
    caller: &Caller,
    page: Page<Contact>,
) -> Result<Json<PageView<ContactView>>, Problem> {
    let ids: Vec<ContactId> = page.items.iter().map(|contact| contact.id).collect();
    let mut groups = caller.store().groups_of(caller.business_id, &ids).await?;
    Ok(PageView::of(page, |contact| {
        let groups = groups.remove(&contact.id).unwrap_or_default();
        ContactView::new(contact, groups)
    }))
}

async fn show(caller: &Caller, contact: Contact) -> Result<Json<ContactView>, Problem> {
    let mut groups = caller.store().groups_of(caller.business_id, &[contact.id]).await?;
    let groups = groups.remove(&contact.id).unwrap_or_default();
    Ok(Json(ContactView::new(contact, groups)))
}

/// What is wrong with the groups of a change is said of them, and not of the contact.
fn about_groups(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound("group") => Problem::invalid_field(
            "/join_groups",
            "or leave_groups names a group that does not exist",
        ),
        StoreError::Invalid("number of groups") => Problem::invalid_field(
            "/join_groups",
            format!("must leave the contact in at most {GROUPS_OF_CONTACT_MAX} groups"),
        ),
        other => other.into(),
    }
}

/// A contact to create.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct NewContact {
    name: Option<String>,
    identities: Vec<IdentityBody>,
    fields: BTreeMap<String, Value>,
    tags: BTreeSet<String>,
    locale: Option<String>,
    time_zone: Option<String>,
}

/// A change of a contact: what is left out stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ContactChange {
    name: Option<String>,
    /// Fields to set; `null` removes one.
    fields: BTreeMap<String, Value>,
    add_tags: BTreeSet<String>,
    remove_tags: BTreeSet<String>,
    /// Groups to come into.
    #[schema(value_type = Vec<String>)]
    join_groups: BTreeSet<GroupId>,
    /// Groups to leave.
    #[schema(value_type = Vec<String>)]
    leave_groups: BTreeSet<GroupId>,
    locale: Option<String>,
    time_zone: Option<String>,
    /// Kinds of channel on which the contact asked for silence.
    #[schema(value_type = Vec<String>)]
    opt_out: BTreeSet<ChannelKind>,
    /// Kinds of channel on which the contact may be written to again.
    #[schema(value_type = Vec<String>)]
    opt_in: BTreeSet<ChannelKind>,
}

impl Checks {
    fn labels<'a>(&mut self, path: &str, labels: impl ExactSizeIterator<Item = &'a String>) {
        self.count(path, labels.len(), LABELS_MAX);
        for label in labels.take(LABELS_MAX) {
            self.text(path, label, LABEL_MAX_CHARS);
        }
    }

    fn person(&mut self, name: Option<&str>, locale: Option<&str>, time_zone: Option<&str>) {
        if let Some(name) = name {
            self.text("/name", name, NAME_MAX_CHARS);
        }
        if let Some(locale) = locale {
            self.text("/locale", locale, LABEL_MAX_CHARS);
        }
        if let Some(zone) = time_zone {
            let known = jiff::tz::TimeZone::get(zone).is_ok();
            self.require(known, "/time_zone", "is not an IANA time zone");
        }
    }

    fn identities(&mut self, identities: &[IdentityBody]) {
        self.count("/identities", identities.len(), IDENTITIES_MAX);
        for (index, identity) in identities.iter().enumerate().take(IDENTITIES_MAX) {
            self.text(&format!("/identities/{index}/kind"), &identity.kind, LABEL_MAX_CHARS);
            self.text(&format!("/identities/{index}/id"), &identity.id, IDENTITY_MAX_CHARS);
        }
    }
}

/// Lists contacts.
#[utoipa::path(get, path = "/contacts", tag = "contacts", params(PageQuery),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = PageView<ContactView>)))]
async fn list(
    caller: Allowed<perm::ContactsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<ContactView>>, Problem> {
    let page = caller.store().contacts(caller.business_id, &query.request()?).await?;
    show_all(&caller, page).await
}

/// Creates a contact.
#[utoipa::path(post, path = "/contacts", tag = "contacts", request_body = NewContact,
    security(("api_key" = ["contacts_write"])),
    responses((status = 201, body = ContactView)))]
async fn create(
    caller: Allowed<perm::ContactsWrite>,
    JsonBody(new): JsonBody<NewContact>,
) -> Result<Response, Problem> {
    let mut checks = Checks::default();
    checks.person(new.name.as_deref(), new.locale.as_deref(), new.time_zone.as_deref());
    checks.identities(&new.identities);
    checks.labels("/fields", new.fields.keys());
    checks.labels("/tags", new.tags.iter());
    checks.done()?;
    let identity = |i: IdentityBody| Identity::new(ChannelKind::from(i.kind), i.id);
    let id = ContactId::from_uuid(caller.ids().uuid());
    let mut identities: Vec<_> = new.identities.into_iter().map(identity).collect();
    identities.dedup();
    let contact = Contact {
        name: new.name,
        identities,
        fields: new.fields,
        tags: new.tags,
        locale: new.locale,
        time_zone: new.time_zone,
        ..Contact::new(id, caller.business_id, caller.now())
    };
    caller.store().create_contact(&contact).await?;
    Ok(created(ContactView::new(contact, BTreeSet::new())))
}

/// Reads a contact.
#[utoipa::path(get, path = "/contacts/{id}", tag = "contacts",
    params(("id" = String, Path, description = "The contact.")),
    security(("api_key" = ["contacts_read"])),
    responses((status = 200, body = ContactView)))]
async fn read(
    caller: Allowed<perm::ContactsRead>,
    Id(id): Id<ContactId>,
) -> Result<Json<ContactView>, Problem> {
    let contact = caller.store().contact(caller.business_id, id).await?;
    show(&caller, contact).await
}

/// Changes parts of a contact.
#[utoipa::path(patch, path = "/contacts/{id}", tag = "contacts", request_body = ContactChange,
    params(("id" = String, Path, description = "The contact.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 200, body = ContactView)))]
async fn patch(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<ContactId>,
    JsonBody(change): JsonBody<ContactChange>,
) -> Result<Json<ContactView>, Problem> {
    let mut checks = Checks::default();
    checks.person(change.name.as_deref(), change.locale.as_deref(), change.time_zone.as_deref());
    checks.labels("/fields", change.fields.keys());
    checks.labels("/add_tags", change.add_tags.iter());
    checks.count("/join_groups", change.join_groups.len(), GROUPS_OF_CONTACT_MAX);
    checks.count("/leave_groups", change.leave_groups.len(), GROUPS_OF_CONTACT_MAX);
    checks.done()?;
    let patch = ContactPatch {
        name: change.name,
        fields: change.fields,
        add_tags: change.add_tags,
        remove_tags: change.remove_tags,
        join_groups: change.join_groups,
        leave_groups: change.leave_groups,
        locale: change.locale,
        time_zone: change.time_zone,
        opt_out: change.opt_out,
        opt_in: change.opt_in,
        ..ContactPatch::default()
    };
    let now = caller.now();
    let patched = caller.store().patch_contact(caller.business_id, id, &patch, now).await;
    show(&caller, patched.map_err(about_groups)?).await
}

/// Deletes a contact that has no conversations.
#[utoipa::path(delete, path = "/contacts/{id}", tag = "contacts",
    params(("id" = String, Path, description = "The contact.")),
    security(("api_key" = ["contacts_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::ContactsWrite>,
    Id(id): Id<ContactId>,
) -> Result<Response, Problem> {
    caller.store().delete_contact(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
