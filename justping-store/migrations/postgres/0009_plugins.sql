-- Plugins: what is installed, what it keeps, says and takes. The packages are kept elsewhere.

SET LOCAL lock_timeout = '2s';

CREATE TABLE plugin_releases (
    business_id UUID NOT NULL REFERENCES businesses (id),
    digest BYTEA NOT NULL,
    name BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, digest)
);
CREATE INDEX plugin_releases_name ON plugin_releases (business_id, name, created_at, digest);

CREATE TABLE plugins (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name BYTEA NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX plugins_name ON plugins (business_id, name);

CREATE TABLE plugin_secrets (
    business_id UUID NOT NULL,
    plugin_id UUID NOT NULL,
    name BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (business_id, plugin_id, name),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
);

-- How many values a plugin keeps, bytes of their keys and values, and the number of its newest line.
-- Whoever writes a value or a line locks the row first: the quota holds, and numbers have no gap.
CREATE TABLE plugin_counts (
    business_id UUID NOT NULL,
    plugin_id UUID NOT NULL,
    keys BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    PRIMARY KEY (business_id, plugin_id),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);

-- until: milliseconds when the value is over; NULL for never.
CREATE TABLE plugin_values (
    business_id UUID NOT NULL,
    plugin_id UUID NOT NULL,
    key BYTEA NOT NULL,
    until BIGINT,
    value BYTEA NOT NULL,
    PRIMARY KEY (business_id, plugin_id, key),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
);
-- For the next write of the plugin, and for the upkeep.
CREATE INDEX plugin_values_over ON plugin_values (business_id, plugin_id, until)
    WHERE until IS NOT NULL;
CREATE INDEX plugin_values_until ON plugin_values (until) WHERE until IS NOT NULL;

CREATE TABLE plugin_lines (
    business_id UUID NOT NULL,
    plugin_id UUID NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, plugin_id, number),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
);
-- For the upkeep.
CREATE INDEX plugin_lines_at ON plugin_lines (at);

-- What calls took on a day (days since 1 January 1970, in UTC).
CREATE TABLE plugin_days (
    business_id UUID NOT NULL,
    plugin_id UUID NOT NULL,
    day BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    cpu_micros BIGINT NOT NULL,
    peak_bytes BIGINT NOT NULL,
    PRIMARY KEY (business_id, plugin_id, day),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
-- For the upkeep.
CREATE INDEX plugin_days_day ON plugin_days (day);

DO $$
DECLARE
    place NAME;
BEGIN
    FOREACH place IN ARRAY ARRAY[
        'plugin_releases', 'plugins', 'plugin_secrets', 'plugin_counts', 'plugin_values',
        'plugin_lines', 'plugin_days'
    ] LOOP
        CALL justping_wall(place::regclass, 'business_id');
    END LOOP;
END $$;
