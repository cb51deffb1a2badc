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
    audit_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- By which readers know that nothing before can still be committed.
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at TIMESTAMPTZ NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What changed, as JSON: text, because it is hashed as it stands.
    detail TEXT NOT NULL
);

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
