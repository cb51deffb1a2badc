//! Every statement of filings.

use super::engine::{for_update, look_up, one_of, rows, skip_locked};

nopic_sql::statements! {
    /// The filing of a request; without one, that all of it was refused.
    pub(super) const SELECT_REQUEST: &str =
        "SELECT filing_id, request_hash, state FROM filing WHERE tenant = $1 AND request_id = $2
        UNION ALL SELECT 0, request_hash, 'REFUSED' FROM request WHERE tenant = $1 AND request_id = $2
        LIMIT 1";
    /// Entries are a JSON list of lists of one number.
    pub(super) const INSERT_ENTRIES: &str = concat!(
        "INSERT INTO entry (tenant, entry_number, version, claimed_by)
        SELECT $1, r.value ->> 0, 0, $3 FROM ",
        rows!("$2"),
        " WHERE true ON CONFLICT (tenant, entry_number) DO NOTHING"
    );
    /// Entries are a JSON list of lists of one number.
    pub(super) const SELECT_ENTRIES: &str = concat!(
        "SELECT entry_id, entry_number, version, claimed_by, may_have_drawn FROM entry
        WHERE tenant = $1 AND ",
        one_of!("entry_number", "SELECT r.value ->> 0 FROM ", rows!("$2")),
        " ORDER BY entry_id",
        for_update!()
    );
    pub(super) const INSERT_FILING: &str =
        "INSERT INTO filing (tenant, request_id, request_hash, state, attempt,
            inputs, lease_holder, lease_until, began_at, must_ask_ledger)
        VALUES ($1, $2, $3, 'OPEN', 1, $4, $5, $6, $7, $8) RETURNING filing_id";
    /// Entries are a JSON list of lists of one id.
    pub(super) const CLAIM: &str = concat!(
        "UPDATE entry SET claimed_by = $1 WHERE ",
        one_of!(
            "entry_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$2")
        )
    );
    /// One row always.
    pub(super) const SELECT_ON_RECORD: &str =
        "SELECT f.filing_id, f.request_hash, f.state, f.set_aside_at, f.set_aside_because, r.request_hash, r.answer
        FROM (SELECT 1 AS one) o
        LEFT JOIN filing f ON f.tenant = $1 AND f.request_id = $2
        LEFT JOIN request r ON r.tenant = $1 AND r.request_id = $2";
    pub(super) const SELECT_VERSION: &str =
        "SELECT version, claimed_by,
            (SELECT v.kind FROM entry_version v WHERE v.entry_id = entry.entry_id AND v.version = entry.version)
        FROM entry WHERE tenant = $1 AND entry_number = $2";
    pub(super) const REFREEZE: &str =
        "UPDATE filing SET attempt = attempt + 1, inputs = $1, lease_until = $2
        WHERE filing_id = $3 AND attempt = $4 AND lease_holder = $5 AND state = 'OPEN' AND set_aside_at IS NULL";
    pub(super) const TAKE: &str = concat!(
        "UPDATE filing SET lease_holder = $1, lease_until = $2
        WHERE filing_id = (SELECT filing_id FROM filing
            WHERE state = 'OPEN' AND set_aside_at IS NULL AND lease_until < $3 ORDER BY lease_until LIMIT 1",
        skip_locked!(),
        ")
        RETURNING filing_id, tenant, request_id, attempt, must_ask_ledger, inputs"
    );
    pub(super) const EXPIRE: &str = "UPDATE filing SET lease_until = $1
        WHERE state = 'OPEN' AND set_aside_at IS NULL AND lease_holder = $2";
    pub(super) const ABANDON: &str = "UPDATE filing SET lease_until = $1
        WHERE state = 'OPEN' AND set_aside_at IS NULL AND lease_holder = $2 AND tenant = $3 AND request_id = $4";
    pub(super) const FINISH: &str =
        "UPDATE filing SET state = 'DONE', ledger = $1, done_at = CASE WHEN $2 > began_at THEN $2 ELSE began_at END
        WHERE filing_id = $3 AND state = 'OPEN' AND set_aside_at IS NULL AND lease_holder = $4";
    pub(super) const COUNT_TRY: &str = "UPDATE filing SET tries = tries + 1
        WHERE filing_id = $1 AND state = 'OPEN' AND set_aside_at IS NULL AND lease_holder = $2 RETURNING tries";
    pub(super) const SET_ASIDE: &str =
        "UPDATE filing SET set_aside_at = $1, set_aside_because = $2
        WHERE filing_id = $3 AND state = 'OPEN' AND set_aside_at IS NULL AND lease_holder = $4
        RETURNING tenant, request_id, tries";
    /// Reads all entries: its inputs may be what cannot be read, and it happens hardly ever.
    pub(super) const FREE: &str =
        "UPDATE entry SET claimed_by = NULL, may_have_drawn = TRUE WHERE claimed_by = $1";
    pub(super) const LIST_SET_ASIDE: &str = "SELECT filing_id, request_id, inputs, set_aside_at,
            set_aside_because, tries
        FROM filing WHERE tenant = $1 AND set_aside_at IS NOT NULL AND filing_id < $2 ORDER BY filing_id DESC LIMIT $3";
    pub(super) const COUNT_SET_ASIDE: &str =
        "SELECT COUNT(*) FROM filing WHERE set_aside_at IS NOT NULL";
    /// Entries are a JSON list of lists of one number.
    pub(super) const SELECT_CLAIMED: &str = concat!(
        "SELECT entry_id, entry_number FROM entry WHERE tenant = $1 AND claimed_by = $2 AND ",
        one_of!("entry_number", "SELECT r.value ->> 0 FROM ", rows!("$3"))
    );
    /// When versions and trail records of entries were recorded last: a JSON list of lists of one id.
    pub(super) const SELECT_LAST_MOMENTS: &str = concat!(
        "SELECT CAST(r.value ->> 0 AS BIGINT),
            (SELECT MAX(v.recorded_at) FROM entry_version v WHERE v.entry_id = CAST(r.value ->> 0 AS BIGINT)),
            (SELECT MAX(t.recorded_at) FROM trail_record t WHERE t.entry_id = CAST(r.value ->> 0 AS BIGINT))
        FROM ",
        rows!("$1")
    );
    /// Entries are a JSON list of lists of one id.
    pub(super) const SELECT_STANDING: &str = concat!(
        "SELECT entry_id, CAST(line_number AS BIGINT), CAST(pga_line_number AS BIGINT) FROM decision
        WHERE ended_at IS NULL AND ",
        one_of!(
            "entry_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    /// Lines are a JSON list of lists of entry, line and PGA line.
    pub(super) const END_LINES: &str = concat!(
        "UPDATE decision SET ended_at = $1
        WHERE ",
        one_of!(
            "decision_id",
            "SELECT d.decision_id FROM ",
            rows!("$2"),
            look_up!(
                "decision",
                "d",
                "d.ended_at IS NULL AND d.entry_id = CAST(r.value ->> 0 AS BIGINT)
                    AND d.line_number = CAST(r.value ->> 1 AS BIGINT)
                    AND d.pga_line_number = CAST(r.value ->> 2 AS BIGINT)"
            )
        ),
        " RETURNING filing_id, place"
    );
    /// Entries are a JSON list of lists of one id.
    pub(super) const END_ENTRIES: &str = concat!(
        "UPDATE decision SET ended_at = $1 WHERE ended_at IS NULL AND ",
        one_of!(
            "entry_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$2")
        ),
        " RETURNING filing_id, place"
    );
    /// Versions are a JSON list of lists of entry and version.
    pub(super) const INSERT_VERSIONS: &str = concat!(
        "INSERT INTO entry_version (entry_id, version, filing_id, kind, actor, reason, filed_on, recorded_at)
        SELECT CAST(r.value ->> 0 AS BIGINT), CAST(r.value ->> 1 AS BIGINT), $2, r.value ->> 2, $3, $4, $5, $6 FROM ",
        rows!("$1"),
        " WHERE true"
    );
    /// Entries are a JSON list whose elements begin with an id. What was claimed was claimed for the next version.
    pub(super) const RELEASE: &str = concat!(
        "UPDATE entry SET claimed_by = NULL, version = version + 1 WHERE ",
        one_of!(
            "entry_id",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
}
