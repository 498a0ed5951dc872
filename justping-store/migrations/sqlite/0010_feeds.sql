-- How far subscribers have heard the events of a business: the number of the last one. due_at: when a
-- feed may be claimed; while somebody tells it, when the lease ends.
CREATE TABLE feeds (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (business_id, name)
) STRICT, WITHOUT ROWID;
