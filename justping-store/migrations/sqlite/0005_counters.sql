-- How much of a kind there was on a day (days since 1 January 1970, in UTC), added up by the moves
-- that cause it, once a transaction. Nothing that was stored before is counted.

CREATE TABLE counters (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    day INTEGER NOT NULL,
    channel_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (business_id, day, channel_id, kind)
) STRICT, WITHOUT ROWID;
-- For the upkeep. Adding to a counter leaves it alone.
CREATE INDEX counters_day ON counters (day);
