//! Contacts and their identities.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Contact, ContactId, ContactPatch, Identity, Page, PageRequest, Timestamp,
};
use justping_core::port::store::{ContactStore, StoreError, StoreResult};
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::group::{around, move_groups};
use super::row::{bytes, from, get, get_doc, get_index, parse_cursor, statements, to_doc};

statements! {
    /// Two flags: whether the business exists, and whether one of the identities is taken.
    PLACE_OF_CONTACT = "SELECT EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            coalesce((SELECT bool_or(EXISTS (SELECT 1 FROM identities i \
                WHERE i.business_id = $1 AND i.kind = v.kind AND i.address = v.address)) \
                FROM unnest($2::bytea[], $3::bytea[]) v (kind, address)), false)";
    INSERT_CONTACT = "INSERT INTO contacts (business_id, id, named, doc) VALUES ($1, $2, $3, $4)";
    /// The identities in the order of their key, so that two transactions wait for each other only
    /// one way.
    INSERT_IDENTITIES = "INSERT INTO identities (business_id, kind, address, contact_id) \
        SELECT DISTINCT $1::uuid, v.kind, v.address, $2::uuid \
        FROM unnest($3::bytea[], $4::bytea[]) v (kind, address) ORDER BY v.kind, v.address";
    CONTACT = "SELECT doc FROM contacts WHERE business_id = $1 AND id = $2";
    CONTACT_BY_IDENTITY = "SELECT c.doc FROM contacts c WHERE c.business_id = $1 AND c.id = ( \
        SELECT contact_id FROM identities WHERE business_id = $1 AND kind = $2 AND address = $3)";
    CONTACT_TO_PATCH = "SELECT doc FROM contacts WHERE business_id = $1 AND id = $2 FOR UPDATE";
    CONTACT_TO_LINK = "SELECT c.doc FROM contacts c WHERE c.business_id = $1 AND c.id = ( \
        SELECT contact_id FROM identities WHERE business_id = $1 AND kind = $2 AND address = $3) \
        FOR UPDATE";
    /// The identities that nobody has.
    FREE_IDENTITIES = "SELECT v.ord \
        FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY v (kind, address, ord) \
        WHERE NOT EXISTS (SELECT 1 FROM identities i \
            WHERE i.business_id = $1 AND i.kind = v.kind AND i.address = v.address) \
        ORDER BY v.ord";
    UPDATE_CONTACT = "UPDATE contacts SET named = $3, doc = $4 \
        WHERE business_id = $1 AND id = $2";
    /// One row when the contact exists: whether it has conversations, and so has to stay.
    CONTACT_TO_DELETE = "SELECT doc, EXISTS ( \
            SELECT 1 FROM conversations WHERE business_id = $1 AND contact_id = $2) \
        FROM contacts WHERE business_id = $1 AND id = $2 FOR UPDATE";
    DELETE_IDENTITIES = "DELETE FROM identities i \
        USING unnest($3::bytea[], $4::bytea[]) v (kind, address) \
        WHERE i.business_id = $1 AND i.kind = v.kind AND i.address = v.address \
            AND i.contact_id = $2";
    DELETE_CONTACT = "DELETE FROM contacts WHERE business_id = $1 AND id = $2";
    CONTACTS = "SELECT doc FROM contacts WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
}

#[async_trait]
impl ContactStore for PostgresStore {
    async fn create_contact(&self, contact: &Contact) -> StoreResult<()> {
        transaction!(self, Scope::Business(contact.business_id), |write| create(write, contact))
    }

