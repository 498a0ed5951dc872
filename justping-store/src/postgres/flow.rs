//! Flows and their versions.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Flow, FlowId, FlowVersion, FlowVersionId, Page, PageRequest, Publication,
    SessionPolicy, Timestamp,
};
use justping_core::port::store::{FlowStore, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{
    bytes, from, get, get_count, get_doc, parse_cursor, parse_doc, statements, to_doc,
};

statements! {
    INSERT_FLOW = "INSERT INTO flows (business_id, id, published, doc) \
        SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    FLOW = "SELECT doc FROM flows WHERE business_id = $1 AND id = $2";
    FLOW_TO_UPDATE = "SELECT doc FROM flows WHERE business_id = $1 AND id = $2 FOR UPDATE";
    UPDATE_FLOW = "UPDATE flows SET doc = $3 WHERE business_id = $1 AND id = $2";
    /// A row when the flow exists: whether it has versions, and so has to stay.
    FLOW_TO_DELETE = "SELECT EXISTS ( \
            SELECT 1 FROM flow_versions WHERE business_id = $1 AND flow_id = $2) \
        FROM flows WHERE business_id = $1 AND id = $2 FOR UPDATE";
    DELETE_FLOW = "DELETE FROM flows WHERE business_id = $1 AND id = $2";
    FLOWS = "SELECT doc FROM flows WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    /// The flow, its last number, its version with the same content, and its last publication.
    FLOW_TO_PUBLISH = "\
        SELECT doc, \
            (SELECT coalesce(max(number), 0) FROM flow_versions \
                WHERE business_id = $1 AND flow_id = $2), \
            (SELECT doc FROM flow_versions \
                WHERE business_id = $1 AND flow_id = $2 AND content_hash = $3), \
            (SELECT coalesce(max(number), 0) FROM publications \
                WHERE business_id = $1 AND flow_id = $2) \
        FROM flows WHERE business_id = $1 AND id = $2";
    INSERT_VERSION = "INSERT INTO flow_versions \
            (business_id, id, flow_id, number, content_hash, doc) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    SET_PUBLISHED = "UPDATE flows SET published = $3, doc = $4 \
        WHERE business_id = $1 AND id = $2";
    INSERT_PUBLICATION = "INSERT INTO publications (business_id, flow_id, number, doc) \
        VALUES ($1, $2, $3, $4)";
    PUBLICATION_FOR = "SELECT (SELECT p.doc FROM publications p \
            WHERE p.business_id = v.business_id AND p.flow_id = v.flow_id \
            ORDER BY p.number DESC LIMIT 1) \
        FROM flow_versions v WHERE v.business_id = $1 AND v.id = $2";
    /// One row with nothing but the flow's existence, then the publications.
    PUBLICATIONS = "SELECT NULL::text AS doc, 0::bigint AS number FROM flows \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, number FROM ( \
            SELECT doc, number FROM publications \
            WHERE business_id = $1 AND flow_id = $2 AND number > $3 ORDER BY number LIMIT $4) v \
        ORDER BY number";
    VERSION = "SELECT doc FROM flow_versions WHERE business_id = $1 AND id = $2";
    /// One row with nothing but the flow's existence, then the versions.
    VERSIONS = "SELECT NULL::text AS doc, 0::bigint AS number FROM flows WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, number FROM ( \
            SELECT doc, number FROM flow_versions \
            WHERE business_id = $1 AND flow_id = $2 AND number > $3 ORDER BY number LIMIT $4) v \
        ORDER BY number";
}

#[async_trait]
impl FlowStore for PostgresStore {
    async fn create_flow(&self, flow: &Flow) -> StoreResult<()> {
        let insert = query(INSERT_FLOW)
            .bind(flow.business_id.uuid())
            .bind(flow.id.uuid())
            .bind(flow.published.map(FlowVersionId::uuid))
            .bind(to_doc(flow)?);
        self.connections.insert(Scope::Business(flow.business_id), insert, "business").await
    }

    async fn flow(&self, business: BusinessId, id: FlowId) -> StoreResult<Flow> {
        let query = query(FLOW).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "flow").await?,
            0,
            "flow",
        )
    }

    async fn update_flow(&self, flow: &Flow) -> StoreResult<Flow> {
        transaction!(self, Scope::Business(flow.business_id), |write| update(write, flow))
    }

    async fn delete_flow(&self, business: BusinessId, id: FlowId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn flows(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Flow>> {
        let last = parse_cursor::<FlowId>(page.after.as_ref())?;
        let list = query(FLOWS).bind(business.uuid()).bind(from(last.map(FlowId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "flow")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Flow| row.id.to_string()))
    }

    async fn publish_flow(
        &self,
        version: &FlowVersion,
        policy: &SessionPolicy,
        now: Timestamp,
    ) -> StoreResult<FlowVersion> {
        transaction!(self, Scope::Business(version.business_id), |write| publish(
            write, version, policy, now
        ))
    }

    async fn publication_for(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> StoreResult<Option<Publication>> {
        let query = query(PUBLICATION_FOR).bind(business.uuid()).bind(version.uuid());
        let row = self.connections.read_one(Scope::Business(business), query, "flow version");
        let row = row.await?;
        let doc: Option<&str> = get(&row, 0)?;
        doc.map(|doc| parse_doc(doc, "publication")).transpose()
    }

    async fn publications(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<Publication>> {
        let last: Option<u32> = parse_cursor(page.after.as_ref())?;
        let list = query(PUBLICATIONS).bind(business.uuid()).bind(flow.uuid());
        let list = list.bind(i64::from(last.unwrap_or(0))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("flow"))?;
        let read = |row: &PgRow| get_doc(row, 0, "publication");
        let rows = rows.iter().map(read).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Publication| row.number.to_string()))
    }

    async fn flow_version(
        &self,
        business: BusinessId,
        id: FlowVersionId,
    ) -> StoreResult<FlowVersion> {
        let query = query(VERSION).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "flow version").await?,
            0,
            "flow version",
        )
    }

    async fn flow_versions(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<FlowVersion>> {
        let last: Option<u32> = parse_cursor(page.after.as_ref())?;
        let list = query(VERSIONS).bind(business.uuid()).bind(flow.uuid());
        let list = list.bind(i64::from(last.unwrap_or(0))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("flow"))?;
        let read = |row: &PgRow| get_doc(row, 0, "flow version");
        let rows = rows.iter().map(read).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &FlowVersion| row.number.to_string()))
    }
}

