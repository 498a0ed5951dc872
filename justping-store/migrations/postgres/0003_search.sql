-- Full-text search. What a word is, the model says; here are words only.
--
-- The words of a business are cut into segments of 16,384 messages, and each word in the index begins
-- with the number of its segment. So a search touches the words of one business, the newest segment
-- first, and what a common word or a short beginning costs is bounded by the size of a segment.

SET LOCAL lock_timeout = '2s';
SET LOCAL app.system = 'on';

-- What is not taken in yet, in the order in which it was recorded. A contact may be here several
-- times.
CREATE TABLE unindexed_messages (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    message_at BIGINT NOT NULL
);
CREATE TABLE unindexed_contacts (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL
);

CREATE FUNCTION justping_contact_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unindexed_contacts (business_id, contact_id) VALUES (NEW.business_id, NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER contact_changed AFTER INSERT OR UPDATE OF doc ON contacts
    FOR EACH ROW EXECUTE FUNCTION justping_contact_changed();

-- number: 0, 1, 2 … for messages, -1 for all contacts.
CREATE TABLE search_segments (
    business_id UUID NOT NULL REFERENCES businesses (id),
    number BIGINT NOT NULL,
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (business_id, number)
);

-- place counts the messages of a business that have a word, in the order in which they were taken in.
CREATE TABLE message_words (
    business_id UUID NOT NULL,
    place BIGINT NOT NULL,
    conversation_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    message_at BIGINT NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (business_id, place)
);
-- What waits in front of the index is read by every search: it is kept short.
CREATE INDEX message_words_words ON message_words USING gin (words)
    WITH (gin_pending_list_limit = 64);
CREATE INDEX message_words_conversation ON message_words (business_id, conversation_id, place);

CREATE TABLE contact_words (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (business_id, contact_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts (business_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_words_words ON contact_words USING gin (words)
    WITH (gin_pending_list_limit = 64);

DO $$
DECLARE
    place NAME;
BEGIN
    FOREACH place IN ARRAY ARRAY[
        'unindexed_messages', 'unindexed_contacts', 'search_segments', 'message_words',
        'contact_words'
    ] LOOP
        CALL justping_wall(place::regclass, 'business_id');
    END LOOP;
END $$;
-- A wall that is forced on the owner would keep the index of words from being used: whether a text
-- matches may only be asked of rows that are known to be visible. These two stand open for the owner,
-- and are read by the two functions below alone, which ask for the business themselves.
ALTER TABLE message_words NO FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_words NO FORCE ROW LEVEL SECURITY;

-- The words of a query as they are in a segment; the last may be a beginning. NULL without a word.
CREATE FUNCTION justping_query(segment BIGINT, whole TEXT[], start TEXT) RETURNS TSQUERY
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(
        '''' || to_hex(segment) || '_' || replace(replace(word, '\', '\\'), '''', '''''') || ending,
        ' & ')::tsquery
    FROM (SELECT w, '''' FROM unnest(whole) w
        UNION ALL SELECT start, ''':*' WHERE start IS NOT NULL) terms (word, ending)
$$;

-- Refuses whoever does not speak for the business.
CREATE FUNCTION justping_speaks_for(business UUID) RETURNS VOID LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF business IS DISTINCT FROM nullif(current_setting('app.business_id', true), '')::uuid THEN
        RAISE EXCEPTION 'a search of another business' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- The newest messages before a place that match. What matches is settled before anything else is
-- asked, so that the index of words answers it, or, within a conversation, the index of its messages.
CREATE FUNCTION justping_search_messages(
    business UUID, whole TEXT[], start TEXT, conversation UUID, below BIGINT, wanted BIGINT)
RETURNS TABLE (place BIGINT, conversation_id UUID, seq BIGINT, message_at BIGINT)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    segment RECORD;
    asked TSQUERY;
    found BIGINT;
BEGIN
    PERFORM justping_speaks_for(business);
    FOR segment IN
        SELECT s.id, s.number FROM search_segments s
        WHERE s.business_id = business AND s.number BETWEEN 0 AND (below - 1) / 16384
        ORDER BY s.number DESC
    LOOP
        asked := justping_query(segment.id, whole, start);
        IF conversation IS NULL THEN
            RETURN QUERY
                WITH hits AS MATERIALIZED (SELECT * FROM message_words w WHERE w.words @@ asked)
                SELECT h.place, h.conversation_id, h.seq, h.message_at FROM hits h
                WHERE h.business_id = business AND h.place < below
                ORDER BY h.place DESC LIMIT wanted;
        ELSE
            RETURN QUERY
                WITH own AS MATERIALIZED (
                    SELECT * FROM message_words w
                    WHERE w.business_id = business AND w.conversation_id = conversation
                        AND w.place >= segment.number * 16384
                        AND w.place < least(below, (segment.number + 1) * 16384))
                SELECT o.place, o.conversation_id, o.seq, o.message_at FROM own o
                WHERE o.words @@ asked
                ORDER BY o.place DESC LIMIT wanted;
        END IF;
        GET DIAGNOSTICS found = ROW_COUNT;
        wanted := wanted - found;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $$;

-- The contacts with the greatest ids below one that match.
CREATE FUNCTION justping_search_contacts(
    business UUID, whole TEXT[], start TEXT, below UUID, wanted BIGINT)
RETURNS TABLE (contact_id UUID)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    segment BIGINT := (
        SELECT s.id FROM search_segments s WHERE s.business_id = business AND s.number = -1);
    asked TSQUERY := justping_query(segment, whole, start);
BEGIN
    PERFORM justping_speaks_for(business);
    RETURN QUERY
        WITH hits AS MATERIALIZED (SELECT * FROM contact_words w WHERE w.words @@ asked)
        SELECT h.contact_id FROM hits h
        WHERE h.business_id = business AND (below IS NULL OR h.contact_id < below)
        ORDER BY h.contact_id DESC LIMIT wanted;
END $$;

REVOKE ALL ON FUNCTION justping_search_messages FROM PUBLIC;
REVOKE ALL ON FUNCTION justping_search_contacts FROM PUBLIC;

-- What is there already waits to be taken in.
INSERT INTO unindexed_messages (business_id, conversation_id, seq, message_at)
    SELECT business_id, conversation_id, seq, created_at FROM messages
    ORDER BY created_at, business_id, conversation_id, seq;
INSERT INTO unindexed_contacts (business_id, contact_id) SELECT business_id, id FROM contacts;
