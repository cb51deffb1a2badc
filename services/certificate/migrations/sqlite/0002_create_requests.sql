-- What exporters asked for, as it stands.
CREATE TABLE certificate_request (
    certificate_request INTEGER PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1),
    -- The request with its checks, questions and terms.
    content TEXT NOT NULL,
    -- Parts of the content by which requests are searched.
    stage TEXT NOT NULL,
    certifier_id INTEGER NOT NULL,
    exporter_nop_id INTEGER NOT NULL,
    importer_nop_id INTEGER NOT NULL,
    due_on TEXT NOT NULL,
    -- Who asked.
    tenant TEXT NOT NULL,
    -- What was issued upon it.
    certificate INTEGER UNIQUE REFERENCES certificate (certificate),
    CHECK ((stage = 'ISSUED') = (certificate IS NOT NULL))
) STRICT;

CREATE INDEX certificate_request_by_certifier ON certificate_request (certifier_id, certificate_request);
CREATE INDEX certificate_request_by_exporter ON certificate_request (exporter_nop_id, certificate_request);

-- Every version of every request, with who made it, when and why. Only added to.
CREATE TABLE certificate_request_version (
    certificate_request INTEGER NOT NULL REFERENCES certificate_request (certificate_request),
    version INTEGER NOT NULL CHECK (version >= 1),
    content TEXT NOT NULL,
    -- The step that made it.
    step TEXT NOT NULL,
    -- The reason, question or answer that was given.
    reason TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (certificate_request, version)
) STRICT, WITHOUT ROWID;

-- The last serial number that was given to an operation's certificates here. It never falls.
CREATE TABLE certificate_serial (
    certifier_id INTEGER NOT NULL,
    exporter_nop_id INTEGER NOT NULL,
    last_serial INTEGER NOT NULL CHECK (last_serial BETWEEN 0 AND 999999),
    PRIMARY KEY (certifier_id, exporter_nop_id)
) STRICT, WITHOUT ROWID;

-- Which certificate an amendment put in the place of which.
CREATE TABLE certificate_succession (
    certificate INTEGER PRIMARY KEY REFERENCES certificate (certificate),
    successor INTEGER NOT NULL UNIQUE REFERENCES certificate (certificate)
) STRICT;
