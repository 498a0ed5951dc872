-- Sends stand in lines by lane, business and channel, and mail by business, so that a claim can take
-- turns between businesses at a cost that does not grow with what is due.

SET LOCAL lock_timeout = '2s';
SET LOCAL app.system = 'on';

-- phase: 0 not due yet, 1 due, 2 being sent, 3 behind another row of its conversation; each partial
-- index holds the rows of one phase.
ALTER TABLE outbox ADD COLUMN channel_id UUID;
UPDATE outbox o SET
    channel_id = (SELECT n.channel_id FROM conversations n
        WHERE n.business_id = o.business_id AND n.id = o.conversation_id),
    phase = CASE WHEN EXISTS (SELECT 1 FROM outbox e
            WHERE e.business_id = o.business_id AND e.conversation_id = o.conversation_id
                AND e.seq < o.seq)
        THEN 3 ELSE o.phase END;
ALTER TABLE outbox ALTER COLUMN channel_id SET NOT NULL;
DROP INDEX outbox_ready;
CREATE INDEX outbox_ready
    ON outbox (lane, business_id, channel_id, created_at, message_id, due_at) WHERE phase = 1;

-- A row that is not the first of its conversation stands behind, in no line. The rows before it are
-- held until it is committed: whoever ends one of them either has gone already, or will find it.
CREATE FUNCTION justping_stand_behind() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM outbox e
        WHERE e.business_id = NEW.business_id AND e.conversation_id = NEW.conversation_id
        ORDER BY e.seq FOR KEY SHARE;
    IF EXISTS (SELECT 1 FROM outbox e WHERE e.business_id = NEW.business_id
            AND e.conversation_id = NEW.conversation_id AND e.seq < NEW.seq) THEN
        NEW.phase := 3;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER outbox_stand_behind BEFORE INSERT ON outbox
    FOR EACH ROW EXECUTE FUNCTION justping_stand_behind();

-- When the first row of a conversation goes, the next one steps up.
CREATE FUNCTION justping_step_up() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE outbox o SET phase = 0
    WHERE o.business_id = OLD.business_id AND o.conversation_id = OLD.conversation_id
        AND o.phase = 3 AND NOT EXISTS (SELECT 1 FROM outbox e
            WHERE e.business_id = o.business_id AND e.conversation_id = o.conversation_id
                AND e.seq < o.seq);
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_step_up AFTER DELETE ON outbox
    FOR EACH ROW EXECUTE FUNCTION justping_step_up();

CREATE INDEX mailbox_business ON mailbox (business_id, seq);
