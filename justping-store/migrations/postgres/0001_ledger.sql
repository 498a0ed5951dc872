-- The ledger. Ids are UUIDs, times BIGINT milliseconds since 1970, documents TEXT in JSON.
-- A document holds the whole model; the columns beside it are what statements search, order and
-- compare by, and are written from the same value. Rows of queues (mailbox, outbox, timers, calls)
-- are live only: what is done is deleted.
--
-- Text that comes from outside (addresses, references, keys, steps) is BYTEA in UTF-8: it may hold
-- a zero character, which TEXT cannot.

SET LOCAL lock_timeout = '2s';

CREATE TABLE businesses (
    id UUID NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL
);

-- The data keys of each business, wrapped by the master key. The newest seals, all open.
CREATE TABLE business_keys (
    business_id UUID NOT NULL REFERENCES businesses (id),
    key_id BIGINT NOT NULL,
    wrapped BYTEA NOT NULL,
    PRIMARY KEY (business_id, key_id)
);

CREATE TABLE members (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);

CREATE TABLE api_keys (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    token_sha256 BYTEA NOT NULL,
    revoked_at BIGINT,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX api_keys_token ON api_keys (token_sha256);

CREATE TABLE agents (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);

CREATE TABLE channels (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    agent_id UUID,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, agent_id) REFERENCES agents (business_id, id)
);
CREATE UNIQUE INDEX channels_id ON channels (id);
CREATE INDEX channels_agent ON channels (business_id, agent_id) WHERE agent_id IS NOT NULL;

CREATE TABLE channel_secrets (
    business_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    name BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (business_id, channel_id, name),
    FOREIGN KEY (business_id, channel_id) REFERENCES channels (business_id, id) ON DELETE CASCADE
);

CREATE TABLE contacts (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    named BOOLEAN NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);

CREATE TABLE identities (
    business_id UUID NOT NULL,
    kind BYTEA NOT NULL,
    address BYTEA NOT NULL,
    contact_id UUID NOT NULL,
    PRIMARY KEY (business_id, kind, address)
);

-- session_id names the waiting session. The fence counts claims. A turn may begin at lease_until,
-- or at not_before while nobody holds the lease. The foreign keys decide between an inbound message
-- and the removal of its contact or channel by somebody else.
CREATE TABLE conversations (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    channel_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    status TEXT NOT NULL,
    owner TEXT NOT NULL,
    last_message_at BIGINT NOT NULL,
    session_id UUID,
    fence BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    not_before BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, channel_id) REFERENCES channels (business_id, id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts (business_id, id)
);
CREATE UNIQUE INDEX conversations_contact ON conversations (business_id, contact_id, channel_id);
CREATE INDEX conversations_channel ON conversations (business_id, channel_id);
CREATE INDEX conversations_recent ON conversations (business_id, last_message_at, id);

