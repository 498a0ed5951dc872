-- Knowledge bases: sources, cut into chunks that are found by words and by meaning.

-- number names the base where only a number does. A chunk gets the next place of its base, a vector
-- the next number; generation counts what went, so that whoever keeps codes in memory notices.
CREATE TABLE knowledge_bases (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    number INTEGER NOT NULL UNIQUE,
    last_place INTEGER NOT NULL,
    last_vector INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;

-- due_at: from when on a worker may take it; NULL while there is nothing to do.
CREATE TABLE sources (
    business_id BLOB NOT NULL,
    id BLOB NOT NULL,
    base_id BLOB NOT NULL,
    due_at INTEGER,
    fence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id),
    FOREIGN KEY (business_id, base_id) REFERENCES knowledge_bases (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_base ON sources (business_id, base_id, id);
CREATE INDEX sources_due ON sources (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE source_bodies (
    business_id BLOB NOT NULL,
    source_id BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (business_id, source_id),
    FOREIGN KEY (business_id, source_id) REFERENCES sources (business_id, id) ON DELETE CASCADE
) STRICT;

-- round: the fence of whoever kept it last. model: the one its vector is of.
CREATE TABLE chunks (
    business_id BLOB NOT NULL,
    base_id BLOB NOT NULL,
    place INTEGER NOT NULL,
    source_id BLOB NOT NULL,
    id BLOB NOT NULL,
    round INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    model TEXT,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, base_id, place),
    FOREIGN KEY (business_id, source_id) REFERENCES sources (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chunks_source ON chunks (business_id, source_id, id);

-- The words of a chunk, each behind the number of its base in hex and '_', which no word contains;
-- the row is the number of the base and, in the lower 32 bits, the place.
CREATE VIRTUAL TABLE chunk_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = 'none', tokenize = "ascii tokenchars '_'"
);

-- In how many chunks of a base a word is.
CREATE TABLE knowledge_terms (
    business_id BLOB NOT NULL,
    base_id BLOB NOT NULL,
    word TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    PRIMARY KEY (business_id, base_id, word)
) STRICT, WITHOUT ROWID;

-- code: the signs of the vector, 1/32 of its size; what is compared with a question is found by it.
CREATE TABLE knowledge_vectors (
    business_id BLOB NOT NULL,
    base_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    place INTEGER NOT NULL,
    model TEXT NOT NULL,
    code BLOB NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (business_id, base_id, number)
) STRICT;
CREATE UNIQUE INDEX knowledge_vectors_place ON knowledge_vectors (business_id, base_id, place);
-- All codes of a base are read along this one, without the vectors in between.
CREATE INDEX knowledge_vectors_code ON knowledge_vectors (business_id, base_id, number, model, place, code);
