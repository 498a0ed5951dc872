//! Groups, and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ContactId, GROUPS_MAX, GROUPS_OF_CONTACT_MAX, Group, GroupId, Membership, Page,
    PageRequest, Timestamp,
};
use justping_core::port::store::{GROUP_BATCH_MAX, GroupStore, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::{Bound, Write};
use super::row::{
    Hex, after, batch, get, get_count, get_doc, millis, moment, parse_cursor, parse_doc,
    statements, to_doc,
};
use crate::decision::Groups;

statements! {
    /// One row: whether the business exists, the group as it stands, how many there are.
    PLACE_OF_GROUP = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            (SELECT doc FROM contact_groups WHERE business_id = $1 AND id = $2), \
            (SELECT count(*) FROM contact_groups WHERE business_id = $1)";
    INSERT_GROUP = "INSERT INTO contact_groups (business_id, id, name, doc) \
            VALUES ($1, $2, $3, $4); \
        COMMIT";
    UPDATE_GROUP = "UPDATE contact_groups SET name = $3, doc = $4 \
            WHERE business_id = $1 AND id = $2; \
        COMMIT";
    GROUP = "SELECT doc FROM contact_groups WHERE business_id = $1 AND id = $2";
    GROUPS = "SELECT doc FROM contact_groups WHERE business_id = $1 AND id > $2 \
        ORDER BY id LIMIT $3";
    /// One row when there was a group; its memberships are left to the upkeep.
    DELETE_GROUP = "BEGIN IMMEDIATE; \
        INSERT OR IGNORE INTO gone_groups (business_id, group_id) \
            SELECT business_id, id FROM contact_groups WHERE business_id = $1 AND id = $2; \
        DELETE FROM contact_groups WHERE business_id = $1 AND id = $2 RETURNING 1; \
        COMMIT";
    /// One row: whether the group is there, how many of the contacts are, and whether one of them
    /// is in as many other groups as it may.
    PLACE_IN_GROUP = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM contact_groups WHERE business_id = $1 AND id = $2), \
            (SELECT count(*) FROM json_each($3) v CROSS JOIN contacts c \
                ON c.business_id = $1 AND c.id = unhex(v.value)), \
            EXISTS (SELECT 1 FROM json_each($3) v WHERE $4 <= ( \
                SELECT count(*) FROM memberships m INDEXED BY memberships_contact \
                    CROSS JOIN contact_groups g \
                        ON g.business_id = m.business_id AND g.id = m.group_id \
                WHERE m.business_id = $1 AND m.contact_id = unhex(v.value) \
                    AND m.group_id <> $2))";
    PUT_IN_GROUP = "INSERT OR IGNORE INTO memberships (business_id, group_id, contact_id, since) \
            SELECT $1, $2, unhex(value), $4 FROM json_each($3) RETURNING 1; \
        COMMIT";
    TAKE_OUT_OF_GROUP = "DELETE FROM memberships WHERE business_id = $1 AND group_id = $2 \
            AND contact_id IN (SELECT unhex(value) FROM json_each($3)) RETURNING 1; \
        COMMIT";
    MEMBERSHIPS = "SELECT contact_id, since FROM memberships \
        WHERE business_id = $1 AND group_id = $2 AND contact_id > $3 \
            AND EXISTS (SELECT 1 FROM contact_groups WHERE business_id = $1 AND id = $2) \
        ORDER BY contact_id LIMIT $4";
    GROUP_SIZE = "SELECT (SELECT count(*) FROM memberships m \
            WHERE m.business_id = g.business_id AND m.group_id = g.id) \
        FROM contact_groups g WHERE g.business_id = $1 AND g.id = $2";
    GROUPS_OF = "SELECT m.contact_id, m.group_id FROM json_each($2) v \
        CROSS JOIN memberships m INDEXED BY memberships_contact \
            ON m.business_id = $1 AND m.contact_id = unhex(v.value) \
        CROSS JOIN contact_groups g ON g.business_id = m.business_id AND g.id = m.group_id";
    /// The groups that contacts are in, then those of patches that are there.
    GROUPS_AROUND = "SELECT m.business_id, m.contact_id, m.group_id FROM json_each($1) v \
            CROSS JOIN memberships m INDEXED BY memberships_contact \
                ON m.business_id = unhex(v.value ->> 0) AND m.contact_id = unhex(v.value ->> 1) \
            CROSS JOIN contact_groups g ON g.business_id = m.business_id AND g.id = m.group_id; \
        SELECT g.business_id, NULL, g.id FROM json_each($2) v CROSS JOIN contact_groups g \
            ON g.business_id = unhex(v.value ->> 0) AND g.id = unhex(v.value ->> 1)";
    MOVE_GROUPS = "DELETE FROM memberships WHERE (business_id, group_id, contact_id) IN ( \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2) \
            FROM json_each($1)); \
        INSERT OR REPLACE INTO memberships (business_id, group_id, contact_id, since) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value ->> 3 \
            FROM json_each($2)";
}