-- A partition a month, made ahead by the upkeep; what has no month yet is in the default one, so
-- that nothing is ever refused. The place within a conversation is unique because it is given out
-- under the lock of the conversation's row.
CREATE TABLE messages (
    business_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, conversation_id, seq, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE messages_default PARTITION OF messages DEFAULT;

-- What providers call messages: the key by which received ones are de-duplicated, and by which
-- news finds those that were sent.
CREATE TABLE received_refs (
    business_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    provider_ref BYTEA NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (business_id, channel_id, provider_ref)
);

CREATE TABLE sent_refs (
    business_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    provider_ref BYTEA NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (business_id, channel_id, provider_ref)
);

-- News of messages whose reference is not known yet, at most one a status.
CREATE TABLE parked_statuses (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    provider_ref BYTEA NOT NULL,
    status TEXT NOT NULL,
    doc TEXT NOT NULL
);
CREATE UNIQUE INDEX parked_statuses_ref
    ON parked_statuses (business_id, channel_id, provider_ref, status);

-- An entry is a message of the conversation (message_seq, message_at) or an event of its own.
CREATE TABLE mailbox (
    seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    message_seq BIGINT,
    message_at BIGINT,
    event TEXT
);
CREATE INDEX mailbox_conversation ON mailbox (business_id, conversation_id, seq);

-- phase: 0 not due yet, 1 due, 2 being sent; each partial index holds the rows of one phase.
-- unknown: whether an earlier try may have left. created_at finds the partition of the message. The
-- document never changes.
CREATE TABLE outbox (
    business_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    message_id UUID NOT NULL,
    lane BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    phase BIGINT NOT NULL,
    unknown BOOLEAN NOT NULL DEFAULT false,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    fence BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, conversation_id, seq)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX outbox_waiting ON outbox (due_at) WHERE phase = 0;
CREATE INDEX outbox_ready ON outbox (lane, created_at, message_id) WHERE phase = 1;
CREATE INDEX outbox_sending ON outbox (lease_until) WHERE phase = 2;

CREATE TABLE timers (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    due_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX timers_id ON timers (id);
CREATE INDEX timers_due ON timers (due_at, id);
CREATE INDEX timers_conversation ON timers (business_id, conversation_id);

-- fence counts claims. available_at is when the call was made, then the end of the lease.
CREATE TABLE calls (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    available_at BIGINT NOT NULL,
    fence BIGINT NOT NULL DEFAULT 0,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX calls_id ON calls (id);
CREATE INDEX calls_available ON calls (available_at);
CREATE INDEX calls_conversation ON calls (business_id, conversation_id);

CREATE TABLE flows (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    published UUID,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);

CREATE TABLE flow_versions (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    flow_id UUID NOT NULL,
    number BIGINT NOT NULL,
    content_hash BYTEA NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, flow_id) REFERENCES flows (business_id, id)
);
CREATE UNIQUE INDEX flow_versions_number ON flow_versions (business_id, flow_id, number);
CREATE UNIQUE INDEX flow_versions_hash ON flow_versions (business_id, flow_id, content_hash);

CREATE TABLE sessions (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE INDEX sessions_conversation ON sessions (business_id, conversation_id, id);

CREATE TABLE trace_steps (
    business_id UUID NOT NULL,
    session_id UUID NOT NULL,
    number BIGINT NOT NULL,
    input BYTEA NOT NULL,
    effects BYTEA NOT NULL,
    state BYTEA NOT NULL,
    PRIMARY KEY (business_id, session_id, number)
);

CREATE TABLE events (
    business_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, seq)
);

-- The last number among the events of a business. Its row is locked until the events that took
-- numbers are committed, so that a reader who saw one has not missed an earlier one.
CREATE TABLE event_counters (
    business_id UUID NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE idempotency (
    business_id UUID NOT NULL REFERENCES businesses (id),
    key BYTEA NOT NULL,
    request_sha256 BYTEA NOT NULL,
    started_at BIGINT NOT NULL,
    status BIGINT,
    body BYTEA,
    PRIMARY KEY (business_id, key)
);
CREATE INDEX idempotency_started ON idempotency (started_at);

-- The second wall between businesses. A transaction sees the rows of the business it names in
-- app.business_id; only one that says app.system = 'on' sees all of them: those are the moves of
-- the engine, which take batches across businesses, and the few look-ups that find out the business.
-- Both are set for one transaction (SET LOCAL), and without either there is nothing to see. The
-- wall is forced, so that it holds for the owner of the tables too.
CREATE PROCEDURE justping_wall(place REGCLASS, key TEXT) LANGUAGE plpgsql AS $$
DECLARE
    admits TEXT := format(
        '(SELECT current_setting(''app.system'', true) = ''on'') OR %I = '
            '(SELECT nullif(current_setting(''app.business_id'', true), '''')::uuid)', key);
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', place);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', place);
    EXECUTE format('CREATE POLICY wall ON %s USING (%s) WITH CHECK (%s)', place, admits, admits);
END $$;

DO $$
DECLARE
    place NAME;
BEGIN
    CALL justping_wall('businesses', 'id');
    FOREACH place IN ARRAY ARRAY[
        'business_keys', 'members', 'api_keys', 'agents', 'channels', 'channel_secrets',
        'contacts', 'identities', 'conversations', 'messages', 'messages_default',
        'received_refs', 'sent_refs', 'parked_statuses', 'mailbox', 'outbox', 'timers', 'calls',
        'flows', 'flow_versions', 'sessions', 'trace_steps', 'events', 'event_counters',
        'idempotency'
    ] LOOP
        CALL justping_wall(place::regclass, 'business_id');
    END LOOP;
END $$;

-- Makes the partition of the messages from one moment to another, and moves there what the default
-- partition holds of it; false when it is there already. The caller says app.system = 'on'. The
-- table is locked before the look: only a lock of a table makes news of other sessions visible.
CREATE FUNCTION justping_add_messages(name TEXT, starts BIGINT, ends BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE messages IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING ALL)', name);
    CALL justping_wall(name::regclass, 'business_id');
    EXECUTE format(
        'WITH moved AS (DELETE FROM messages_default '
            'WHERE created_at >= %s AND created_at < %s RETURNING *) '
            'INSERT INTO %I SELECT * FROM moved', starts, ends, name);
    EXECUTE format('ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        name, starts, ends);
    RETURN true;
END $$;
