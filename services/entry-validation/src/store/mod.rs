//! What the service keeps: importer links, flag tables, policies.

mod audited;
mod codec;
mod events;
mod filings;
mod postgres;
mod refusals;
mod sqlite;
mod trails;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::decision::{Decision, EntryAnswer};
use nopic_domain::flags::FlagTable;
use nopic_domain::hts::HtsCode;
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use nopic_sql::Journal;
use nopic_sql::{AUDIT_ROWS, Error, Location, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate};
use rustc_hash::{FxHashMap, FxHashSet};

pub(crate) use filings::{
    Begun, Cancellation, DecisionFilter, DecisionRow, DecisionRows, Deletion, FilingState, Grouping,
    LatestVersion, Lease, NewFiling, NewRequest, OpenFiling, RequestOnRecord, SetAsideFiling, Statistic,
    StoredDecision, StoredFiling, StoredVersion, TakenFiling,
};

pub(crate) use refusals::Refused;
pub(crate) use trails::{NewTrail, StoredTrailRecord, TrailAnswer};

/// The schema of the service.
pub const SCHEMA: Schema = Schema {
    name: "entry_validation",
    migrations: &[
        SHARED,
        Migration {
            name: "create_links_and_flags",
            sqlite: include_str!("../../migrations/sqlite/0001_create_links_and_flags.sql"),
            postgres: include_str!("../../migrations/postgres/0001_create_links_and_flags.sql"),
            oldest_compatible: 2,
        },
        Migration {
            name: "create_entries",
            sqlite: include_str!("../../migrations/sqlite/0002_create_entries.sql"),
            postgres: include_str!("../../migrations/postgres/0002_create_entries.sql"),
            oldest_compatible: 3,
        },
        Migration {
            name: "create_trail",
            sqlite: include_str!("../../migrations/sqlite/0003_create_trail.sql"),
            postgres: include_str!("../../migrations/postgres/0003_create_trail.sql"),
            // A table of its own: programs that do not know it go on.
            oldest_compatible: 3,
        },
        Migration {
            name: "index_decisions_by_entry",
            sqlite: include_str!("../../migrations/sqlite/0004_index_decisions_by_entry.sql"),
            postgres: include_str!("../../migrations/postgres/0004_index_decisions_by_entry.sql"),
            oldest_compatible: 3,
        },
        AUDIT_ROWS,
        Migration {
            name: "set_filings_aside",
            sqlite: include_str!("../../migrations/sqlite/0005_set_filings_aside.sql"),
            postgres: include_str!("../../migrations/postgres/0005_set_filings_aside.sql"),
            // An older program does not know that an entry may have drawn before its first version.
            oldest_compatible: u32::MAX,
        },
        Migration {
            name: "say_declarations",
            sqlite: include_str!("../../migrations/sqlite/0006_say_declarations.sql"),
            postgres: include_str!("../../migrations/postgres/0006_say_declarations.sql"),
            // An older program judges by other rules, and cannot read what lines have now.
            oldest_compatible: u32::MAX,
        },
        OUTBOX_FLOOR,
    ],
    audited: audited::AUDITED,
};

/// One link, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) importer_of_record: String,
    pub(crate) nop_id: NopId,
    pub(crate) linked_by: String,
    pub(crate) linked_at: DateTime<Utc>,
}

/// Importer-of-record numbers and the operations behind them.
#[tonic::async_trait]
pub(crate) trait LinkStore: Send + Sync {
    /// Links the number; gives the link and the operation that it was linked to before.
    async fn link_importer(&self, by: &Principal, new: Link) -> Result<(Link, Option<NopId>), Error>;

    /// Takes the link away; `None` where there is none.
    async fn unlink_importer(
        &self,
        importer_of_record: &str,
        by: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>, Error>;

    /// At most `limit` links behind that number, in the order of their numbers.
    async fn list_links(&self, tenant: &str, after: &str, limit: u32) -> Result<Vec<Link>, Error>;

    /// The operations behind those of these numbers that are linked.
    async fn linked(&self, tenant: &str, numbers: &[String]) -> Result<FxHashMap<String, NopId>, Error>;
}

/// The flag table that serves: the one last imported, else the shipped one.
#[derive(Debug, Clone)]
pub(crate) struct ServingFlags {
    /// As the database names it; `None`: nothing was imported.
    pub(crate) version: Option<String>,
    pub(crate) table: Arc<FlagTable>,
}

impl ServingFlags {
    pub(crate) fn shipped() -> Self {
        Self {
            version: None,
            table: Arc::new(FlagTable::shipped()),
        }
    }

