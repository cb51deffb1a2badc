-- Moments are RFC 3339 in UTC, days YYYY-MM-DD.
-- The history of the cases of each tenant and importer, in the order in which it was told. Only added to.
CREATE TABLE case_event (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    importer TEXT NOT NULL,
    -- JSON: a version of an entry, a letter or a closing.
    content TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) STRICT;

CREATE INDEX case_event_by_importer ON case_event (tenant, importer, event_id);

-- The current version of each entry of which a line counts, or counted.
CREATE TABLE counted_entry (
    tenant TEXT NOT NULL,
    entry_number TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- JSON: the lines that count, each with its importer.
    content TEXT NOT NULL,
    PRIMARY KEY (tenant, entry_number)
) STRICT;

-- Letters as they were sent. Only added to.
CREATE TABLE letter (
    -- Of the history.
    event_id INTEGER PRIMARY KEY REFERENCES case_event (event_id),
    tenant TEXT NOT NULL,
    importer TEXT NOT NULL,
    step TEXT NOT NULL,
    letter_on TEXT NOT NULL,
    -- The day of the finding that made it due.
    cause_on TEXT NOT NULL,
    content TEXT NOT NULL,
    page TEXT NOT NULL,
    sent_by TEXT NOT NULL,
    sent_at TEXT NOT NULL
) STRICT;

CREATE INDEX letter_by_importer ON letter (tenant, importer, step, letter_on);
