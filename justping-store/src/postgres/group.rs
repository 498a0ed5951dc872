//! Groups, and who is in them.
//!
//! Memberships can be found by two indexes whose first column is the same. While the table is empty
//! both look equally short, so that statements compare whole rows and name the order: then only one
//! of the two will do.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ContactId, GROUPS_MAX, GROUPS_OF_CONTACT_MAX, Group, GroupId, Membership, Page,
    PageRequest, Timestamp,
};
use justping_core::port::store::{GROUP_BATCH_MAX, GroupStore, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Bound, Scope, Write, transaction};
use super::row::{
    bytes, from, get, get_count, get_doc, millis, moment, parse_cursor, statements, to_doc,
};
use crate::decision::Groups;

/// The groups of a contact that are there.
macro_rules! groups_of {
    ($business:literal, $contact:literal, $limit:literal) => {
        concat!(
            "SELECT m.group_id FROM memberships m \
                WHERE (m.business_id, m.contact_id, m.group_id) >= (",
            $business,
            ", ",
            $contact,
            ", '00000000-0000-0000-0000-000000000000'::uuid) \
                AND (m.business_id, m.contact_id, m.group_id) <= (",
            $business,
            ", ",
            $contact,
            ", 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) \
                AND (SELECT true FROM contact_groups g \
                    WHERE g.business_id = m.business_id AND g.id = m.group_id) \
                ORDER BY m.business_id, m.contact_id, m.group_id LIMIT ",
            $limit
        )
    };
}
pub(super) use groups_of;

statements! {
    /// Groups of one business are created one after another, so that they can be counted.
    PLACE_OF_GROUP = "SELECT 1 FROM businesses WHERE id = $1 FOR NO KEY UPDATE";
    /// How many there are, and whether this one is there.
    COUNT_GROUPS = "SELECT (SELECT count(*) FROM contact_groups WHERE business_id = $1), \
        EXISTS (SELECT 1 FROM contact_groups WHERE business_id = $1 AND id = $2)";
    GROUP_TO_CHANGE = "SELECT doc FROM contact_groups WHERE business_id = $1 AND id = $2 FOR UPDATE";
    INSERT_GROUP = "INSERT INTO contact_groups (business_id, id, name, doc) \
        VALUES ($1, $2, $3, $4)";
    UPDATE_GROUP = "UPDATE contact_groups SET name = $3, doc = $4 \
        WHERE business_id = $1 AND id = $2";
    GROUP = "SELECT doc FROM contact_groups WHERE business_id = $1 AND id = $2";
    GROUPS = "SELECT doc FROM contact_groups WHERE business_id = $1 AND id >= $2 \
        ORDER BY id LIMIT $3";
    /// One row when there was a group; its memberships are left to the upkeep. Whoever puts somebody
    /// in holds the group, so that none comes in afterwards.
    DELETE_GROUP = "WITH gone AS (DELETE FROM contact_groups \
            WHERE business_id = $1 AND id = $2 RETURNING business_id, id) \
        INSERT INTO gone_groups (business_id, group_id) SELECT business_id, id FROM gone \
        ON CONFLICT (business_id, group_id) DO UPDATE SET group_id = excluded.group_id RETURNING 1";
    /// The contacts that are there, locked in the order of all.
    CONTACTS_TO_GROUP = "SELECT c.id FROM contacts c \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON c.business_id = v.b AND c.id = v.id \
        ORDER BY c.business_id, c.id FOR NO KEY UPDATE OF c";
    /// Holds groups, so that none is deleted while somebody comes in.
    HOLD_GROUPS = "SELECT g.business_id, g.id FROM contact_groups g \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON g.business_id = v.b AND g.id = v.id \
        ORDER BY g.business_id, g.id FOR KEY SHARE OF g";
    /// How many of the contacts are in as many other groups as they may.
    FULL_CONTACTS = concat!(
        "SELECT count(*) FROM unnest($3::uuid[]) v (id) WHERE $4 <= ( \
            SELECT count(*) FILTER (WHERE x.group_id <> $2) FROM (",
        groups_of!("$1", "v.id", "$4"), ") x)"
    );
    PUT_IN_GROUP = "INSERT INTO memberships (business_id, group_id, contact_id, since) \
            SELECT $1, $2, v.id, $4 FROM unnest($3::uuid[]) v (id) \
        ON CONFLICT (business_id, group_id, contact_id) DO NOTHING";
    TAKE_OUT_OF_GROUP = "DELETE FROM memberships m USING unnest($3::uuid[]) v (id) \
        WHERE m.business_id = $1 AND m.group_id = $2 AND m.contact_id = v.id";
    MEMBERSHIPS = "SELECT contact_id, since FROM memberships \
        WHERE (business_id, group_id, contact_id) >= ($1, $2, $3) \
            AND (business_id, group_id, contact_id) \
                <= ($1, $2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) \
            AND (SELECT true FROM contact_groups WHERE business_id = $1 AND id = $2) \
        ORDER BY business_id, group_id, contact_id LIMIT $4";
    GROUP_SIZE = "SELECT (SELECT count(*) FROM ( \
            SELECT 1 FROM memberships \
            WHERE (business_id, group_id, contact_id) \
                    >= ($1, $2, '00000000-0000-0000-0000-000000000000'::uuid) \
                AND (business_id, group_id, contact_id) \
                    <= ($1, $2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) \
            ORDER BY business_id, group_id, contact_id OFFSET 0) m) \
        FROM contact_groups g WHERE g.business_id = $1 AND g.id = $2";
    GROUPS_OF = concat!(
        "SELECT v.id, x.group_id FROM unnest($2::uuid[]) v (id) CROSS JOIN LATERAL (",
        groups_of!("$1", "v.id", "$3"), ") x"
    );
    /// The groups that contacts are in.
    GROUPS_AROUND = concat!(
        "SELECT v.b, v.c, x.group_id \
            FROM unnest($1::uuid[], $2::uuid[]) v (b, c) CROSS JOIN LATERAL (",
        groups_of!("v.b", "v.c", "$3"), ") x"
    );
    LEAVE_GROUPS = "DELETE FROM memberships m USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) \
            v (b, g, c) \
        WHERE m.business_id = v.b AND m.group_id = v.g AND m.contact_id = v.c";
    JOIN_GROUPS = "INSERT INTO memberships (business_id, group_id, contact_id, since) \
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) \
        ON CONFLICT (business_id, group_id, contact_id) DO UPDATE SET since = excluded.since";
}

