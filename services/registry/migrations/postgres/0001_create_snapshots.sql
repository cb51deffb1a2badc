-- Every snapshot of the database that was imported. `revision` is the order of arrival, `published_on` the order in
-- which snapshots count (and of two of one day, the later revision).
CREATE TABLE snapshot (
    revision BIGINT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('SERVING', 'HELD')),
    published_on DATE NOT NULL,
    is_full BOOLEAN NOT NULL,
    form TEXT NOT NULL,
    -- JSON array of the files' names, as text: read whole.
    files TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    rows BIGINT NOT NULL,
    items BIGINT NOT NULL,
    rejected_rows BIGINT NOT NULL,
    -- Whether it states certified items at all; one that does not leaves them as they were.
    states_items BOOLEAN NOT NULL,
    -- JSON array of the certifiers' names, as text: read whole.
    certifiers TEXT NOT NULL,
    -- Of a partial snapshot: the operations that it holds, in a compact form.
    listed BYTEA,
    imported_at TIMESTAMPTZ NOT NULL,
    imported_by TEXT NOT NULL,
    source_url TEXT NOT NULL,
    entity_tag TEXT NOT NULL,
    last_modified TEXT NOT NULL
);

-- At most one is held.
CREATE UNIQUE INDEX snapshot_held ON snapshot (state) WHERE state = 'HELD';

-- What snapshots say about operations. A full snapshot without an observation of an operation says what the operation's
-- observation before it (in the order of publication) says; so does a partial one that lists the operation; a partial
-- one that does not list it says nothing.
CREATE TABLE observation (
    nop_id BIGINT NOT NULL,
    revision BIGINT NOT NULL REFERENCES snapshot (revision),
    -- 0 listed, 1 refused, 2 absent.
    kind BIGINT NOT NULL,
    -- What it meant when it came: 0 nothing new, 1 added, 2 changed, 3 unlisted.
    change BIGINT NOT NULL,
    -- Of a listed one: hash of the row, where its fields stand, its statement and its heading as JSON. That is text,
    -- because whole revisions are read at once and never by its parts.
    content_hash BYTEA,
    block BIGINT,
    slot BIGINT,
    statement TEXT,
    heading TEXT,
    -- The import that wrote it: its own, or a later one of an older snapshot that had to repeat what this one says.
    written_by BIGINT NOT NULL,
    PRIMARY KEY (nop_id, revision)
);

CREATE INDEX observation_by_revision ON observation (revision, nop_id);

-- The certified items of an operation, from this snapshot on (in the order of publication) until its next list.
CREATE TABLE item_list (
    nop_id BIGINT NOT NULL,
    revision BIGINT NOT NULL REFERENCES snapshot (revision),
    content_hash BYTEA NOT NULL,
    -- JSON array of pairs of block and slot, as text: read whole.
    runs TEXT NOT NULL,
    written_by BIGINT NOT NULL,
    PRIMARY KEY (nop_id, revision)
);

-- Compressed rows and items, some hundred together.
CREATE TABLE block (
    block BIGINT PRIMARY KEY,
    written_by BIGINT NOT NULL,
    bytes BYTEA NOT NULL
);

-- They are compressed already: the engine need not try.
ALTER TABLE block ALTER COLUMN bytes SET STORAGE EXTERNAL;
