-- How far subscribers have heard the events of a business: the number of the last one. due_at: when a
-- feed may be claimed; while somebody tells it, when the lease ends. Numbers are given out under the
-- lock of event_counters, held until the commit: behind a number that is seen nothing appears later.

SET LOCAL lock_timeout = '2s';

CREATE TABLE feeds (
    business_id UUID NOT NULL REFERENCES businesses (id),
    name BYTEA NOT NULL,
    position BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (business_id, name)
) WITH (fillfactor = 50);
CALL justping_wall('feeds', 'business_id');
