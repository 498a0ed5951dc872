-- Sends stand in lines by lane, business and channel, and mail by business, so that a claim can take
-- turns between businesses at a cost that does not grow with what is due.
--
-- phase: 0 not due yet, 1 due, 2 being sent, 3 behind another row of its conversation; each partial
-- index holds the rows of one phase. unknown: whether an earlier try may have left. The document
-- never changes.

CREATE TABLE outbox_lines (
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    business_id BLOB NOT NULL,
    message_id BLOB NOT NULL,
    channel_id BLOB NOT NULL,
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
INSERT INTO outbox_lines (conversation_id, seq, business_id, message_id, channel_id, lane,
        created_at, phase, unknown, due_at, attempts, fence, lease_until, doc)
    SELECT o.conversation_id, o.seq, o.business_id, o.message_id, n.channel_id, o.lane,
        o.created_at,
        CASE WHEN EXISTS (SELECT 1 FROM outbox e
            WHERE e.conversation_id = o.conversation_id AND e.seq < o.seq)
        THEN 3 ELSE o.phase END,
        o.unknown, o.due_at, o.attempts, o.fence, o.lease_until, o.doc
    FROM outbox o JOIN conversations n
        ON n.business_id = o.business_id AND n.id = o.conversation_id;
DROP TABLE outbox;
ALTER TABLE outbox_lines RENAME TO outbox;
-- Each index ends in the phase, without which SQLite would look it up in the row.
CREATE INDEX outbox_waiting ON outbox (due_at, lane, phase) WHERE phase = 0;
CREATE INDEX outbox_ready
    ON outbox (lane, business_id, channel_id, created_at, message_id, due_at, phase)
    WHERE phase = 1;
CREATE INDEX outbox_sending ON outbox (lease_until, phase) WHERE phase = 2;

-- A row that is not the first of its conversation stands behind, in no line; when the first goes,
-- the next one steps up.
CREATE TRIGGER outbox_stand_behind AFTER INSERT ON outbox
WHEN EXISTS (SELECT 1 FROM outbox e
    WHERE e.conversation_id = NEW.conversation_id AND e.seq < NEW.seq)
BEGIN
    UPDATE outbox SET phase = 3 WHERE conversation_id = NEW.conversation_id AND seq = NEW.seq;
END;
CREATE TRIGGER outbox_step_up AFTER DELETE ON outbox
BEGIN
    UPDATE outbox SET phase = 0
    WHERE conversation_id = OLD.conversation_id AND phase = 3 AND seq = (
        SELECT min(seq) FROM outbox WHERE conversation_id = OLD.conversation_id);
END;

CREATE INDEX mailbox_business ON mailbox (business_id);
