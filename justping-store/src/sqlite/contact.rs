//! Contacts and their identities.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Contact, ContactId, ContactPatch, Identity, Page, PageRequest, Timestamp,
};
use justping_core::port::store::{ContactStore, StoreError, StoreResult};
use sqlx::query;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::Write;
use super::group::{around, move_groups};
use super::row::{after, batch, get, get_doc, parse_cursor, parse_doc, statements, to_doc};

statements! {
    /// Two flags: whether the business exists, and whether one of the identities is taken.
    PLACE_OF_CONTACT = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            EXISTS (SELECT 1 FROM json_each($2) v CROSS JOIN identities i \
                ON i.business_id = $1 AND i.kind = v.value ->> 0 AND i.address = v.value ->> 1)";
    INSERT_CONTACT = "INSERT INTO contacts (business_id, id, named, doc) \
            VALUES ($1, $2, $3, $4); \
        INSERT OR IGNORE INTO identities (business_id, kind, address, contact_id) \
            SELECT $1, value ->> 0, value ->> 1, $2 FROM json_each($5); \
        COMMIT";
    CONTACT = "SELECT doc FROM contacts WHERE business_id = $1 AND id = $2";
    CONTACT_BY_IDENTITY = "SELECT c.doc FROM identities i JOIN contacts c \
            ON c.business_id = i.business_id AND c.id = i.contact_id \
        WHERE i.business_id = $1 AND i.kind = $2 AND i.address = $3";
    CONTACT_TO_PATCH = "BEGIN IMMEDIATE; \
        SELECT doc FROM contacts WHERE business_id = $1 AND id = $2";
    END_PATCH = "COMMIT";
    /// The contact with an identity, or nothing; then the further identities that nobody has.
    CONTACT_TO_LINK = "BEGIN IMMEDIATE; \
        SELECT c.doc FROM identities i JOIN contacts c \
            ON c.business_id = i.business_id AND c.id = i.contact_id \
        WHERE i.business_id = $1 AND i.kind = $2 AND i.address = $3 \
        UNION ALL SELECT NULL LIMIT 1; \
        SELECT v.key FROM json_each($4) v LEFT JOIN identities i \
            ON i.business_id = $1 AND i.kind = v.value ->> 0 AND i.address = v.value ->> 1 \
        WHERE i.contact_id IS NULL";
    UPDATE_CONTACT = "UPDATE contacts SET named = $3, doc = $4 \
            WHERE business_id = $1 AND id = $2; \
        INSERT OR IGNORE INTO identities (business_id, kind, address, contact_id) \
            SELECT $1, value ->> 0, value ->> 1, $2 FROM json_each($5); \
        COMMIT";
    /// One row when the contact exists: whether it has conversations, and so has to stay.
    DELETE_CONTACT = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM conversations WHERE business_id = $1 AND contact_id = $2) \
            FROM contacts WHERE business_id = $1 AND id = $2; \
        DELETE FROM identities WHERE (business_id, kind, address) IN ( \
            SELECT $1, i.value ->> 'kind', i.value ->> 'id' \
            FROM contacts c, json_each(c.doc, '$.identities') i \
            WHERE c.business_id = $1 AND c.id = $2 AND NOT EXISTS ( \
                SELECT 1 FROM conversations WHERE business_id = $1 AND contact_id = $2)); \
        DELETE FROM contacts WHERE business_id = $1 AND id = $2 AND NOT EXISTS ( \
            SELECT 1 FROM conversations WHERE business_id = $1 AND contact_id = $2); \
        COMMIT";
    CONTACTS = "SELECT doc FROM contacts WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
}

