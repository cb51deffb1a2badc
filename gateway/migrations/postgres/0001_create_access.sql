-- Who may come in. Nothing is deleted: what is over has an end.
CREATE TABLE tenant (
    tenant TEXT PRIMARY KEY,
    -- The filer codes under which it files, with commas between them; *: every one.
    filer_codes TEXT NOT NULL,
    -- 3 digits.
    certifier_id TEXT,
    -- NOP operation IDs that it acts for, with commas between them.
    nop_ids TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    suspended_at TIMESTAMPTZ
);

-- A person or job of a tenant.
CREATE TABLE person (
    person_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (tenant),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- The name in its client certificate.
    certificate_name TEXT,
    -- Who it is in the tokens of an identity provider.
    token_issuer TEXT,
    token_subject TEXT,
    added_at TIMESTAMPTZ NOT NULL,
    removed_at TIMESTAMPTZ,
    CHECK ((token_issuer IS NULL) = (token_subject IS NULL))
);

CREATE UNIQUE INDEX person_by_name ON person (tenant, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX person_by_certificate ON person (certificate_name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX person_by_token ON person (token_issuer, token_subject) WHERE removed_at IS NULL;

-- A key that a person or job calls with.
CREATE TABLE api_key (
    -- The part of it that is no secret.
    prefix TEXT PRIMARY KEY,
    person_id BIGINT NOT NULL REFERENCES person (person_id),
    -- SHA-256 of the part that is.
    secret_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    ends_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    -- The key that took its place.
    replaced_by TEXT REFERENCES api_key (prefix)
);

CREATE INDEX api_key_by_person ON api_key (person_id);
