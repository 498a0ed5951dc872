-- Full-text search. What a word is, the model says; here are words only, each behind the business
-- whose it is (in hex, then '_', which no word contains), so that no search meets the words of
-- another business.

-- Every message in the order in which they were recorded, the only thing that recording one costs.
-- The words of those up to search_progress.message are in message_words.
CREATE TABLE message_places (
    id INTEGER PRIMARY KEY,
    business_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    seq INTEGER NOT NULL
) STRICT;

CREATE TABLE search_progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    message INTEGER NOT NULL
) STRICT;
INSERT INTO search_progress (only, message) VALUES (1, 0);

-- A message has its conversation as a word too: '_', then the id in hex.
CREATE VIRTUAL TABLE message_words USING fts5 (
    words, content = '', columnsize = 0, detail = 'none', tokenize = "ascii tokenchars '_'"
);

-- Contacts that changed since their words were taken in; one may be here several times.
CREATE TABLE unindexed_contacts (
    id INTEGER PRIMARY KEY,
    business_id BLOB NOT NULL,
    contact_id BLOB NOT NULL
) STRICT;
CREATE TRIGGER contact_created AFTER INSERT ON contacts BEGIN
    INSERT INTO unindexed_contacts (business_id, contact_id) VALUES (new.business_id, new.id);
END;
CREATE TRIGGER contact_changed AFTER UPDATE OF doc ON contacts BEGIN
    INSERT INTO unindexed_contacts (business_id, contact_id) VALUES (new.business_id, new.id);
END;

CREATE TABLE contact_places (
    id INTEGER PRIMARY KEY,
    business_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts (business_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX contact_places_contact ON contact_places (business_id, contact_id);
CREATE VIRTUAL TABLE contact_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = 'none', tokenize = "ascii tokenchars '_'"
);
CREATE TRIGGER contact_gone AFTER DELETE ON contact_places BEGIN
    DELETE FROM contact_words WHERE rowid = old.id;
END;

-- What is there already waits to be taken in.
INSERT INTO message_places (business_id, conversation_id, seq)
    SELECT business_id, conversation_id, seq FROM messages
    ORDER BY doc ->> 'created_at', business_id, conversation_id, seq;
INSERT INTO unindexed_contacts (business_id, contact_id) SELECT business_id, id FROM contacts;
