-- How far the events of each service were read.
CREATE TABLE reading (
    service TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    read_at TIMESTAMPTZ NOT NULL
);

-- What people are told. Only added to.
CREATE TABLE notice (
    notice_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- What it was made of: told again, it makes no other one.
    cause TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- 0 information, 1 warning, 2 action.
    severity BIGINT NOT NULL,
    subject TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (tenant, cause)
);

CREATE INDEX notice_by_tenant ON notice (tenant, notice_id);

-- Where notices are sent to.
CREATE TABLE receiver (
    receiver_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    settings TEXT NOT NULL,
    -- Secrets that sign: a JSON list of [secret, last moment or null].
    secrets TEXT NOT NULL,
    -- Whether messages about one subject are sent in their order.
    ordered BOOLEAN NOT NULL,
    -- Messages a minute at most; 0: as many as there are.
    per_minute BIGINT NOT NULL,
    -- ACTIVE, PAUSED or GONE.
    state TEXT NOT NULL,
    because TEXT NOT NULL,
    failing_since TIMESTAMPTZ,
    -- Failures without a success between them.
    failures BIGINT NOT NULL,
    -- Not tried before.
    rests_until TIMESTAMPTZ NOT NULL,
    holder TEXT,
    held_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    removed_at TIMESTAMPTZ
);

CREATE UNIQUE INDEX receiver_by_name ON receiver (tenant, name) WHERE removed_at IS NULL;

-- Which notices are sent to a receiver, and when.
CREATE TABLE subscription (
    subscription_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    receiver_id BIGINT NOT NULL REFERENCES receiver (receiver_id),
    content TEXT NOT NULL,
    set_at TIMESTAMPTZ NOT NULL,
    UNIQUE (tenant, name)
);

-- A message to a receiver.
CREATE TABLE delivery (
    delivery_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    receiver_id BIGINT NOT NULL REFERENCES receiver (receiver_id),
    -- Under which the receiver gets it, on every try.
    message_id TEXT NOT NULL UNIQUE,
    -- Of the subscription and moment for which notices are gathered, and which part of it; NULL: of one notice by itself.
    digest TEXT,
    part BIGINT NOT NULL,
    -- Notices, and whether none joins them any more: from its first try on it says the same.
    size BIGINT NOT NULL,
    closed BOOLEAN NOT NULL,
    -- To what its notices happened, where that is one.
    subject TEXT NOT NULL,
    -- WAITING, DELIVERED or DEAD.
    state TEXT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    -- Not tried after this.
    expires_at TIMESTAMPTZ NOT NULL,
    -- Tries that were made.
    attempts BIGINT NOT NULL,
    last_result TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    UNIQUE (digest, part)
);

CREATE INDEX delivery_waiting ON delivery (receiver_id, next_attempt_at, delivery_id) WHERE state = 'WAITING';
-- For receivers that are sent to in order.
CREATE INDEX delivery_in_order ON delivery (receiver_id, delivery_id) WHERE state = 'WAITING';
CREATE INDEX delivery_of_subject ON delivery (receiver_id, subject, delivery_id) WHERE state = 'WAITING';
CREATE INDEX delivery_dead ON delivery (receiver_id, delivery_id) WHERE state = 'DEAD';
CREATE INDEX delivery_dead_of_tenant ON delivery (tenant, delivery_id) WHERE state = 'DEAD';
CREATE INDEX delivery_by_tenant ON delivery (tenant, delivery_id);

-- What a message says.
CREATE TABLE delivery_notice (
    delivery_id BIGINT NOT NULL REFERENCES delivery (delivery_id),
    notice_id BIGINT NOT NULL REFERENCES notice (notice_id),
    PRIMARY KEY (delivery_id, notice_id)
);

CREATE INDEX delivery_notice_by_notice ON delivery_notice (notice_id);

-- What a tenant deals with, so that it is told of what happens to it: operations, tariff codes, certificates.
CREATE TABLE dealing (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    tenant TEXT NOT NULL,
    last_on DATE NOT NULL,
    PRIMARY KEY (kind, subject, tenant)
);

CREATE INDEX dealing_by_tenant ON dealing (tenant, kind, subject);

-- Requests that wait for a certifier.
CREATE TABLE open_review (
    tenant TEXT NOT NULL,
    request BIGINT NOT NULL,
    due_on DATE NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (tenant, request)
);
