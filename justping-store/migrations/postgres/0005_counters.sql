-- How much of a kind there was on a day (days since 1 January 1970, in UTC), added up by the moves
-- that cause it, once a transaction. Nothing that was stored before is counted.

SET LOCAL lock_timeout = '2s';

-- A counter is several rows, its shards: transactions of different connections mostly add to
-- different ones and need not wait for each other. What is read is their sum. There is room on each
-- page for the next version of a row, and no index holds the count.
CREATE TABLE counters (
    business_id UUID NOT NULL REFERENCES businesses (id),
    day BIGINT NOT NULL,
    channel_id UUID NOT NULL,
    kind TEXT NOT NULL,
    shard BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (business_id, day, channel_id, kind, shard)
) WITH (fillfactor = 50);
-- For the upkeep.
CREATE INDEX counters_day ON counters (day);
CALL justping_wall('counters', 'business_id');