async fn delete(write: &mut Write, business: BusinessId, id: FlowId) -> StoreResult<()> {
    let bind = |sql| query(sql).bind(business.uuid()).bind(id.uuid());
    let rows = write.run(bind(FLOW_TO_DELETE)).await?;
    if get(rows.first().ok_or(StoreError::NotFound("flow"))?, 0)? {
        return Err(StoreError::Conflict("flow"));
    }
    write.run(bind(DELETE_FLOW)).await.map(drop)
}

async fn update(write: &mut Write, flow: &Flow) -> StoreResult<Flow> {
    let (business, id) = (flow.business_id.uuid(), flow.id.uuid());
    let rows = write.run(query(FLOW_TO_UPDATE).bind(business).bind(id)).await?;
    let stored: Flow = get_doc(rows.first().ok_or(StoreError::NotFound("flow"))?, 0, "flow")?;
    if stored.revision != flow.revision {
        return Err(StoreError::Stale("flow"));
    }
    let flow = Flow {
        name: flow.name.clone(),
        draft: flow.draft.clone(),
        updated_at: flow.updated_at,
        revision: stored.revision + 1,
        ..stored
    };
    let update = query(UPDATE_FLOW).bind(business).bind(id).bind(to_doc(&flow)?);
    write.run(update).await?;
    Ok(flow)
}

async fn publish(
    write: &mut Write,
    version: &FlowVersion,
    policy: &SessionPolicy,
    now: Timestamp,
) -> StoreResult<FlowVersion> {
    let (business, flow_id) = (version.business_id.uuid(), version.flow_id.uuid());
    write.run(query(FLOW_TO_UPDATE).bind(business).bind(flow_id)).await?;
    let find = query(FLOW_TO_PUBLISH).bind(business).bind(flow_id);
    let rows = write.run(find.bind(bytes(&version.content_hash))).await?;
    let row = rows.first().ok_or(StoreError::NotFound("flow"))?;
    let flow: Flow = get_doc(row, 0, "flow")?;
    let version = match get::<Option<&str>>(row, 2)? {
        Some(_) => get_doc(row, 2, "flow version")?,
        None => {
            let last = u32::try_from(get_count(row, 1)?).unwrap_or(u32::MAX);
            let version = FlowVersion { number: last.saturating_add(1), ..version.clone() };
            insert_version(write, &version).await?;
            version
        }
    };
    let last = u32::try_from(get_count(row, 3)?).unwrap_or(u32::MAX);
    let publication = Publication {
        business_id: version.business_id,
        flow_id: version.flow_id,
        number: last.saturating_add(1),
        version_id: version.id,
        policy: policy.clone(),
        published_at: now,
    };
    let flow = Flow { published: Some(version.id), ..flow };
    let set = query(SET_PUBLISHED).bind(business).bind(flow_id).bind(version.id.uuid());
    write.run(set.bind(to_doc(&flow)?)).await?;
    let insert = query(INSERT_PUBLICATION).bind(business).bind(flow_id);
    let insert = insert.bind(i64::from(publication.number)).bind(to_doc(&publication)?);
    write.run(insert).await?;
    Ok(version)
}

async fn insert_version(write: &mut Write, version: &FlowVersion) -> StoreResult<()> {
    let insert = query(INSERT_VERSION)
        .bind(version.business_id.uuid())
        .bind(version.id.uuid())
        .bind(version.flow_id.uuid())
        .bind(i64::from(version.number))
        .bind(bytes(&version.content_hash))
        .bind(to_doc(version)?);
    write.run(insert).await.map(drop)
}
