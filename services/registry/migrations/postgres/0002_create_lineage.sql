-- Names the history of this database to those who keep copies of its revisions: after a restore from a backup, which
-- gives numbers again, it is another one.
CREATE TABLE lineage (
    slot BIGINT PRIMARY KEY CHECK (slot = 1),
    -- 16 random bytes.
    lineage BYTEA NOT NULL
);
