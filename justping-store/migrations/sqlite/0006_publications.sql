-- Decisions to run a version of a flow; the newest one counts. Flows that were published before have
-- none, and their sessions finish on the versions they are on.
CREATE TABLE publications (
    business_id BLOB NOT NULL,
    flow_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, flow_id, number)
) STRICT, WITHOUT ROWID;

-- The version of a session that waits, as text; NULL once it has ended.
ALTER TABLE sessions ADD COLUMN live TEXT;
UPDATE sessions SET live = doc ->> '$.flow_version_id' WHERE doc ->> '$.status' = 'waiting';
CREATE INDEX sessions_live ON sessions (business_id, live, id) WHERE live IS NOT NULL;
