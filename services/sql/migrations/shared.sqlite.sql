-- Answers to changes, by the id of the request; kept with the change.
CREATE TABLE request (
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of the request.
    request_hash BLOB NOT NULL,
    answer BLOB NOT NULL,
    answered_at TEXT NOT NULL,
    PRIMARY KEY (tenant, request_id)
) STRICT, WITHOUT ROWID;

-- Who changed what, when and why. Only added to.
CREATE TABLE audit_record (
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    recorded_at TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What changed, as JSON: text, because it is hashed as it stands.
    detail TEXT NOT NULL
) STRICT;

-- What others must hear of.
CREATE TABLE outbox (
    outbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
    recorded_at TEXT NOT NULL,
    tenant TEXT NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