#[async_trait]
impl GroupStore for SqliteStore {
    async fn create_group(&self, group: &Group) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = create(&mut write, group).await;
        write.settle(result).await
    }

    async fn group(&self, business: BusinessId, id: GroupId) -> StoreResult<Group> {
        let query = query(GROUP).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "group").await?, 0, "group")
    }

    async fn update_group(&self, group: &Group) -> StoreResult<Group> {
        let mut write = self.connections.write().await?;
        let result = update(&mut write, group).await;
        write.settle(result).await
    }

    async fn delete_group(&self, business: BusinessId, id: GroupId) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let delete = query(DELETE_GROUP).bind(business.uuid()).bind(id.uuid());
        let result = write.whole(delete).await;
        let rows = write.settle(result).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("group"))
    }

    async fn groups(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Group>> {
        let from = parse_cursor::<GroupId>(page.after.as_ref())?;
        let list = query(GROUPS).bind(business.uuid()).bind(after(from.map(GroupId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "group")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Group| row.id.to_string()))
    }

    async fn add_to_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
        now: Timestamp,
    ) -> StoreResult<u64> {
        let contacts = distinct(contacts)?;
        let mut write = self.connections.write().await?;
        let result = put_in(&mut write, (business, id), &contacts, now).await;
        write.settle(result).await
    }

    async fn remove_from_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<u64> {
        let contacts = distinct(contacts)?;
        let mut write = self.connections.write().await?;
        let result = take_out(&mut write, (business, id), &contacts).await;
        write.settle(result).await
    }

    async fn memberships(
        &self,
        business: BusinessId,
        id: GroupId,
        page: &PageRequest,
    ) -> StoreResult<Page<Membership>> {
        let from = parse_cursor::<ContactId>(page.after.as_ref())?;
        let list = query(MEMBERSHIPS).bind(business.uuid()).bind(id.uuid());
        let list = list.bind(after(from.map(ContactId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            self.group(business, id).await?;
        }
        let membership = |row: &SqliteRow| {
            let (contact_id, since) = (ContactId::from_uuid(get(row, 0)?), moment(get(row, 1)?)?);
            Ok(Membership { business_id: business, group_id: id, contact_id, since })
        };
        let rows = rows.iter().map(membership).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Membership| row.contact_id.to_string()))
    }

    async fn group_size(&self, business: BusinessId, id: GroupId) -> StoreResult<u64> {
        let query = query(GROUP_SIZE).bind(business.uuid()).bind(id.uuid());
        get_count(&self.connections.read_one(query, "group").await?, 0)
    }

    async fn groups_of(
        &self,
        business: BusinessId,
        contacts: &[ContactId],
    ) -> StoreResult<BTreeMap<ContactId, BTreeSet<GroupId>>> {
        let read = query(GROUPS_OF).bind(business.uuid()).bind(ids(&distinct(contacts)?)?);
        let mut found: BTreeMap<ContactId, BTreeSet<GroupId>> = BTreeMap::new();
        for row in self.connections.read(read).await? {
            let contact = ContactId::from_uuid(get(&row, 0)?);
            found.entry(contact).or_default().insert(GroupId::from_uuid(get(&row, 1)?));
        }
        Ok(found)
    }
}

/// Reads what decides patches of contacts: the groups they are in, and those named that are there.
pub(super) async fn around(
    write: &mut Write<'_>,
    contacts: impl IntoIterator<Item = (BusinessId, ContactId)>,
    named: impl IntoIterator<Item = (BusinessId, GroupId)>,
) -> StoreResult<Groups> {
    let contacts = contacts.into_iter().map(|(b, id)| (Hex(b.uuid()), Hex(id.uuid())));
    let named = named.into_iter().map(|(b, id)| (Hex(b.uuid()), Hex(id.uuid())));
    let contacts = batch(&contacts.collect::<Vec<_>>())?;
    let read = query(GROUPS_AROUND).bind(contacts).bind(batch(&named.collect::<Vec<_>>())?);
    let mut groups = Groups::default();
    for row in write.run(read).await? {
        let business = BusinessId::from_uuid(get(&row, 0)?);
        let group = GroupId::from_uuid(get(&row, 2)?);
        match get::<Option<Uuid>>(&row, 1)? {
            Some(contact) => groups.add_current((business, ContactId::from_uuid(contact)), group),
            None => groups.add_known(business, group),
        }
    }
    Ok(groups)
}

