-- Tools that businesses have set up, their secrets, and what businesses may spend on models.

CREATE TABLE tools (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tools_name ON tools (business_id, name);

CREATE TABLE tool_secrets (
    business_id BLOB NOT NULL,
    tool_id BLOB NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (business_id, tool_id, name),
    FOREIGN KEY (business_id, tool_id) REFERENCES tools (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_caps (
    business_id BLOB NOT NULL PRIMARY KEY REFERENCES businesses (id),
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For the upkeep. Adding to a day leaves it alone.
CREATE INDEX usage_days_day ON usage_days (day);