#[async_trait]
impl GroupStore for PostgresStore {
    async fn create_group(&self, group: &Group) -> StoreResult<()> {
        transaction!(self, Scope::Business(group.business_id), |write| create(write, group))
    }

    async fn group(&self, business: BusinessId, id: GroupId) -> StoreResult<Group> {
        let query = query(GROUP).bind(business.uuid()).bind(id.uuid());
        let row = self.connections.read_one(Scope::Business(business), query, "group").await?;
        get_doc(&row, 0, "group")
    }

    async fn update_group(&self, group: &Group) -> StoreResult<Group> {
        transaction!(self, Scope::Business(group.business_id), |write| update(write, group))
    }

    async fn delete_group(&self, business: BusinessId, id: GroupId) -> StoreResult<()> {
        let delete = query(DELETE_GROUP).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.change(Scope::Business(business), delete).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("group"))
    }

    async fn groups(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Group>> {
        let last = parse_cursor::<GroupId>(page.after.as_ref())?;
        let list = query(GROUPS).bind(business.uuid()).bind(from(last.map(GroupId::uuid)));
        let list = list.bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
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
        transaction!(self, Scope::Business(business), |write| put_in(
            write,
            (business, id),
            &contacts,
            now
        ))
    }

    async fn remove_from_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<u64> {
        let contacts = distinct(contacts)?;
        transaction!(self, Scope::Business(business), |write| take_out(
            write,
            (business, id),
            &contacts
        ))
    }

    async fn memberships(
        &self,
        business: BusinessId,
        id: GroupId,
        page: &PageRequest,
    ) -> StoreResult<Page<Membership>> {
        let last = parse_cursor::<ContactId>(page.after.as_ref())?;
        let list = query(MEMBERSHIPS).bind(business.uuid()).bind(id.uuid());
        let list = list.bind(from(last.map(ContactId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            self.group(business, id).await?;
        }
        let membership = |row: &PgRow| {
            let (contact_id, since) = (ContactId::from_uuid(get(row, 0)?), moment(get(row, 1)?)?);
            Ok(Membership { business_id: business, group_id: id, contact_id, since })
        };
        let rows = rows.iter().map(membership).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Membership| row.contact_id.to_string()))
    }

    async fn group_size(&self, business: BusinessId, id: GroupId) -> StoreResult<u64> {
        let query = query(GROUP_SIZE).bind(business.uuid()).bind(id.uuid());
        let row = self.connections.read_one(Scope::Business(business), query, "group").await?;
        get_count(&row, 0)
    }

    async fn groups_of(
        &self,
        business: BusinessId,
        contacts: &[ContactId],
    ) -> StoreResult<BTreeMap<ContactId, BTreeSet<GroupId>>> {
        let read = query(GROUPS_OF).bind(business.uuid()).bind(distinct(contacts)?);
        let read = read.bind(GROUPS_OF_CONTACT_MAX as i64);
        let mut found: BTreeMap<ContactId, BTreeSet<GroupId>> = BTreeMap::new();
        for row in self.connections.read(Scope::Business(business), read).await? {
            let contact = ContactId::from_uuid(get(&row, 0)?);
            found.entry(contact).or_default().insert(GroupId::from_uuid(get(&row, 1)?));
        }
        Ok(found)
    }
}

