-- Weights are whole units of 0.0001 kg.
-- A certificate's key is its 19 digits as a number, less 5 000 000 000 000 000 000: so 64 bits hold it, in order.

-- What each certificate states now, and the state of its ledger.
CREATE TABLE certificate (
    certificate BIGINT PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 1),
    -- The certificate as a line of an import file, without draws: read whole, so kept whole.
    content JSONB NOT NULL,
    -- Parts of the content by which certificates are searched.
    status TEXT NOT NULL,
    certifier_id BIGINT NOT NULL,
    exporter_nop_id BIGINT NOT NULL,
    importer_nop_id BIGINT NOT NULL,
    valid_from DATE,
    valid_to DATE,
    -- The ledger: sums over the draws in force, changed in the transaction that changes those.
    limit_units BIGINT NOT NULL,
    drawn_units BIGINT NOT NULL CHECK (drawn_units >= 0),
    -- What may be drawn past the limit: what is marked on draws, and what is past it because it was lowered.
    excess_units BIGINT NOT NULL CHECK (excess_units >= 0),
    -- Sum of the excess marked on draws.
    marked_units BIGINT NOT NULL DEFAULT 0 CHECK (marked_units >= 0),
    draw_count BIGINT NOT NULL CHECK (draw_count >= 0),
    -- The least and the greatest entry number that drew: the same where only one entry did.
    first_drawer TEXT,
    last_drawer TEXT,
    -- The tenant that drew; absent where several did.
    drawer_tenant TEXT,
    -- Whatever is drawn keeps to the limit but for excess that was permitted.
    CONSTRAINT drawn_within_limit CHECK (drawn_units <= limit_units + excess_units)
);

CREATE INDEX certificate_by_exporter ON certificate (exporter_nop_id);
CREATE INDEX certificate_by_importer ON certificate (importer_nop_id);
CREATE INDEX certificate_by_certifier ON certificate (certifier_id);

-- Every version of every certificate, with who made it, when and why. Only added to.
CREATE TABLE certificate_version (
    certificate BIGINT NOT NULL REFERENCES certificate (certificate),
    version BIGINT NOT NULL CHECK (version >= 1),
    -- The certificate as a line of an import file, without draws.
    content JSONB NOT NULL,
    -- What made it: IMPORT, or a step of its life.
    source TEXT NOT NULL,
    -- Name of the file, or the reason that was given.
    reason TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (certificate, version)
);

-- Every draw that ever stood; one that was given back or replaced has an end. Only added to, and ended once.
CREATE TABLE draw (
    draw_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    certificate BIGINT NOT NULL REFERENCES certificate (certificate),
    entry_number TEXT NOT NULL,
    line_number BIGINT NOT NULL CHECK (line_number >= 1),
    pga_line_number BIGINT NOT NULL CHECK (pga_line_number >= 1),
    source TEXT NOT NULL CHECK (source IN ('IMPORT', 'FILING')),
    tenant TEXT NOT NULL,
    weight_units BIGINT NOT NULL CHECK (weight_units >= 0),
    -- The part of the weight that was permitted past the limit.
    excess_units BIGINT NOT NULL CHECK (excess_units BETWEEN 0 AND weight_units),
    -- Version of the entry that filing recorded; an import knows none.
    entry_version BIGINT CHECK ((entry_version IS NULL) = (source = 'IMPORT')),
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);

-- Of the draws in force a line has one that filing recorded, and one on each certificate from imports; also for giving
-- back what an entry drew, wherever it drew it.
CREATE UNIQUE INDEX draw_in_force ON draw (entry_number, tenant, line_number, pga_line_number, source,
    (CASE source WHEN 'IMPORT' THEN certificate ELSE 0 END)) WHERE ended_at IS NULL;
CREATE INDEX draw_by_certificate ON draw (certificate, draw_id);
