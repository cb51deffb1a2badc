-- Who changed it also had a role; and what the change left of each row that it wrote: kind, key and hash.
ALTER TABLE audit_record ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_record ADD COLUMN row_hashes BYTEA;
-- Hashes cannot be compressed: the engine need not try.
ALTER TABLE audit_record ALTER COLUMN row_hashes SET STORAGE EXTERNAL;

DROP TRIGGER audit_record_keeps_content ON audit_record;
-- The sealer gives a record its number, once; nothing else changes.
CREATE TRIGGER audit_record_keeps_content BEFORE UPDATE ON audit_record
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR ROW (NEW.audit_id, NEW.transaction_id, NEW.recorded_at, NEW.tenant, NEW.actor, NEW.action, NEW.subject,
                NEW.reason, NEW.detail, NEW.role, NEW.row_hashes)
            IS DISTINCT FROM
            ROW (OLD.audit_id, OLD.transaction_id, OLD.recorded_at, OLD.tenant, OLD.actor, OLD.action, OLD.subject,
                OLD.reason, OLD.detail, OLD.role, OLD.row_hashes)
    ) EXECUTE FUNCTION refuse_change();
