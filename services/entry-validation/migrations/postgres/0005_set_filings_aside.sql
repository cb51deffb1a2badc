-- A filing that cannot be finished is tried so often and then set aside, its entries freed.
ALTER TABLE filing ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE filing ADD COLUMN set_aside_at TIMESTAMPTZ;
ALTER TABLE filing ADD COLUMN set_aside_because TEXT;
-- Whether the ledger may hold draws of its entries of which no version on record tells.
ALTER TABLE filing ADD COLUMN must_ask_ledger BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE entry ADD COLUMN may_have_drawn BOOLEAN NOT NULL DEFAULT FALSE;

DROP INDEX filing_open;
CREATE INDEX filing_open ON filing (lease_until) WHERE state = 'OPEN' AND set_aside_at IS NULL;
CREATE INDEX filing_set_aside ON filing (tenant, filing_id) WHERE set_aside_at IS NOT NULL;
