-- Groups, and who is in them.

CREATE TABLE contact_groups (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX contact_groups_name ON contact_groups (business_id, name);

-- A row counts while its group is there: that of a deleted group goes later, with the upkeep.
CREATE TABLE memberships (
    business_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (business_id, group_id, contact_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts (business_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_contact ON memberships (business_id, contact_id, group_id);

-- Deleted groups whose memberships may still be there.
CREATE TABLE gone_groups (
    business_id BLOB NOT NULL REFERENCES businesses (id),
    group_id BLOB NOT NULL,
    PRIMARY KEY (business_id, group_id)
) STRICT, WITHOUT ROWID;
