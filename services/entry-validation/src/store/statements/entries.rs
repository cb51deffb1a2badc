//! Entries on record, as far as a filing must know them.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_sql::Error;
use nopic_sql::row::{json, small};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Store;
use super::engine::{one_of, rows};
use crate::store::refusals::read_refused;
use crate::store::{Cancellation, EntryStore, LatestVersion};

nopic_sql::statements! {
    /// Entries are a JSON list of lists of one number.
    const LATEST: &str = concat!(
        "SELECT e.entry_number, e.version, e.claimed_by, v.kind, v.filed_on
        FROM entry e LEFT JOIN entry_version v ON v.entry_id = e.entry_id AND v.version = e.version
        WHERE e.tenant = $1 AND ",
        one_of!("e.entry_number", "SELECT r.value ->> 0 FROM ", rows!("$2"))
    );
    /// Entries are a JSON list of lists of one number.
    const STANDING: &str = concat!(
        "SELECT e.entry_number, CAST(d.line_number AS BIGINT), CAST(d.pga_line_number AS BIGINT)
        FROM entry e JOIN decision d ON d.entry_id = e.entry_id AND d.ended_at IS NULL
        WHERE e.tenant = $1 AND ",
        one_of!("e.entry_number", "SELECT r.value ->> 0 FROM ", rows!("$2"))
    );
    const CANCELLATION: &str =
        "SELECT v.version, v.recorded_at, e.version
        FROM entry e
        JOIN entry_version v ON v.entry_id = e.entry_id
        JOIN filing f ON f.filing_id = v.filing_id
        WHERE e.tenant = $1 AND f.request_id = $2 AND e.entry_number = $3 AND v.kind = 'CANCELLED'";
    /// Requests are a JSON list of lists of one id.
    const FILED_BY: &str = concat!(
        "SELECT DISTINCT e.entry_number
        FROM filing f
        JOIN decision d ON d.filing_id = f.filing_id
        JOIN entry e ON e.entry_id = d.entry_id
        WHERE f.tenant = $1 AND ",
        one_of!("f.request_id", "SELECT r.value ->> 0 FROM ", rows!("$2"))
    );
    /// Requests are a JSON list of lists of one id.
    const REFUSED_OF: &str = concat!(
        "SELECT answer FROM request WHERE tenant = $1 AND ",
        one_of!("request_id", "SELECT r.value ->> 0 FROM ", rows!("$2"))
    );
}

/// A JSON list of lists of one text.
fn listed(texts: &[impl AsRef<str>]) -> Result<String, Error> {
    json(texts.iter().map(|text| [text.as_ref()]).collect::<Vec<_>>())
}

#[tonic::async_trait]
impl EntryStore for Store {
    async fn latest_versions(
        &self,
        tenant: &str,
        entry_numbers: &[&str],
    ) -> Result<FxHashMap<String, LatestVersion>, Error> {
        let rows: Vec<(String, i64, Option<i64>, Option<String>, Option<Date>)> = sqlx::query_as(LATEST)
            .bind(tenant)
            .bind(listed(entry_numbers)?)
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(entry_number, version, claimed_by, kind, filed_on)| {
                let kind = kind
                    .map(|kind| Kind::parse(&kind).ok_or_else(|| Error::corrupt("entry_version.kind", &kind)))
                    .transpose()?;
                let latest = LatestVersion {
                    version: small("entry.version", version)?,
                    made: kind.zip(filed_on),
                    is_claimed: claimed_by.is_some(),
                };
                Ok((entry_number, latest))
            })
            .collect()
    }

    async fn standing_lines(
        &self,
        tenant: &str,
        entry_numbers: &[&str],
    ) -> Result<FxHashSet<(String, u32, u32)>, Error> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(STANDING)
            .bind(tenant)
            .bind(listed(entry_numbers)?)
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter()
            .map(|(entry_number, line, pga_line)| {
                Ok((
                    entry_number,
                    small("decision.line_number", line)?,
                    small("decision.pga_line_number", pga_line)?,
                ))
            })
            .collect()
    }

    async fn cancellation(
        &self,
        tenant: &str,
        request_id: &str,
        entry_number: &str,
    ) -> Result<Option<Cancellation>, Error> {
        let row: Option<(i64, DateTime<Utc>, i64)> = sqlx::query_as(CANCELLATION)
            .bind(tenant)
            .bind(request_id)
            .bind(entry_number)
            .fetch_optional(self.database.readers())
            .await?;
        row.map(|(version, recorded_at, current_version)| {
            Ok(Cancellation {
                version: small("entry_version.version", version)?,
                recorded_at,
                current_version: small("entry.version", current_version)?,
            })
        })
        .transpose()
    }

    async fn entries_of_requests(
        &self,
        tenant: &str,
        request_ids: &[String],
    ) -> Result<FxHashSet<String>, Error> {
        let request_ids = listed(request_ids)?;
        let filed: Vec<String> = sqlx::query_scalar(FILED_BY)
            .bind(tenant)
            .bind(&request_ids)
            .fetch_all(self.database.readers())
            .await?;
        let refused: Vec<Vec<u8>> = sqlx::query_scalar(REFUSED_OF)
            .bind(tenant)
            .bind(&request_ids)
            .fetch_all(self.database.readers())
            .await?;
        let mut entries: FxHashSet<String> = filed.into_iter().collect();
        for answer in refused {
            let refused = read_refused(&answer)?;
            entries.extend(refused.into_iter().map(|refused| refused.entry_number));
        }
        Ok(entries)
    }
}