/// Reads what decides patches of contacts that are locked: the groups they are in, and those named
/// that are there, which are held.
pub(super) async fn around(
    write: &mut Write,
    contacts: impl IntoIterator<Item = (BusinessId, ContactId)>,
    named: impl IntoIterator<Item = (BusinessId, GroupId)>,
) -> StoreResult<Groups> {
    let mut groups = Groups::default();
    let named = named.into_iter().map(|(business, id)| (business.uuid(), id.uuid()));
    for row in write.run(hold(named.unzip())).await? {
        let business = BusinessId::from_uuid(get(&row, 0)?);
        groups.add_known(business, GroupId::from_uuid(get(&row, 1)?));
    }
    let contacts = contacts.into_iter().map(|(business, id)| (business.uuid(), id.uuid()));
    let (businesses, ids): (Vec<Uuid>, Vec<Uuid>) = contacts.unzip();
    let read = query(GROUPS_AROUND).bind(businesses).bind(ids);
    for row in write.run(read.bind(GROUPS_OF_CONTACT_MAX as i64)).await? {
        let contact = (BusinessId::from_uuid(get(&row, 0)?), ContactId::from_uuid(get(&row, 1)?));
        groups.add_current(contact, GroupId::from_uuid(get(&row, 2)?));
    }
    Ok(groups)
}

/// Writes down how contacts move between groups.
pub(super) async fn move_groups(write: &mut Write, groups: &Groups) -> StoreResult<()> {
    let (mut left, mut joined) = ((vec![], vec![], vec![]), (vec![], vec![], vec![], vec![]));
    for (business, group, contact) in groups.left() {
        left.0.push(business.uuid());
        left.1.push(group.uuid());
        left.2.push(contact.uuid());
    }
    for ((business, group, contact), since) in groups.joined() {
        joined.0.push(business.uuid());
        joined.1.push(group.uuid());
        joined.2.push(contact.uuid());
        joined.3.push(millis(since));
    }
    if !left.0.is_empty() {
        write.run(query(LEAVE_GROUPS).bind(left.0).bind(left.1).bind(left.2)).await?;
    }
    if !joined.0.is_empty() {
        let join = query(JOIN_GROUPS).bind(joined.0).bind(joined.1).bind(joined.2);
        write.run(join.bind(joined.3)).await?;
    }
    Ok(())
}

