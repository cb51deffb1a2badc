-- Requests to file. A row is the intent: it holds all that is needed to finish it, and its answer is the decisions.
CREATE TABLE filing (
    filing_id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of the request.
    request_hash BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('OPEN', 'DONE')),
    -- Rises when certificates changed and the inputs were frozen anew.
    attempt INTEGER NOT NULL,
    -- What the verdicts rest on, by value: protobuf FilingInputs.
    inputs BLOB NOT NULL,
    -- What the ledger answered: protobuf SetDrawsResponse. Absent while open.
    ledger BLOB,
    -- Who works on it, and until when nobody else does.
    lease_holder TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    began_at TEXT NOT NULL,
    done_at TEXT,
    UNIQUE (tenant, request_id)
) STRICT;

CREATE INDEX filing_open ON filing (lease_until) WHERE state = 'OPEN';

-- Entries on record. An entry that a filing works on is claimed by it.
CREATE TABLE entry (
    entry_id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    entry_number TEXT NOT NULL,
    -- The newest version; 0 while the first is being filed.
    version INTEGER NOT NULL,
    claimed_by INTEGER REFERENCES filing (filing_id),
    UNIQUE (tenant, entry_number)
) STRICT;

-- Every version of every entry. Only added to.
CREATE TABLE entry_version (
    entry_id INTEGER NOT NULL REFERENCES entry (entry_id),
    version INTEGER NOT NULL CHECK (version >= 1),
    filing_id INTEGER NOT NULL REFERENCES filing (filing_id),
    kind TEXT NOT NULL CHECK (kind IN ('FILED', 'AMENDED', 'CANCELLED', 'IMPORTED')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    filed_on TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (entry_id, version)
) STRICT, WITHOUT ROWID;

-- The decision on each line. Only added to, and ended once.
CREATE TABLE decision (
    decision_id INTEGER PRIMARY KEY AUTOINCREMENT,
    filing_id INTEGER NOT NULL REFERENCES filing (filing_id),
    -- Place of the line in the filing, from 0.
    place INTEGER NOT NULL,
    entry_id INTEGER NOT NULL REFERENCES entry (entry_id),
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    line_number INTEGER NOT NULL,
    pga_line_number INTEGER NOT NULL,
    -- protobuf Verdict and EntryLine.
    verdict BLOB NOT NULL,
    line BLOB NOT NULL,
    -- Parts by which decisions are searched and counted.
    outcome TEXT NOT NULL CHECK (outcome IN ('ACCEPT', 'WARN', 'REJECT', 'INDETERMINATE')),
    -- Codes of the findings, each between commas.
    codes TEXT NOT NULL,
    importer_nop_id INTEGER,
    -- Key of the certificate that the line names; see the certificate service.
    certificate INTEGER,
    is_organic INTEGER NOT NULL,
    filed_on TEXT NOT NULL,
    -- Absent where nothing is drawn.
    drawn_units INTEGER,
    excess_units INTEGER,
    recorded_at TEXT NOT NULL,
    ended_at TEXT,
    UNIQUE (filing_id, place)
) STRICT;

-- Of the decisions that stand a line of an entry has one.
CREATE UNIQUE INDEX decision_standing ON decision (entry_id, line_number, pga_line_number)
    WHERE ended_at IS NULL;
CREATE INDEX decision_by_day ON decision (tenant, filed_on);
CREATE INDEX decision_by_certificate ON decision (tenant, certificate);
