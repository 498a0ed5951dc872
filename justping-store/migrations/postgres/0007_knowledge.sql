-- Knowledge bases: sources, cut into chunks that are found by words and by meaning.

SET LOCAL lock_timeout = '2s';
SET LOCAL app.system = 'on';

-- number names the base where only a number does. A chunk gets the next place of its base, a vector
-- the next number, under the lock of the base, so that they appear in order; generation counts what
-- went, so that whoever keeps codes in memory notices.
CREATE TABLE knowledge_bases (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    last_place BIGINT NOT NULL,
    last_vector BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) WITH (fillfactor = 50);

-- due_at: from when on a worker may take it; NULL while there is nothing to do.
CREATE TABLE sources (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    base_id UUID NOT NULL,
    due_at BIGINT,
    fence BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, base_id) REFERENCES knowledge_bases (business_id, id)
);
CREATE INDEX sources_base ON sources (business_id, base_id, id);
CREATE INDEX sources_due ON sources (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE source_bodies (
    business_id UUID NOT NULL,
    source_id UUID NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (business_id, source_id),
    FOREIGN KEY (business_id, source_id) REFERENCES sources (business_id, id) ON DELETE CASCADE
);

-- round: the fence of whoever kept it last. model: the one its vector is of.
CREATE TABLE chunks (
    business_id UUID NOT NULL,
    base_id UUID NOT NULL,
    place BIGINT NOT NULL,
    source_id UUID NOT NULL,
    id UUID NOT NULL,
    round BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    model TEXT,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, base_id, place),
    FOREIGN KEY (business_id, source_id) REFERENCES sources (business_id, id)
);
CREATE UNIQUE INDEX chunks_source ON chunks (business_id, source_id, id);

-- The words of a chunk, each behind the number of its base in hex and '_', which no word contains.
CREATE TABLE chunk_words (
    business_id UUID NOT NULL,
    base_id UUID NOT NULL,
    place BIGINT NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (business_id, base_id, place)
);
CREATE INDEX chunk_words_words ON chunk_words USING gin (words)
    WITH (gin_pending_list_limit = 64);

-- In how many chunks of a base a word is. No index holds the count.
CREATE TABLE knowledge_terms (
    business_id UUID NOT NULL,
    base_id UUID NOT NULL,
    word TEXT COLLATE "C" NOT NULL,
    chunks BIGINT NOT NULL,
    PRIMARY KEY (business_id, base_id, word)
) WITH (fillfactor = 70);

-- code: the signs of the vector, 1/32 of its size; what is compared with a question is found by it.
-- Numbers do not compress.
CREATE TABLE knowledge_vectors (
    business_id UUID NOT NULL,
    base_id UUID NOT NULL,
    number BIGINT NOT NULL,
    place BIGINT NOT NULL,
    model TEXT NOT NULL,
    code BYTEA NOT NULL,
    vector BYTEA NOT NULL,
    PRIMARY KEY (business_id, base_id, number)
);
ALTER TABLE knowledge_vectors ALTER code SET STORAGE MAIN, ALTER vector SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX knowledge_vectors_place ON knowledge_vectors (business_id, base_id, place);

DO $$
DECLARE
    place NAME;
BEGIN
    FOREACH place IN ARRAY ARRAY[
        'knowledge_bases', 'sources', 'source_bodies', 'chunks', 'chunk_words', 'knowledge_terms',
        'knowledge_vectors'
    ] LOOP
        CALL justping_wall(place::regclass, 'business_id');
    END LOOP;
END $$;
-- As the words of messages: it stands open for the owner, and the function below alone reads it.
ALTER TABLE chunk_words NO FORCE ROW LEVEL SECURITY;

-- The chunks with any of the words, by what their words are worth together.
CREATE FUNCTION justping_search_knowledge(
    business UUID, base UUID, asked TEXT[], worths BIGINT[], wanted BIGINT)
RETURNS TABLE (place BIGINT, worth BIGINT)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    shelf BIGINT := (
        SELECT b.number FROM knowledge_bases b WHERE b.business_id = business AND b.id = base);
BEGIN
    PERFORM justping_speaks_for(business);
    RETURN QUERY
        SELECT h.place, sum(a.worth)::bigint
        FROM unnest(asked, worths) a (word, worth)
            CROSS JOIN LATERAL (
                SELECT w.business_id, w.base_id, w.place FROM chunk_words w
                WHERE w.words @@ justping_query(shelf, ARRAY[a.word], NULL) OFFSET 0) h
        WHERE h.business_id = business AND h.base_id = base
        GROUP BY h.place ORDER BY 2 DESC, 1 LIMIT wanted;
END $$;
REVOKE ALL ON FUNCTION justping_search_knowledge FROM PUBLIC;
