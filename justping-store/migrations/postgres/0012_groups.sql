-- Groups, and who is in them.

SET LOCAL lock_timeout = '2s';

CREATE TABLE contact_groups (
    business_id UUID NOT NULL REFERENCES businesses (id),
    id UUID NOT NULL,
    name BYTEA NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (business_id, id)
);
CREATE UNIQUE INDEX contact_groups_name ON contact_groups (business_id, name);
CALL justping_wall('contact_groups', 'business_id');

-- A row counts while its group is there: that of a deleted group goes later, with the upkeep.
CREATE TABLE memberships (
    business_id UUID NOT NULL,
    group_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (business_id, group_id, contact_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts (business_id, id) ON DELETE CASCADE
);
CREATE INDEX memberships_contact ON memberships (business_id, contact_id, group_id);
CALL justping_wall('memberships', 'business_id');

-- Deleted groups whose memberships may still be there.
CREATE TABLE gone_groups (
    business_id UUID NOT NULL REFERENCES businesses (id),
    group_id UUID NOT NULL,
    PRIMARY KEY (business_id, group_id)
);
CALL justping_wall('gone_groups', 'business_id');
