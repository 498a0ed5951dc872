-- Plugins: what is installed, what it keeps, says and takes. The packages are kept elsewhere.

CREATE TABLE plugin_releases (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, digest)
) STRICT;
CREATE INDEX plugin_releases_name ON plugin_releases (business_id, name, created_at, digest);

CREATE TABLE plugins (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX plugins_name ON plugins (business_id, name);

CREATE TABLE plugin_secrets (
    business_id BLOB NOT NULL,
    plugin_id BLOB NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (business_id, plugin_id, name),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- How many values a plugin keeps, bytes of their keys and values, and the number of its newest line.
CREATE TABLE plugin_counts (
    business_id BLOB NOT NULL,
    plugin_id BLOB NOT NULL,
    keys INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    PRIMARY KEY (business_id, plugin_id),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- until: milliseconds when the value is over; NULL for never.
CREATE TABLE plugin_values (
    business_id BLOB NOT NULL,
    plugin_id BLOB NOT NULL,
    key BLOB NOT NULL,
    until INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (business_id, plugin_id, key),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) STRICT;
-- For the next write of the plugin, and for the upkeep.
CREATE INDEX plugin_values_over ON plugin_values (business_id, plugin_id, until)
    WHERE until IS NOT NULL;
CREATE INDEX plugin_values_until ON plugin_values (until) WHERE until IS NOT NULL;

CREATE TABLE plugin_lines (
    business_id BLOB NOT NULL,
    plugin_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, plugin_id, number),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
-- For the upkeep.
CREATE INDEX plugin_lines_at ON plugin_lines (at);

-- What calls took on a day (days since 1 January 1970, in UTC).
CREATE TABLE plugin_days (
    business_id BLOB NOT NULL,
    plugin_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    cpu_micros INTEGER NOT NULL,
    peak_bytes INTEGER NOT NULL,
    PRIMARY KEY (business_id, plugin_id, day),
    FOREIGN KEY (business_id, plugin_id) REFERENCES plugins (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
-- For the upkeep.
CREATE INDEX plugin_days_day ON plugin_days (day);
