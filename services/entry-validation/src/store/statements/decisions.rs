//! Decisions on record, as of any moment.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_domain::finding::Code;
use nopic_sql::Error;
use nopic_sql::row::{json, small};

use super::Store;
use super::engine::rows;
use crate::store::{
    DecisionFilter, DecisionStore, Grouping, Statistic, StoredDecision, StoredFiling, StoredVersion, codec,
};

macro_rules! columns {
    () => {
        "SELECT decision_id, filing_id, place, version, verdict, line, drawn_units, excess_units, recorded_at, ended_at
        FROM decision "
    };
}
/// Stood at the moment `$2`.
macro_rules! stood {
    () => {
        "recorded_at <= $2 AND (ended_at IS NULL OR ended_at > $2)"
    };
}
/// Stood at the moment `$2`, or stand now where that is NULL: no index of what stands serves this.
macro_rules! standing {
    () => {
        concat!(
            "(CASE WHEN CAST($2 AS TIMESTAMPTZ) IS NULL THEN ended_at IS NULL ELSE ",
            stood!(),
            " END)"
        )
    };
}
/// Of the entry of this number.
macro_rules! of_entry {
    ($number:literal) => {
        concat!(
            "entry_id = (SELECT entry_id FROM entry WHERE tenant = $1 AND entry_number = ",
            $number,
            ")"
        )
    };
}
macro_rules! list {
    ($($of_entry:expr)?) => {
        concat!(
            columns!(),
            "WHERE tenant = $1",
            $(" AND ", $of_entry,)?
            " AND ($3 OR ",
            standing!(),
            ")
      AND (CAST($4 AS BIGINT) IS NULL OR certificate = $4)
      AND (CAST($5 AS BIGINT) IS NULL OR importer_nop_id = $5)
      AND (CAST($6 AS TEXT) IS NULL OR outcome = $6)
      AND (CAST($7 AS TEXT) IS NULL OR codes LIKE '%,' || $7 || ',%')
      AND (CAST($8 AS DATE) IS NULL OR filed_on >= $8)
      AND (CAST($9 AS DATE) IS NULL OR filed_on <= $9)
      AND decision_id < $10
    ORDER BY decision_id DESC LIMIT $11"
        )
    };
}
macro_rules! counted {
    ($key:literal, [$($from:expr),*], $order:literal) => {
        concat!(
            "SELECT ",
            $key,
            ", COUNT(*), COUNT(CASE WHEN is_organic THEN 1 END),
            COUNT(CASE WHEN COALESCE(has_valid_certificate, is_organic AND drawn_units IS NOT NULL) THEN 1 END),
            COUNT(CASE WHEN declaration = 'ORGANIC' THEN 1 END),
            COUNT(CASE WHEN declaration = 'DISCLAIMED' THEN 1 END), COUNT(CASE WHEN declaration = 'NONE' THEN 1 END),
            COUNT(CASE WHEN outcome = 'ACCEPT' THEN 1 END), COUNT(CASE WHEN outcome = 'WARN' THEN 1 END),
            COUNT(CASE WHEN outcome = 'REJECT' THEN 1 END), COUNT(CASE WHEN outcome = 'INDETERMINATE' THEN 1 END)
            FROM decision",
            $($from,)*
            " WHERE tenant = $1 AND ",
            standing!(),
            " AND (CAST($3 AS DATE) IS NULL OR filed_on >= $3) AND (CAST($4 AS DATE) IS NULL OR filed_on <= $4)",
            $order,
            " LIMIT $5"
        )
    };
}
nopic_sql::statements! {
    const OF_FILING: &str = concat!(
        columns!(),
        "WHERE filing_id = $1 ORDER BY place"
    );
    const SELECT_DECISION: &str = concat!(
        columns!(),
        "WHERE tenant = $1 AND decision_id = $2"
    );
    pub(super) const OF_ENTRY: &str = concat!(
        columns!(),
        "WHERE ",
        of_entry!("$2"),
        " AND ended_at IS NULL ORDER BY line_number, pga_line_number"
    );
    pub(super) const OF_ENTRY_AT: &str = concat!(
        columns!(),
        "WHERE ",
        of_entry!("$3"),
        " AND ",
        stood!(),
        " ORDER BY line_number, pga_line_number"
    );
    const VERSIONS: &str =
        "SELECT v.version, v.kind, v.actor, v.reason, v.filed_on, v.recorded_at
        FROM entry_version v JOIN entry e ON e.entry_id = v.entry_id
        WHERE e.tenant = $1 AND e.entry_number = $3 AND (CAST($2 AS TIMESTAMPTZ) IS NULL OR v.recorded_at <= $2)
        ORDER BY v.version";
    const FILING: &str = "SELECT inputs, ledger FROM filing
        WHERE filing_id = $1 AND ledger IS NOT NULL";
    const LIST: &str = list!();
    /// A statement of its own, so that the entry's index serves it.
    pub(super) const LIST_OF_ENTRY: &str = list!(of_entry!("$12"));
    const BY_DAY: &str = counted!(
        "CAST(filed_on AS TEXT)",
        [],
        " GROUP BY filed_on ORDER BY filed_on"
    );
    const BY_IMPORTER: &str = counted!(
        "COALESCE(CAST(importer_nop_id AS TEXT), '')",
        [],
        " GROUP BY importer_nop_id ORDER BY COUNT(*) DESC, importer_nop_id"
    );
    const TOTAL: &str = counted!("''", [], "");
    /// A decision counts once for each of its codes. Codes are a JSON list of lists of one code.
    const BY_REASON: &str = counted!(
        "r.value ->> 0",
        [
            " JOIN ",
            rows!("$6"),
            " ON codes LIKE '%,' || (r.value ->> 0) || ',%'"
        ],
        " GROUP BY r.value ->> 0 ORDER BY COUNT(*) DESC, r.value ->> 0"
    );
}

