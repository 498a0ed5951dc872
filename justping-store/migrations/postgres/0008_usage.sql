-- What models were used for and cost: by day (days since 1 January 1970, in UTC), agent and model,
-- and by conversation. An agent of zeros stands for none. Money is in millionths.

SET LOCAL lock_timeout = '2s';

CREATE TABLE usage_days (
    business_id UUID NOT NULL REFERENCES businesses (id),
    day BIGINT NOT NULL,
    agent_id UUID NOT NULL,
    model TEXT NOT NULL,
    calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (business_id, day, agent_id, model)
) WITH (fillfactor = 50);
CALL justping_wall('usage_days', 'business_id');

CREATE TABLE usage_conversations (
    business_id UUID NOT NULL REFERENCES businesses (id),
    conversation_id UUID NOT NULL,
    calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (business_id, conversation_id)
) WITH (fillfactor = 80);
CALL justping_wall('usage_conversations', 'business_id');

-- Room in budgets that answers take while they are made; milliseconds when a hold ends by itself.
-- There are as many as calls under way.
CREATE TABLE usage_holds (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    agent_id UUID NOT NULL,
    day BIGINT NOT NULL,
    until BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (business_id, id)
) WITH (fillfactor = 50);
CALL justping_wall('usage_holds', 'business_id');