    /// Just now, by this program.
    pub(crate) fn imported(table: FlagTable) -> Self {
        Self {
            version: Some(table.version().to_owned()),
            table: Arc::new(table),
        }
    }
}

/// Flag tables by content; one of them serves.
#[tonic::async_trait]
pub(crate) trait FlagStore: Send + Sync {
    /// The table that serves.
    async fn serving_flags(&self) -> Result<ServingFlags, Error>;

    /// Its version alone, as [`ServingFlags::version`]: cheap enough to be asked for all the time.
    async fn serving_flags_version(&self) -> Result<Option<String>, Error>;

    /// Keeps a table that serves without having been imported.
    async fn keep_flags(&self, table: &FlagTable, now: DateTime<Utc>) -> Result<(), Error>;

    /// A table that served; `None` where it never did.
    async fn flag_table(&self, version: &str) -> Result<Option<FlagTable>, Error>;

    /// Keeps a table and lets it serve in place of the one that it was built on, from which these codes differ; `false`:
    /// another one serves by now, and nothing was kept.
    async fn serve_flags(
        &self,
        table: &FlagTable,
        built_on: Option<&str>,
        changed: &[HtsCode],
        by: &Principal,
        now: DateTime<Utc>,
    ) -> Result<bool, Error>;
}

/// Every policy that served, so that the evidence of a verdict can be read again.
#[tonic::async_trait]
pub(crate) trait PolicyStore: Send + Sync {
    /// Keeps the text of a policy under its version.
    async fn keep_policy(&self, version: &str, content: &str, now: DateTime<Utc>) -> Result<(), Error>;