#[async_trait]
impl ContactStore for SqliteStore {
    async fn create_contact(&self, contact: &Contact) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = create(&mut write, contact).await;
        write.settle(result).await
    }

    async fn contact(&self, business: BusinessId, id: ContactId) -> StoreResult<Contact> {
        let query = query(CONTACT).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "contact").await?, 0, "contact")
    }

    async fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<Contact> {
        let query = query(CONTACT_BY_IDENTITY)
            .bind(business.uuid())
            .bind(identity.kind.as_str().to_owned())
            .bind(identity.id.clone());
        get_doc(&self.connections.read_one(query, "contact").await?, 0, "contact")
    }

    async fn patch_contact(
        &self,
        business: BusinessId,
        id: ContactId,
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<Contact> {
        if patch.is_empty() {
            return self.contact(business, id).await;
        }
        let mut write = self.connections.write().await?;
        let result = patch_one(&mut write, (business.uuid(), id.uuid()), patch, now).await;
        write.settle(result).await
    }

    async fn link_identities(
        &self,
        business: BusinessId,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> StoreResult<Contact> {
        let mut write = self.connections.write().await?;
        let result = link(&mut write, business, known, also, now).await;
        write.settle(result).await
    }

    async fn delete_contact(&self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let delete = query(DELETE_CONTACT).bind(business.uuid()).bind(id.uuid());
        let result = write.whole(delete).await;
        let rows = write.settle(result).await?;
        let row = rows.first().ok_or(StoreError::NotFound("contact"))?;
        if get(row, 0)? { Err(StoreError::Conflict("contact")) } else { Ok(()) }
    }

    async fn contacts(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        let from = parse_cursor::<ContactId>(page.after.as_ref())?;
        let list = query(CONTACTS).bind(business.uuid()).bind(after(from.map(ContactId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "contact")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Contact| row.id.to_string()))
    }
}

/// Identities as a batch of pairs.
fn pairs<'a>(identities: impl IntoIterator<Item = &'a Identity>) -> StoreResult<String> {
    let rows: Vec<_> = identities.into_iter().map(|i| (i.kind.as_str(), &*i.id)).collect();
    batch(&rows)
}

async fn create(write: &mut Write<'_>, contact: &Contact) -> StoreResult<()> {
    let (business, id) = (contact.business_id.uuid(), contact.id.uuid());
    let identities = pairs(&contact.identities)?;
    let place = query(PLACE_OF_CONTACT).bind(business).bind(identities.clone());
    let rows = write.begin(place).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    if !get::<bool>(row, 0)? {
        return Err(StoreError::NotFound("business"));
    }
    if get(row, 1)? {
        return Err(StoreError::Conflict("identity"));
    }
    let insert = query(INSERT_CONTACT)
        .bind(business)
        .bind(id)
        .bind(contact.name.is_some())
        .bind(to_doc(contact)?)
        .bind(identities);
    write.commit(insert).await.map(drop)
}

async fn patch_one(
    write: &mut Write<'_>,
    (business, id): (Uuid, Uuid),
    patch: &ContactPatch,
    now: Timestamp,
) -> StoreResult<Contact> {
    let rows = write.begin(query(CONTACT_TO_PATCH).bind(business).bind(id)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("contact"))?;
    let mut contact: Contact = get_doc(row, 0, "contact")?;
    if patch.moves_groups() {
        let named = patch.join_groups.union(&patch.leave_groups);
        let named = named.map(|group| (contact.business_id, *group));
        let key = (contact.business_id, contact.id);
        let mut groups = around(write, [key], named).await?;
        groups.asked(key, patch, now)?;
        move_groups(write, &groups).await?;
    }
    if contact.apply(patch, now) {
        update(write, &contact, &[]).await?;
    } else {
        write.commit(query(END_PATCH)).await?;
    }
    Ok(contact)
}

async fn link(
    write: &mut Write<'_>,
    business: BusinessId,
    known: &Identity,
    also: &[Identity],
    now: Timestamp,
) -> StoreResult<Contact> {
    let find = query(CONTACT_TO_LINK)
        .bind(business.uuid())
        .bind(known.kind.as_str().to_owned())
        .bind(known.id.clone())
        .bind(pairs(also)?);
    let rows = write.begin(find).await?;
    let (row, free) = rows.split_first().ok_or(StoreError::NotFound("contact"))?;
    let doc: Option<&str> = get(row, 0)?;
    let mut contact: Contact = parse_doc(doc.ok_or(StoreError::NotFound("contact"))?, "contact")?;
    let mut new = Vec::new();
    for row in free {
        let index = usize::try_from(get::<i64>(row, 0)?).unwrap_or(usize::MAX);
        new.extend(also.get(index).cloned());
    }
    contact.learn(new.iter().cloned(), None, now);
    update(write, &contact, &new).await?;
    Ok(contact)
}

async fn update(write: &mut Write<'_>, contact: &Contact, new: &[Identity]) -> StoreResult<()> {
    let update = query(UPDATE_CONTACT)
        .bind(contact.business_id.uuid())
        .bind(contact.id.uuid())
        .bind(contact.name.is_some())
        .bind(to_doc(contact)?)
        .bind(pairs(new)?);
    write.commit(update).await.map(drop)
}
