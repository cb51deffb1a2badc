-- What exporters asked for, as it stands.
CREATE TABLE certificate_request (
    certificate_request BIGINT PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 1),
    -- The request with its checks, questions and terms.
    content JSONB NOT NULL,
    -- Parts of the content by which requests are searched.
    stage TEXT NOT NULL,
    certifier_id BIGINT NOT NULL,
    exporter_nop_id BIGINT NOT NULL,
    importer_nop_id BIGINT NOT NULL,
    due_on DATE NOT NULL,
    -- Who asked.
    tenant TEXT NOT NULL,
    -- What was issued upon it.
    certificate BIGINT UNIQUE REFERENCES certificate (certificate),
    CHECK ((stage = 'ISSUED') = (certificate IS NOT NULL))
);

CREATE INDEX certificate_request_by_certifier ON certificate_request (certifier_id, certificate_request);
CREATE INDEX certificate_request_by_exporter ON certificate_request (exporter_nop_id, certificate_request);

-- Every version of every request, with who made it, when and why. Only added to.
CREATE TABLE certificate_request_version (
    certificate_request BIGINT NOT NULL REFERENCES certificate_request (certificate_request),
    version BIGINT NOT NULL CHECK (version >= 1),
    content JSONB NOT NULL,
    -- The step that made it.
    step TEXT NOT NULL,
    -- The reason, question or answer that was given.
    reason TEXT NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (certificate_request, version)
);

-- The last serial number that was given to an operation's certificates here. It never falls.
CREATE TABLE certificate_serial (
    certifier_id BIGINT NOT NULL,
    exporter_nop_id BIGINT NOT NULL,
    last_serial BIGINT NOT NULL CHECK (last_serial BETWEEN 0 AND 999999),
    PRIMARY KEY (certifier_id, exporter_nop_id)
);

-- Which certificate an amendment put in the place of which.
CREATE TABLE certificate_succession (
    certificate BIGINT PRIMARY KEY REFERENCES certificate (certificate),
    successor BIGINT NOT NULL UNIQUE REFERENCES certificate (certificate)
);
