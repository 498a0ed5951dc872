-- The ledger. Ids are BLOB(16) UUIDs, times INTEGER milliseconds since 1970, documents TEXT in JSON.
-- A document holds the whole model; the columns beside it are what statements search, order and
-- compare by, and are written from the same value. Rows of queues (mailbox, outbox, timers, calls)
-- are live only: what is done is deleted.

-- "JsPg": says whose file this is.
PRAGMA application_id = 1249071207;

CREATE TABLE businesses (
    id BLOB NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The data keys of each business, wrapped by the master key. The newest seals, all open.
CREATE TABLE business_keys (
    business_id BLOB NOT NULL,
    key_id INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (business_id, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    token_sha256 BLOB NOT NULL,
    revoked_at INTEGER,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_keys_token ON api_keys (token_sha256);

CREATE TABLE channels (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    agent_id BLOB,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX channels_id ON channels (id);

CREATE TABLE channel_secrets (
    business_id BLOB NOT NULL,
    channel_id BLOB NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (business_id, channel_id, name),
    FOREIGN KEY (business_id, channel_id) REFERENCES channels (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    named INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    business_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    contact_id BLOB NOT NULL,
    PRIMARY KEY (business_id, kind, address)
) STRICT, WITHOUT ROWID;

-- session_id names the waiting session. The fence counts claims. A turn may begin at lease_until,
-- or at not_before while nobody holds the lease.
CREATE TABLE conversations (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    channel_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    status TEXT NOT NULL,
    owner TEXT NOT NULL,
    last_message_at INTEGER NOT NULL,
    session_id BLOB,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    not_before INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX conversations_contact ON conversations (business_id, contact_id, channel_id);
CREATE INDEX conversations_recent ON conversations (business_id, last_message_at, id);

CREATE TABLE messages (
    business_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, conversation_id, seq)
) STRICT, WITHOUT ROWID;

-- What providers call messages: the key by which received ones are de-duplicated, and by which
-- news finds those that were sent.
CREATE TABLE received_refs (
    channel_id BLOB NOT NULL,
    provider_ref TEXT NOT NULL,
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (channel_id, provider_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE sent_refs (
    channel_id BLOB NOT NULL,
    provider_ref TEXT NOT NULL,
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (channel_id, provider_ref)
) STRICT, WITHOUT ROWID;

-- News of messages whose reference is not known yet, at most one a status.
CREATE TABLE parked_statuses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id BLOB NOT NULL,
    provider_ref TEXT NOT NULL,
    status TEXT NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX parked_statuses_ref ON parked_statuses (channel_id, provider_ref, status);

-- An entry is a message of the conversation (message_seq) or an event of its own.
CREATE TABLE mailbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    message_seq INTEGER,
    event TEXT
) STRICT;
CREATE INDEX mailbox_conversation ON mailbox (conversation_id);

-- phase: 0 not due yet, 1 due, 2 being sent; each partial index holds the rows of one phase.
-- unknown: whether an earlier try may have left. The document never changes.
CREATE TABLE outbox (
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    business_id BLOB NOT NULL,
    message_id BLOB NOT NULL,
    lane INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    unknown INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    doc TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox (due_at) WHERE phase = 0;
CREATE INDEX outbox_ready ON outbox (lane, created_at, message_id) WHERE phase = 1;
CREATE INDEX outbox_sending ON outbox (lease_until) WHERE phase = 2;

CREATE TABLE timers (
    id BLOB NOT NULL PRIMARY KEY,
    business_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    due_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at, id);
CREATE INDEX timers_conversation ON timers (conversation_id);

-- fence counts claims. available_at is when the call was made, then the end of the lease.
CREATE TABLE calls (
    id BLOB NOT NULL PRIMARY KEY,
    business_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    available_at INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_available ON calls (available_at);
CREATE INDEX calls_conversation ON calls (conversation_id);

CREATE TABLE agents (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE flows (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    published BLOB,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE flow_versions (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    flow_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX flow_versions_number ON flow_versions (business_id, flow_id, number);
CREATE UNIQUE INDEX flow_versions_hash ON flow_versions (business_id, flow_id, content_hash);

CREATE TABLE sessions (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_conversation ON sessions (business_id, conversation_id, id);

CREATE TABLE trace_steps (
    business_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    input TEXT NOT NULL,
    effects TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (business_id, session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    business_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    business_id BLOB NOT NULL,
    key TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    status INTEGER,
    body TEXT,
    PRIMARY KEY (business_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_started ON idempotency (started_at);