    /// The text of a policy that served; `None` where it never did.
    async fn policy_text(&self, version: &str) -> Result<Option<String>, Error>;
}

/// Filings: the intent, and its end.
#[tonic::async_trait]
pub(crate) trait FilingStore: Send + Sync {
    /// Begins a filing: keeps its inputs and claims its entries, or says why it cannot.
    async fn begin_filing(&self, new: NewFiling<'_>) -> Result<Begun, Error>;

    /// Keeps a request of which nothing is filed; `false`: it was filed meanwhile.
    async fn refuse_request(&self, new: NewRequest<'_>, at: DateTime<Utc>) -> Result<bool, Error>;

    /// What came of a request before.
    async fn request_on_record(&self, tenant: &str, request_id: &str) -> Result<RequestOnRecord, Error>;

    /// The version that a request that deletes an entry takes back: the newest, or the one that is being filed.
    /// Absent where there was nothing to delete: when it was asked first, if it was asked before. That it found nothing
    /// is kept, and nothing else is.
    async fn version_to_delete(&self, deletion: Deletion<'_>) -> Result<Option<u32>, Error>;

    /// Keeps other inputs in place of those of this attempt; `false`: another worker has the filing.
    async fn freeze_anew(&self, filing: &OpenFiling, lease: Lease<'_>) -> Result<bool, Error>;

    /// Takes a filing whose worker has left it.
    async fn take_left_filing(&self, lease: Lease<'_>) -> Result<Option<TakenFiling>, Error>;

    /// Counts a try that came to nothing; how many there were. `None`: the filing is not this holder's.
    async fn count_try(&self, filing_id: i64, holder: &str) -> Result<Option<u32>, Error>;

    /// Sets a filing aside for good and frees its entries; `false`: it is not this holder's.
    async fn set_aside(&self, filing_id: i64, lease: Lease<'_>, because: &str) -> Result<bool, Error>;

    /// At most `limit` filings of a tenant that are set aside, before this one, the newest first.
    async fn list_set_aside(
        &self,
        tenant: &str,
        before: i64,
        limit: u32,
    ) -> Result<Vec<SetAsideFiling>, Error>;

    /// How many filings are set aside, of all tenants.
    async fn count_set_aside(&self) -> Result<i64, Error>;

    /// Ends every lease of this holder: for a process that knows that the others of its name have ended.
    async fn expire_leases(&self, holder: &str, now: DateTime<Utc>) -> Result<(), Error>;

    /// Ends the lease of one filing that this holder abandoned, if it has one.
    async fn abandon_filing(
        &self,
        tenant: &str,
        request_id: &str,
        holder: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// Records the decisions, once, and gives them; `None`: another worker has the filing.
    async fn finish_filing(
        &self,
        filing: OpenFiling,
        decided: Vec<Decision>,
        ledger: &[EntryAnswer],
        lease: Lease<'_>,
    ) -> Result<Option<Vec<StoredDecision>>, Error>;
}

/// Entries on record, as far as a filing must know them.
#[tonic::async_trait]
pub(crate) trait EntryStore: Send + Sync {
    /// The newest versions of those of these entries that are on record or being filed.
    async fn latest_versions(
        &self,
        tenant: &str,
        entry_numbers: &[&str],
    ) -> Result<FxHashMap<String, LatestVersion>, Error>;

    /// The lines that stand of these entries: entry, line and PGA line.
    async fn standing_lines(
        &self,
        tenant: &str,
        entry_numbers: &[&str],
    ) -> Result<FxHashSet<(String, u32, u32)>, Error>;

    /// How a request took an entry back; `None`: it did not.
    async fn cancellation(
        &self,
        tenant: &str,
        request_id: &str,
        entry_number: &str,
    ) -> Result<Option<Cancellation>, Error>;

    /// The entries that these requests filed or of which they refused something.
    async fn entries_of_requests(
        &self,
        tenant: &str,
        request_ids: &[String],
    ) -> Result<FxHashSet<String>, Error>;
}

/// Decisions on record.
#[tonic::async_trait]
pub(crate) trait DecisionStore: Send + Sync {
    /// Those of a filing, in the order of its lines.
    async fn decisions_of(&self, filing_id: i64) -> Result<Vec<StoredDecision>, Error>;

    /// One of a tenant.
    async fn decision(&self, tenant: &str, decision_id: i64) -> Result<Option<StoredDecision>, Error>;

    /// What a filing rested on.
    async fn filing(&self, filing_id: i64) -> Result<Option<StoredFiling>, Error>;

    /// The versions of an entry up to a moment, and the decisions that stood then.
    async fn entry(
        &self,
        tenant: &str,
        entry_number: &str,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<(Vec<StoredVersion>, Vec<StoredDecision>), Error>;

    /// Decisions that pass the filter, the newest first.
    async fn list_decisions(
        &self,
        tenant: &str,
        filter: &DecisionFilter,
    ) -> Result<Vec<StoredDecision>, Error>;

    /// Counts of the decisions that stood at a moment, by group; at most `limit` groups.
    async fn statistics(
        &self,
        tenant: &str,
        span: (Option<Date>, Option<Date>),
        as_of: Option<DateTime<Utc>>,
        grouping: Grouping,
        limit: u32,
    ) -> Result<Vec<Statistic>, Error>;
}

/// Trails of entries on record.
#[tonic::async_trait]
pub(crate) trait TrailStore: Send + Sync {
    /// Adds to the trail of an entry, or says why it cannot.
    async fn record_trail(&self, new: NewTrail<'_>) -> Result<TrailAnswer, Error>;

    /// What was recorded up to a moment, in the order in which it was.
    async fn trail_records(
        &self,
        tenant: &str,
        entry_number: &str,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Vec<StoredTrailRecord>, Error>;
}

/// All of the store.
#[tonic::async_trait]
pub(crate) trait Store:
    LinkStore + FlagStore + PolicyStore + FilingStore + EntryStore + DecisionStore + TrailStore
{
    /// Who changed what, and what others must hear of.
    fn journal(&self) -> Journal;

    /// Ends every connection.
    async fn close(&self);
}

/// Opens the store where it is.
pub(crate) async fn open(location: &Location, update: SchemaUpdate) -> Result<Arc<dyn Store>, Error> {
    Ok(match location {
        Location::Folder(folder) => Arc::new(sqlite::Store::open(folder, update).await?),
        Location::Postgres(options) => Arc::new(postgres::Store::open(options, update).await?),
    })
}

#[cfg(test)]
mod tests {
    use nopic_sql::testing::Engine;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[tokio::test]
    async fn every_statement_can_be_prepared(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
        let database = engine.database().await;
        match &database.location {
            Location::Folder(place) => {
                nopic_sql::sqlite::prepare_all(place, &SCHEMA, sqlite::STATEMENTS).await;
            }
            Location::Postgres(place) => {
                nopic_sql::postgres::prepare_all(place, &SCHEMA, postgres::STATEMENTS).await;
            }
        }
    }

    #[rstest]
    #[tokio::test]
    async fn the_decisions_of_an_entry_cost_nothing_for_those_of_others(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let database = engine.database().await;
        let plans = match &database.location {
            Location::Folder(folder) => sqlite::query_plans::of_one_entry(folder, "EXPLAIN QUERY PLAN").await,
            Location::Postgres(options) => postgres::query_plans::of_one_entry(options, "EXPLAIN").await,
        };
        for (index, plan) in plans {
            assert!(plan.contains(index), "{index}: {plan}");
            // So SQLite and PostgreSQL say that they read a table from end to end.
            assert!(!plan.contains("SCAN") && !plan.contains("Seq Scan"), "{plan}");
        }
    }
}
