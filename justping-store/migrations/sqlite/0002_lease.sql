-- Who may do what only one process may do at a time. The fence counts holdings: a row stays when its
-- lease is over, so that no number is given out twice.

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    worker BLOB NOT NULL,
    fence INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