/// Writes down how contacts move between groups.
pub(super) async fn move_groups(write: &mut Write<'_>, groups: &Groups) -> StoreResult<()> {
    if groups.is_still() {
        return Ok(());
    }
    let left = groups
        .left()
        .map(|(b, group, contact)| (Hex(b.uuid()), Hex(group.uuid()), Hex(contact.uuid())));
    let joined = groups.joined().map(|((b, group, contact), since)| {
        (Hex(b.uuid()), Hex(group.uuid()), Hex(contact.uuid()), millis(since))
    });
    let left = batch(&left.collect::<Vec<_>>())?;
    let moves = query(MOVE_GROUPS).bind(left).bind(batch(&joined.collect::<Vec<_>>())?);
    write.run(moves).await.map(drop)
}

/// The groups of a contact as a statement of a turn gives them.
pub(super) fn read_groups(text: &str) -> StoreResult<BTreeSet<GroupId>> {
    let groups: Vec<Uuid> = parse_doc(text, "group")?;
    Ok(groups.into_iter().map(GroupId::from_uuid).collect())
}

fn distinct(contacts: &[ContactId]) -> StoreResult<BTreeSet<ContactId>> {
    if contacts.len() > GROUP_BATCH_MAX {
        return Err(StoreError::Invalid("number of contacts"));
    }
    Ok(contacts.iter().copied().collect())
}

fn ids(contacts: &BTreeSet<ContactId>) -> StoreResult<String> {
    batch(&contacts.iter().map(|id| Hex(id.uuid())).collect::<Vec<_>>())
}

async fn create(write: &mut Write<'_>, group: &Group) -> StoreResult<()> {
    check_name(group)?;
    let place = write.begin(bind_key(PLACE_OF_GROUP, group)).await?;
    let place = place.first().ok_or(StoreError::NotFound("business"))?;
    if !get::<bool>(place, 0)? {
        return Err(StoreError::NotFound("business"));
    }
    let is_full = get_count(place, 2)? >= GROUPS_MAX as u64;
    if is_full && get::<Option<&str>>(place, 1)?.is_none() {
        return Err(StoreError::Invalid("number of groups"));
    }
    write.commit(put(INSERT_GROUP, group)?).await.map(drop)
}

async fn update(write: &mut Write<'_>, change: &Group) -> StoreResult<Group> {
    let place = write.begin(bind_key(PLACE_OF_GROUP, change)).await?;
    let place = place.first().ok_or(StoreError::NotFound("group"))?;
    let stored: Option<&str> = get(place, 1)?;
    let stored: Group = parse_doc(stored.ok_or(StoreError::NotFound("group"))?, "group")?;
    if stored.revision != change.revision {
        return Err(StoreError::Stale("group"));
    }
    check_name(change)?;
    let group = stored.replaced(change);
    write.commit(put(UPDATE_GROUP, &group)?).await?;
    Ok(group)
}

async fn put_in(
    write: &mut Write<'_>,
    group: (BusinessId, GroupId),
    contacts: &BTreeSet<ContactId>,
    now: Timestamp,
) -> StoreResult<u64> {
    let is_full = find_place(write, group, contacts).await?;
    if is_full {
        return Err(StoreError::Invalid("number of groups"));
    }
    let put = query(PUT_IN_GROUP).bind(group.0.uuid()).bind(group.1.uuid());
    let rows = write.commit(put.bind(ids(contacts)?).bind(millis(now))).await?;
    Ok(rows.len() as u64)
}

async fn take_out(
    write: &mut Write<'_>,
    group: (BusinessId, GroupId),
    contacts: &BTreeSet<ContactId>,
) -> StoreResult<u64> {
    find_place(write, group, contacts).await?;
    let take = query(TAKE_OUT_OF_GROUP).bind(group.0.uuid()).bind(group.1.uuid());
    Ok(write.commit(take.bind(ids(contacts)?)).await?.len() as u64)
}

/// Insists on the group and on every contact; says whether one of them has no room.
async fn find_place(
    write: &mut Write<'_>,
    (business, id): (BusinessId, GroupId),
    contacts: &BTreeSet<ContactId>,
) -> StoreResult<bool> {
    let find = query(PLACE_IN_GROUP).bind(business.uuid()).bind(id.uuid());
    let find = find.bind(ids(contacts)?).bind(GROUPS_OF_CONTACT_MAX as i64);
    let rows = write.begin(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("group"))?;
    if !get::<bool>(row, 0)? {
        return Err(StoreError::NotFound("group"));
    }
    if get_count(row, 1)? != contacts.len() as u64 {
        return Err(StoreError::NotFound("contact"));
    }
    get(row, 2)
}

fn check_name(group: &Group) -> StoreResult<()> {
    if Group::is_name(&group.name) { Ok(()) } else { Err(StoreError::Invalid("name")) }
}

fn bind_key(statement: &'static str, group: &Group) -> Bound {
    query(statement).bind(group.business_id.uuid()).bind(group.id.uuid())
}

fn put(statement: &'static str, group: &Group) -> StoreResult<Bound> {
    Ok(bind_key(statement, group).bind(group.name.clone()).bind(to_doc(group)?))
}
