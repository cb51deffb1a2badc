-- A filing that cannot be finished is tried so often and then set aside, its entries freed.
ALTER TABLE filing ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE filing ADD COLUMN set_aside_at TEXT;
ALTER TABLE filing ADD COLUMN set_aside_because TEXT;
-- Whether the ledger may hold draws of its entries of which no version on record tells.
ALTER TABLE filing ADD COLUMN must_ask_ledger INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN may_have_drawn INTEGER NOT NULL DEFAULT 0;

DROP INDEX filing_open;
CREATE INDEX filing_open ON filing (lease_until) WHERE state = 'OPEN' AND set_aside_at IS NULL;
CREATE INDEX filing_set_aside ON filing (tenant, filing_id) WHERE set_aside_at IS NOT NULL;