fn hold((businesses, ids): (Vec<Uuid>, Vec<Uuid>)) -> Bound {
    query(HOLD_GROUPS).bind(businesses).bind(ids)
}

/// Each contact once, in the order in which rows are locked.
fn distinct(contacts: &[ContactId]) -> StoreResult<Vec<Uuid>> {
    if contacts.len() > GROUP_BATCH_MAX {
        return Err(StoreError::Invalid("number of contacts"));
    }
    let contacts: BTreeSet<Uuid> = contacts.iter().map(|id| id.uuid()).collect();
    Ok(contacts.into_iter().collect())
}

async fn create(write: &mut Write, group: &Group) -> StoreResult<()> {
    check_name(group)?;
    let place = write.run(query(PLACE_OF_GROUP).bind(group.business_id.uuid())).await?;
    place.first().ok_or(StoreError::NotFound("business"))?;
    let rows = write.run(bind_key(COUNT_GROUPS, group)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    if get_count(row, 0)? >= GROUPS_MAX as u64 && !get::<bool>(row, 1)? {
        return Err(StoreError::Invalid("number of groups"));
    }
    write.run(put(INSERT_GROUP, group)?).await.map(drop)
}

async fn update(write: &mut Write, change: &Group) -> StoreResult<Group> {
    let rows = write.run(bind_key(GROUP_TO_CHANGE, change)).await?;
    let stored: Group = get_doc(rows.first().ok_or(StoreError::NotFound("group"))?, 0, "group")?;
    if stored.revision != change.revision {
        return Err(StoreError::Stale("group"));
    }
    check_name(change)?;
    let group = stored.replaced(change);
    write.run(put(UPDATE_GROUP, &group)?).await?;
    Ok(group)
}

async fn put_in(
    write: &mut Write,
    group: (BusinessId, GroupId),
    contacts: &[Uuid],
    now: Timestamp,
) -> StoreResult<u64> {
    find_place(write, group, contacts).await?;
    let bind = |sql| query(sql).bind(group.0.uuid()).bind(group.1.uuid()).bind(contacts.to_vec());
    let full = write.run(bind(FULL_CONTACTS).bind(GROUPS_OF_CONTACT_MAX as i64)).await?;
    if get_count(full.first().ok_or(StoreError::NotFound("group"))?, 0)? > 0 {
        return Err(StoreError::Invalid("number of groups"));
    }
    write.execute(bind(PUT_IN_GROUP).bind(millis(now))).await
}

async fn take_out(
    write: &mut Write,
    group: (BusinessId, GroupId),
    contacts: &[Uuid],
) -> StoreResult<u64> {
    find_place(write, group, contacts).await?;
    let take = query(TAKE_OUT_OF_GROUP).bind(group.0.uuid()).bind(group.1.uuid());
    write.execute(take.bind(contacts.to_vec())).await
}

/// Insists on the group and on every contact, and locks them: contacts before groups, as everywhere.
async fn find_place(
    write: &mut Write,
    (business, id): (BusinessId, GroupId),
    contacts: &[Uuid],
) -> StoreResult<()> {
    let lock = query(CONTACTS_TO_GROUP).bind(vec![business.uuid(); contacts.len()]);
    let lock = lock.bind(contacts.to_vec());
    let found = write.run(lock).await?.len();
    let held = write.run(hold((vec![business.uuid()], vec![id.uuid()]))).await?;
    held.first().ok_or(StoreError::NotFound("group"))?;
    if found == contacts.len() { Ok(()) } else { Err(StoreError::NotFound("contact")) }
}

fn check_name(group: &Group) -> StoreResult<()> {
    if Group::is_name(&group.name) { Ok(()) } else { Err(StoreError::Invalid("name")) }
}

fn bind_key(statement: &'static str, group: &Group) -> Bound {
    query(statement).bind(group.business_id.uuid()).bind(group.id.uuid())
}

fn put(statement: &'static str, group: &Group) -> StoreResult<Bound> {
    Ok(bind_key(statement, group).bind(bytes(&group.name)).bind(to_doc(group)?))
}