    async fn contact(&self, business: BusinessId, id: ContactId) -> StoreResult<Contact> {
        let query = query(CONTACT).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "contact").await?,
            0,
            "contact",
        )
    }

    async fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<Contact> {
        let query = query(CONTACT_BY_IDENTITY)
            .bind(business.uuid())
            .bind(bytes(identity.kind.as_str()))
            .bind(bytes(&identity.id));
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "contact").await?,
            0,
            "contact",
        )
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
        transaction!(self, Scope::Business(business), |write| patch_one(
            write,
            (business.uuid(), id.uuid()),
            patch,
            now
        ))
    }

    async fn link_identities(
        &self,
        business: BusinessId,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> StoreResult<Contact> {
        transaction!(self, Scope::Business(business), |write| link(
            write, business, known, also, now
        ))
    }

    async fn delete_contact(&self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn contacts(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        let last = parse_cursor::<ContactId>(page.after.as_ref())?;
        let list = || {
            let list = query(CONTACTS).bind(business.uuid()).bind(from(last.map(ContactId::uuid)));
            list.bind(page.rows() as i64 + 1)
        };
        let rows = self.connections.list(business, list).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "contact")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Contact| row.id.to_string()))
    }
}

/// Identities as two columns.
fn columns(identities: &[Identity]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    identities.iter().map(|i| (bytes(i.kind.as_str()), bytes(&i.id))).unzip()
}

async fn create(write: &mut Write, contact: &Contact) -> StoreResult<()> {
    let (business, id) = (contact.business_id.uuid(), contact.id.uuid());
    let (kinds, addresses) = columns(&contact.identities);
    let place = query(PLACE_OF_CONTACT).bind(business).bind(kinds).bind(addresses);
    let rows = write.run(place).await?;
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
        .bind(to_doc(contact)?);
    write.run(insert).await?;
    insert_identities(write, contact, &contact.identities).await
}

async fn insert_identities(
    write: &mut Write,
    contact: &Contact,
    identities: &[Identity],
) -> StoreResult<()> {
    if identities.is_empty() {
        return Ok(());
    }
    let (kinds, addresses) = columns(identities);
    let insert = query(INSERT_IDENTITIES)
        .bind(contact.business_id.uuid())
        .bind(contact.id.uuid())
        .bind(kinds)
        .bind(addresses);
    write.run(insert).await.map(drop)
}

async fn patch_one(
    write: &mut Write,
    (business, id): (Uuid, Uuid),
    patch: &ContactPatch,
    now: Timestamp,
) -> StoreResult<Contact> {
    let rows = write.run(query(CONTACT_TO_PATCH).bind(business).bind(id)).await?;
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
        update(write, &contact).await?;
    }
    Ok(contact)
}

async fn link(
    write: &mut Write,
    business: BusinessId,
    known: &Identity,
    also: &[Identity],
    now: Timestamp,
) -> StoreResult<Contact> {
    let find = query(CONTACT_TO_LINK)
        .bind(business.uuid())
        .bind(bytes(known.kind.as_str()))
        .bind(bytes(&known.id));
    let rows = write.run(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("contact"))?;
    let mut contact: Contact = get_doc(row, 0, "contact")?;
    let (kinds, addresses) = columns(also);
    let free = query(FREE_IDENTITIES).bind(business.uuid()).bind(kinds).bind(addresses);
    let mut new = Vec::new();
    for row in write.run(free).await? {
        new.extend(also.get(get_index(&row, 0)?).cloned());
    }
    contact.learn(new.iter().cloned(), None, now);
    update(write, &contact).await?;
    insert_identities(write, &contact, &new).await?;
    Ok(contact)
}

async fn update(write: &mut Write, contact: &Contact) -> StoreResult<()> {
    let update = query(UPDATE_CONTACT)
        .bind(contact.business_id.uuid())
        .bind(contact.id.uuid())
        .bind(contact.name.is_some())
        .bind(to_doc(contact)?);
    write.run(update).await.map(drop)
}

async fn delete(write: &mut Write, business: BusinessId, id: ContactId) -> StoreResult<()> {
    let bind = |sql| query(sql).bind(business.uuid()).bind(id.uuid());
    let rows = write.run(bind(CONTACT_TO_DELETE)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("contact"))?;
    if get(row, 1)? {
        return Err(StoreError::Conflict("contact"));
    }
    let contact: Contact = get_doc(row, 0, "contact")?;
    let (kinds, addresses) = columns(&contact.identities);
    write.run(bind(DELETE_IDENTITIES).bind(kinds).bind(addresses)).await?;
    write.run(bind(DELETE_CONTACT)).await.map(drop)
}