type Row = (
    i64,
    i64,
    i64,
    i64,
    Vec<u8>,
    Vec<u8>,
    Option<i64>,
    Option<i64>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);
type Counts = (String, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);

fn stored(row: Row) -> Result<StoredDecision, Error> {
    let (
        decision_id,
        filing_id,
        place,
        version,
        verdict,
        line,
        drawn_units,
        excess_units,
        recorded_at,
        ended_at,
    ) = row;
    let line = codec::read_line(&line)?;
    Ok(StoredDecision {
        decision_id,
        filing_id,
        place: small("decision.place", place)?,
        version: small("decision.version", version)?,
        verdict: codec::read_verdict(&verdict, &line)?,
        line: line.into_inner(),
        drawn_units,
        excess_units,
        recorded_at,
        ended_at,
    })
}

fn statistic(counts: Counts) -> Statistic {
    let (
        key,
        lines,
        organic,
        valid,
        declared,
        disclaimed,
        undeclared,
        accepted,
        warned,
        rejected,
        indeterminate,
    ) = counts;
    // Counts are never negative.
    let count = |number: i64| number.unsigned_abs();
    Statistic {
        key,
        lines: count(lines),
        organic_lines: count(organic),
        with_valid_certificate: count(valid),
        declared_organic: count(declared),
        disclaimed: count(disclaimed),
        undeclared: count(undeclared),
        accepted: count(accepted),
        warned: count(warned),
        rejected: count(rejected),
        indeterminate: count(indeterminate),
    }
}

#[tonic::async_trait]
impl DecisionStore for Store {
    async fn decisions_of(&self, filing_id: i64) -> Result<Vec<StoredDecision>, Error> {
        let rows: Vec<Row> = sqlx::query_as(OF_FILING)
            .bind(filing_id)
            .fetch_all(self.database.readers())
            .await?;
        rows.into_iter().map(stored).collect()
    }

