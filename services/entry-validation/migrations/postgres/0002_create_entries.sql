-- Requests to file. A row is the intent: it holds all that is needed to finish it, and its answer is the decisions.
CREATE TABLE filing (
    filing_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of the request.
    request_hash BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('OPEN', 'DONE')),
    -- Rises when certificates changed and the inputs were frozen anew.
    attempt BIGINT NOT NULL,
    -- What the verdicts rest on, by value: protobuf FilingInputs.
    inputs BYTEA NOT NULL,
    -- What the ledger answered: protobuf SetDrawsResponse. Absent while open.
    ledger BYTEA,
    -- Who works on it, and until when nobody else does.
    lease_holder TEXT NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    began_at TIMESTAMPTZ NOT NULL,
    done_at TIMESTAMPTZ,
    UNIQUE (tenant, request_id)
);

CREATE INDEX filing_open ON filing (lease_until) WHERE state = 'OPEN';

-- Entries on record. An entry that a filing works on is claimed by it.
CREATE TABLE entry (
    entry_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    entry_number TEXT NOT NULL,
    -- The newest version; 0 while the first is being filed.
    version BIGINT NOT NULL,
    claimed_by BIGINT REFERENCES filing (filing_id),
    UNIQUE (tenant, entry_number)
);

-- Every version of every entry. Only added to.
CREATE TABLE entry_version (
    entry_id BIGINT NOT NULL REFERENCES entry (entry_id),
    version BIGINT NOT NULL CHECK (version >= 1),
    filing_id BIGINT NOT NULL REFERENCES filing (filing_id),
    kind TEXT NOT NULL CHECK (kind IN ('FILED', 'AMENDED', 'CANCELLED', 'IMPORTED')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    filed_on DATE NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (entry_id, version)
);

-- The decision on each line. Only added to, and ended once.
CREATE TABLE decision (
    decision_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    filing_id BIGINT NOT NULL REFERENCES filing (filing_id),
    -- Place of the line in the filing, from 0.
    place BIGINT NOT NULL,
    entry_id BIGINT NOT NULL REFERENCES entry (entry_id),
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    line_number BIGINT NOT NULL,
    pga_line_number BIGINT NOT NULL,
    -- protobuf Verdict and EntryLine.
    verdict BYTEA NOT NULL,
    line BYTEA NOT NULL,
    -- Parts by which decisions are searched and counted.
    outcome TEXT NOT NULL CHECK (outcome IN ('ACCEPT', 'WARN', 'REJECT', 'INDETERMINATE')),
    -- Codes of the findings, each between commas.
    codes TEXT NOT NULL,
    importer_nop_id BIGINT,
    -- Key of the certificate that the line names; see the certificate service.
    certificate BIGINT,
    is_organic BOOLEAN NOT NULL,
    filed_on DATE NOT NULL,
    -- Absent where nothing is drawn.
    drawn_units BIGINT,
    excess_units BIGINT,
    recorded_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    UNIQUE (filing_id, place)
);

-- Of the decisions that stand a line of an entry has one.
CREATE UNIQUE INDEX decision_standing ON decision (entry_id, line_number, pga_line_number)
    WHERE ended_at IS NULL;
CREATE INDEX decision_by_day ON decision (tenant, filed_on);
CREATE INDEX decision_by_certificate ON decision (tenant, certificate);
