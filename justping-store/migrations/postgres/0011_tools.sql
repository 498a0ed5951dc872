-- Tools that businesses have set up, their secrets, and what businesses may spend on models.

SET LOCAL lock_timeout = '2s';

CREATE TABLE tools (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name BYTEA NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX tools_name ON tools (business_id, name);
CALL justping_wall('tools', 'business_id');

CREATE TABLE tool_secrets (
    business_id UUID NOT NULL,
    tool_id UUID NOT NULL,
    name BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (business_id, tool_id, name),
    FOREIGN KEY (business_id, tool_id) REFERENCES tools (business_id, id) ON DELETE CASCADE
);
CALL justping_wall('tool_secrets', 'business_id');

CREATE TABLE usage_caps (
    business_id UUID NOT NULL PRIMARY KEY REFERENCES businesses (id),
    doc TEXT NOT NULL
);
CALL justping_wall('usage_caps', 'business_id');

-- For the upkeep. Adding to a day leaves it alone.
CREATE INDEX usage_days_day ON usage_days (day);
