-- Who changed it also had a role; and what the change left of each row that it wrote: kind, key and hash.
ALTER TABLE audit_record ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_record ADD COLUMN row_hashes BLOB;

DROP TRIGGER audit_record_keeps_content;
-- The sealer gives a record its number, once; nothing else changes.
CREATE TRIGGER audit_record_keeps_content BEFORE UPDATE ON audit_record
    WHEN OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR (NEW.audit_id, NEW.recorded_at, NEW.tenant, NEW.actor, NEW.action, NEW.subject, NEW.reason, NEW.detail,
                NEW.role, NEW.row_hashes)
            IS NOT
            (OLD.audit_id, OLD.recorded_at, OLD.tenant, OLD.actor, OLD.action, OLD.subject, OLD.reason, OLD.detail,
                OLD.role, OLD.row_hashes)
    BEGIN SELECT RAISE(ABORT, 'audit_record is only added to: what it holds stays as it is'); END;
