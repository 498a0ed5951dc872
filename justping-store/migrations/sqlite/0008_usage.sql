-- What models were used for and cost: by day (days since 1 January 1970, in UTC), agent and model,
-- and by conversation. An agent of zeros stands for none. Money is in millionths.

CREATE TABLE usage_days (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    day INTEGER NOT NULL,
    agent_id BLOB NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (business_id, day, agent_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_conversations (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    conversation_id BLOB NOT NULL,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (business_id, conversation_id)
) STRICT, WITHOUT ROWID;

-- Room in budgets that answers take while they are made; milliseconds when a hold ends by itself.
-- There are as many as calls under way.
CREATE TABLE usage_holds (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    agent_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    until INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
