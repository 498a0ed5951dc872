-- Decisions to run a version of a flow, and which sessions live on which version.

SET LOCAL lock_timeout = '2s';
SET LOCAL app.system = 'on';

-- The newest one counts. Flows that were published before have none, and their sessions finish on
-- the versions they are on.
CREATE TABLE publications (
    business_id UUID NOT NULL,
    flow_id UUID NOT NULL,
    number BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, flow_id, number),
    FOREIGN KEY (business_id, flow_id) REFERENCES flows (business_id, id)
);
CALL justping_wall('publications', 'business_id');

-- The version of a session that waits, as text; NULL once it has ended.
ALTER TABLE sessions ADD COLUMN live TEXT;
UPDATE sessions SET live = doc::json ->> 'flow_version_id' WHERE doc::json ->> 'status' = 'waiting';
CREATE INDEX sessions_live ON sessions (business_id, live, id) WHERE live IS NOT NULL;
