-- Which operation stands behind a CBP importer-of-record number, for each tenant.
CREATE TABLE importer_link (
    tenant TEXT NOT NULL,
    importer_of_record TEXT NOT NULL,
    nop_id TEXT NOT NULL,
    linked_by TEXT NOT NULL,
    linked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant, importer_of_record)
);

-- Every flag table that ever served, by the hash of its content; never deleted, because verdicts name it.
CREATE TABLE flag_table (
    version TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    first_served_by TEXT NOT NULL,
    first_served_at TIMESTAMPTZ NOT NULL
);

-- The one table that serves; no row: the shipped one.
CREATE TABLE serving_flag_table (
    slot BIGINT PRIMARY KEY CHECK (slot = 1),
    version TEXT NOT NULL REFERENCES flag_table (version)
);

-- Every policy that ever served, by the hash of its content; never deleted, because verdicts name it.
CREATE TABLE policy (
    version TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    first_served_at TIMESTAMPTZ NOT NULL
);
