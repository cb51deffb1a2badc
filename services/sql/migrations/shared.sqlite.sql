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
    -- In the order in which changes were noted, without gaps.
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    recorded_at TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What changed, as JSON: text, because it is hashed as it stands.
    detail TEXT NOT NULL,
    -- The record's number, from 1 and without gaps: given once, by the sealer.
    sequence INTEGER
) STRICT;

CREATE UNIQUE INDEX audit_record_by_sequence ON audit_record (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_record_unsealed ON audit_record (audit_id) WHERE sequence IS NULL;

-- The chain over the records. Only added to.
CREATE TABLE audit_seal (
    -- From 1 and without gaps.
    seal INTEGER PRIMARY KEY,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    record_count INTEGER NOT NULL,
    -- SHA-256 of each record, one after the other, so that a changed record can be named.
    record_hashes BLOB NOT NULL,
    -- The hash of the seal before.
    previous_hash BLOB NOT NULL,
    -- SHA-256 of all of the above and of sealed_at.
    seal_hash BLOB NOT NULL,
    sealed_at TEXT NOT NULL
) STRICT;

-- Work that one process at a time does.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    -- RFC 3339, UTC.
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_record_is_numbered_by_the_sealer BEFORE INSERT ON audit_record
    -- An INSERT OR REPLACE deletes without asking the trigger below.
    WHEN NEW.sequence IS NOT NULL OR EXISTS (SELECT 1 FROM audit_record WHERE audit_id = NEW.audit_id)
    BEGIN SELECT RAISE(ABORT, 'audit_record is only added to: what it holds stays as it is'); END;
-- The sealer gives a record its number, once; nothing else changes.
CREATE TRIGGER audit_record_keeps_content BEFORE UPDATE ON audit_record
    WHEN OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR (NEW.audit_id, NEW.recorded_at, NEW.tenant, NEW.actor, NEW.action, NEW.subject, NEW.reason, NEW.detail)
            IS NOT
            (OLD.audit_id, OLD.recorded_at, OLD.tenant, OLD.actor, OLD.action, OLD.subject, OLD.reason, OLD.detail)
    BEGIN SELECT RAISE(ABORT, 'audit_record is only added to: what it holds stays as it is'); END;
CREATE TRIGGER audit_record_is_not_deleted BEFORE DELETE ON audit_record
    BEGIN SELECT RAISE(ABORT, 'audit_record is only added to: what it holds stays as it is'); END;
CREATE TRIGGER audit_seal_is_not_replaced BEFORE INSERT ON audit_seal
    WHEN EXISTS (SELECT 1 FROM audit_seal WHERE seal = NEW.seal)
    BEGIN SELECT RAISE(ABORT, 'audit_seal is only added to: what it holds stays as it is'); END;
CREATE TRIGGER audit_seal_keeps_content BEFORE UPDATE ON audit_seal
    BEGIN SELECT RAISE(ABORT, 'audit_seal is only added to: what it holds stays as it is'); END;
CREATE TRIGGER audit_seal_is_not_deleted BEFORE DELETE ON audit_seal
    BEGIN SELECT RAISE(ABORT, 'audit_seal is only added to: what it holds stays as it is'); END;

-- What others must hear of.
CREATE TABLE outbox (
    outbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
    recorded_at TEXT NOT NULL,
    tenant TEXT NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
