-- What was recorded for the trails of entries. Only added to: a wrong record is withdrawn by a later one.
CREATE TABLE trail_record (
    record_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id BIGINT NOT NULL REFERENCES entry (entry_id),
    kind TEXT NOT NULL CHECK (kind IN ('STEP', 'DOCUMENT', 'STATEMENT', 'WITHDRAWAL')),
    -- The record that a withdrawal withdraws.
    withdraws BIGINT REFERENCES trail_record (record_id),
    -- protobuf TrailItem.
    content BYTEA NOT NULL,
    actor TEXT NOT NULL,
    -- Never before that of an earlier record of the entry.
    recorded_at TIMESTAMPTZ NOT NULL,
    CHECK ((kind = 'WITHDRAWAL') = (withdraws IS NOT NULL))
);

CREATE INDEX trail_record_of_entry ON trail_record (entry_id, record_id);
-- A record is withdrawn once.
CREATE UNIQUE INDEX trail_record_withdrawn ON trail_record (withdraws) WHERE withdraws IS NOT NULL;
