-- Who may do what only one process may do at a time, and what the upkeep goes by.

SET LOCAL lock_timeout = '2s';

-- The fence counts holdings: a row stays when its lease is over, so that no number is given out
-- twice. Leases belong to no business; only the engine sees them.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    worker UUID NOT NULL,
    fence BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);
ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE leases FORCE ROW LEVEL SECURITY;
CREATE POLICY wall ON leases
    USING ((SELECT current_setting('app.system', true) = 'on'))
    WITH CHECK ((SELECT current_setting('app.system', true) = 'on'));

-- When the message was made: it says which partition holds it, and when its name may be forgotten.
-- NULL for names that are older than this column. Rows come in the order of this moment, so that an
-- index of ranges finds the old ones and costs new ones next to nothing.
ALTER TABLE received_refs ADD COLUMN created_at BIGINT;
ALTER TABLE sent_refs ADD COLUMN created_at BIGINT;
CREATE INDEX received_refs_age ON received_refs USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX sent_refs_age ON sent_refs USING brin (created_at) WITH (autosummarize = on);

-- Puts the partition of the messages from one moment to another aside: its table stays, outside of
-- the messages, for whoever wants to keep or to drop it. False when work still waits on one of its
-- messages, NULL when there is no such partition. The caller says app.system = 'on'. The table is
-- locked before the look, so that nothing begins to wait meanwhile.
CREATE FUNCTION justping_detach_messages(name TEXT, starts BIGINT, ends BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE messages IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT 1 FROM pg_inherits
        WHERE inhparent = 'messages'::regclass AND inhrelid = to_regclass(name)) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT 1 FROM outbox WHERE created_at >= starts AND created_at < ends)
        OR EXISTS (SELECT 1 FROM mailbox WHERE message_at >= starts AND message_at < ends) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE messages DETACH PARTITION %I', name);
    RETURN true;
END $$;
