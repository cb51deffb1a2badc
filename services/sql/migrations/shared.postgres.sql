-- Answers to changes, by the id of the request; kept with the change.
CREATE TABLE request (
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of the request.
    request_hash BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    answered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant, request_id)
);

-- Who changed what, when and why. Only added to.
CREATE TABLE audit_record (
    -- In the order in which changes were noted; a change that was undone leaves a gap.
    audit_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- By which the sealer knows that nothing before can still be committed.
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at TIMESTAMPTZ NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What changed, as JSON: text, because it is hashed as it stands.
    detail TEXT NOT NULL,
    -- The record's number, from 1 and without gaps: given once, by the sealer.
    sequence BIGINT
);

CREATE UNIQUE INDEX audit_record_by_sequence ON audit_record (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_record_unsealed ON audit_record (audit_id) WHERE sequence IS NULL;

-- The chain over the records. Only added to.
CREATE TABLE audit_seal (
    -- From 1 and without gaps.
    seal BIGINT PRIMARY KEY,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    record_count BIGINT NOT NULL,
    -- SHA-256 of each record, one after the other, so that a changed record can be named.
    record_hashes BYTEA NOT NULL,
    -- The hash of the seal before.
    previous_hash BYTEA NOT NULL,
    -- SHA-256 of all of the above and of sealed_at.
    seal_hash BYTEA NOT NULL,
    sealed_at TIMESTAMPTZ NOT NULL
);

-- Work that one process at a time does.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to: what it holds stays as it is', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER audit_record_is_numbered_by_the_sealer BEFORE INSERT ON audit_record
    FOR EACH ROW WHEN (NEW.sequence IS NOT NULL) EXECUTE FUNCTION refuse_change();
-- The sealer gives a record its number, once; nothing else changes.
CREATE TRIGGER audit_record_keeps_content BEFORE UPDATE ON audit_record
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR ROW (NEW.audit_id, NEW.transaction_id, NEW.recorded_at, NEW.tenant, NEW.actor, NEW.action, NEW.subject,
                NEW.reason, NEW.detail)
            IS DISTINCT FROM
            ROW (OLD.audit_id, OLD.transaction_id, OLD.recorded_at, OLD.tenant, OLD.actor, OLD.action, OLD.subject,
                OLD.reason, OLD.detail)
    ) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_record_is_not_deleted BEFORE DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_record_is_not_emptied BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seal_keeps_content BEFORE UPDATE OR DELETE ON audit_seal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seal_is_not_emptied BEFORE TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What others must hear of.
CREATE TABLE outbox (
    outbox_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at TIMESTAMPTZ NOT NULL,
    tenant TEXT NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    content BYTEA NOT NULL
);

-- The order in which messages are read: a transaction's messages come when none before it can still be committed.
CREATE INDEX outbox_by_position ON outbox (transaction_id, outbox_id);