    async fn decision(&self, tenant: &str, decision_id: i64) -> Result<Option<StoredDecision>, Error> {
        let row: Option<Row> = sqlx::query_as(SELECT_DECISION)
            .bind(tenant)
            .bind(decision_id)
            .fetch_optional(self.database.readers())
            .await?;
        row.map(stored).transpose()
    }

    async fn filing(&self, filing_id: i64) -> Result<Option<StoredFiling>, Error> {
        let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(FILING)
            .bind(filing_id)
            .fetch_optional(self.database.readers())
            .await?;
        row.map(|(inputs, ledger)| {
            Ok(StoredFiling {
                inputs: codec::read_inputs(&inputs)?,
                ledger: codec::read_answers(&ledger)?,
            })
        })
        .transpose()
    }

    async fn entry(
        &self,
        tenant: &str,
        entry_number: &str,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<(Vec<StoredVersion>, Vec<StoredDecision>), Error> {
        let mut transaction = self.database.read().await?;
        let versions: Vec<(i64, String, String, String, Date, DateTime<Utc>)> = sqlx::query_as(VERSIONS)
            .bind(tenant)
            .bind(as_of)
            .bind(entry_number)
            .fetch_all(&mut *transaction)
            .await?;
        let of_entry = match as_of {
            None => sqlx::query_as(OF_ENTRY).bind(tenant),
            Some(moment) => sqlx::query_as(OF_ENTRY_AT).bind(tenant).bind(moment),
        };
        let decisions: Vec<Row> = of_entry.bind(entry_number).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        let versions = versions
            .into_iter()
            .map(|(version, kind, actor, reason, filed_on, recorded_at)| {
                Ok(StoredVersion {
                    version: small("entry_version.version", version)?,
                    kind: Kind::parse(&kind).ok_or_else(|| Error::corrupt("entry_version.kind", &kind))?,
                    actor,
                    reason,
                    filed_on,
                    recorded_at,
                })
            })
            .collect::<Result<_, Error>>()?;
        let decisions = decisions.into_iter().map(stored).collect::<Result<_, Error>>()?;
        Ok((versions, decisions))
    }

    async fn list_decisions(
        &self,
        tenant: &str,
        filter: &DecisionFilter,
    ) -> Result<Vec<StoredDecision>, Error> {
        let statement = match filter.entry_number {
            None => LIST,
            Some(_) => LIST_OF_ENTRY,
        };
        let mut query = sqlx::query_as(statement)
            .bind(tenant)
            .bind(filter.as_of)
            .bind(filter.with_ended)
            .bind(filter.certificate)
            .bind(filter.importer)
            .bind(&filter.outcome)
            .bind(&filter.code)
            .bind(filter.from)
            .bind(filter.to)
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(i64::from(filter.limit));
        if let Some(entry_number) = &filter.entry_number {
            query = query.bind(entry_number);
        }
        let rows: Vec<Row> = query.fetch_all(self.database.readers()).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn statistics(
        &self,
        tenant: &str,
        (from, to): (Option<Date>, Option<Date>),
        as_of: Option<DateTime<Utc>>,
        grouping: Grouping,
        limit: u32,
    ) -> Result<Vec<Statistic>, Error> {
        let statement = match grouping {
            Grouping::Day => BY_DAY,
            Grouping::Importer => BY_IMPORTER,
            Grouping::Reason => BY_REASON,
            Grouping::Total => TOTAL,
        };
        let mut query = sqlx::query_as(statement)
            .bind(tenant)
            .bind(as_of)
            .bind(from)
            .bind(to)
            .bind(i64::from(limit));
        if grouping == Grouping::Reason {
            let codes: Vec<[&str; 1]> = Code::ALL.iter().map(|code| [code.as_str()]).collect();
            query = query.bind(json(codes)?);
        }
        let rows: Vec<Counts> = query.fetch_all(self.database.readers()).await?;
        Ok(rows.into_iter().map(statistic).collect())
    }
}
