//! The store of certificates: what they state, every version of that, and the draws on them.

mod answer;
mod audited;
mod events;
mod ledger;
mod ledger_row;
pub(crate) mod lifecycle;
mod postgres;
mod row;
mod sqlite;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::certificate::CertificateStatus;
use nopic_domain::date::Date;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::principal::{Principal, Role};
use nopic_domain::weight::Weight;
use nopic_sql::Journal;
use nopic_sql::{
    AUDIT_ROWS, Error, Location, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate, on_engine,
};
use rustc_hash::FxHashMap;

pub(crate) use ledger::{
    Balance, DrawSet, DrawsChange, EntryDrawn, FiledEntry, HistoryQuestion, JudgedCertificate, RecordedDraw,
    StateBefore,
};
use lifecycle::LifecycleStore;
pub(crate) use row::{StoredCertificate, StoredDraw};

use crate::import_decision::Stated;

/// The schema of the service.
pub const SCHEMA: Schema = Schema {
    name: "certificate",
    migrations: &[
        SHARED,
        Migration {
            name: "create_certificates",
            sqlite: include_str!("../../migrations/sqlite/0001_create_certificates.sql"),
            postgres: include_str!("../../migrations/postgres/0001_create_certificates.sql"),
            oldest_compatible: 1,
        },
        Migration {
            name: "create_requests",
            sqlite: include_str!("../../migrations/sqlite/0002_create_requests.sql"),
            postgres: include_str!("../../migrations/postgres/0002_create_requests.sql"),
            oldest_compatible: 1,
        },
        Migration {
            name: "index_certificates_by_end",
            sqlite: include_str!("../../migrations/sqlite/0003_index_certificates_by_end.sql"),
            postgres: include_str!("../../migrations/postgres/0003_index_certificates_by_end.sql"),
            oldest_compatible: 1,
        },
        Migration {
            name: "index_draws_in_force_by_certificate",
            sqlite: include_str!("../../migrations/sqlite/0004_index_draws_in_force_by_certificate.sql"),
            postgres: include_str!("../../migrations/postgres/0004_index_draws_in_force_by_certificate.sql"),
            oldest_compatible: 1,
        },
        AUDIT_ROWS,
        Migration {
            name: "note_last_changes",
            sqlite: include_str!("../../migrations/sqlite/0005_note_last_changes.sql"),
            postgres: include_str!("../../migrations/postgres/0005_note_last_changes.sql"),
            // A column that an older program leaves as it is.
            oldest_compatible: 6,
        },
        Migration {
            name: "keep_named_numbers",
            sqlite: include_str!("../../migrations/sqlite/0006_keep_named_numbers.sql"),
            postgres: include_str!("../../migrations/postgres/0006_keep_named_numbers.sql"),
            oldest_compatible: 6,
        },
        OUTBOX_FLOOR,
    ],
    audited: audited::AUDITED,
};

/// Whose draw it is asked for: an entry on a certificate.
pub(crate) type OwnDrawsKey = (CertificateNumber, EntryNumber);

/// Which draws a caller may see: its tenant's, or as an operator all.
#[derive(Debug, Clone)]
pub(crate) struct Visibility {
    pub(crate) all: bool,
    pub(crate) tenant: String,
}

impl Visibility {
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            all: principal.role == Role::Operator,
            tenant: principal.tenant.clone(),
        }
    }

    /// Whether the caller may know of an entry of this tenant; absent: one number, filed by several tenants.
    pub(crate) fn may_know(&self, tenant: Option<&str>) -> bool {
        tenant.is_some_and(|tenant| self.all || tenant == self.tenant)
    }
}

/// Which certificates are listed; absent: any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListFilter {
    pub(crate) status: Option<CertificateStatus>,
    pub(crate) certifier: Option<CertifierId>,
    pub(crate) exporter: Option<NopId>,
    pub(crate) importer: Option<NopId>,
    pub(crate) valid_on: Option<Date>,
}

/// What entry validation asked for.
#[derive(Debug, Default)]
pub(crate) struct ForValidation {
    pub(crate) certificates: FxHashMap<CertificateNumber, StoredCertificate>,
    pub(crate) own_draws: Vec<StoredDraw>,
}

/// Who imports, what and when.
#[derive(Debug, Clone)]
pub(crate) struct ImportOrigin {
    pub(crate) file_name: String,
    pub(crate) tenant: String,
    pub(crate) actor: String,
    pub(crate) role: &'static str,
    pub(crate) at: DateTime<Utc>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Imported {
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) unchanged: u32,
    /// Certificates that the file would bring back after a step here had ended them: left as they are.
    pub(crate) refused: Vec<EndedHere>,
    /// Certificates that were added or changed, and more is drawn from them than they allow.
    pub(crate) overdrawn: Vec<Overdrawn>,
}

/// A certificate from which more is drawn than it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdrawn {
    pub(crate) number: CertificateNumber,
    pub(crate) limit: Weight,
    /// How much more.
    pub(crate) excess: Weight,
}

/// A certificate that a step here voided or superseded, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedHere {
    pub(crate) number: CertificateNumber,
    pub(crate) status: CertificateStatus,
    pub(crate) superseded_by: Option<CertificateNumber>,
}

/// ReadStore certificates and their draws: each answer is from one state of the database.
#[tonic::async_trait]
pub(crate) trait ReadStore: Send + Sync {
    /// The known ones of these; of draws those are counted that the caller may see.
    async fn certificates(
        &self,
        numbers: &[CertificateNumber],
        visibility: &Visibility,
    ) -> Result<FxHashMap<CertificateNumber, StoredCertificate>, Error>;

    /// The known ones of these, and what the entries of the questions drew as far as the caller may know.
    async fn for_validation(
        &self,
        numbers: &[CertificateNumber],
        questions: &[OwnDrawsKey],
        visibility: &Visibility,
    ) -> Result<ForValidation, Error>;

    /// A certificate with the first of the draws on it that the caller may see, by entry, line and PGA line.
    async fn certificate_with_draws(
        &self,
        number: CertificateNumber,
        visibility: &Visibility,
        limit: u32,
    ) -> Result<Option<(StoredCertificate, Vec<StoredDraw>)>, Error>;

    /// The certificates after this number that pass the filter, in the order of their numbers; of draws those are counted
    /// that the caller may see.
    async fn list(
        &self,
        filter: ListFilter,
        after: Option<CertificateNumber>,
        limit: u32,
        visibility: &Visibility,
    ) -> Result<Vec<StoredCertificate>, Error>;

    /// How many certificates in force have their last day in this span, both days included.
    async fn ending(&self, from: Date, to: Date) -> Result<u64, Error>;
}

/// ImportStore certificates.
#[tonic::async_trait]
pub(crate) trait ImportStore: Send + Sync {
    /// Imports certificates of different numbers, best in the order of these; the numbers that the file `named`
    /// beside them are never given here. All or none; none where `abandoned` says before the end that nobody waits for
    /// it any more, then the answer is absent.
    async fn import(
        &self,
        stated: &[Stated],
        named: &[CertificateNumber],
        origin: &ImportOrigin,
        abandoned: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Imported>, Error>;
}

/// What entries draw from certificates, and what was drawn at any time.
#[tonic::async_trait]
pub(crate) trait LedgerStore: Send + Sync {
    /// Sets what versions of entries draw, all or nothing; the encoded answer, the first one where it was asked before.
    async fn set_draws(&self, change: &DrawsChange) -> Result<Vec<u8>, Error>;

    /// What was drawn from a certificate at a moment; absent where it was not known then. Of draws those are counted that
    /// the caller may see.
    async fn balance_at(
        &self,
        number: CertificateNumber,
        moment: DateTime<Utc>,
        visibility: &Visibility,
    ) -> Result<Option<Balance>, Error>;

    /// The draws that ever stood on a certificate, as asked, the oldest first; absent where it is not known.
    async fn draws(&self, question: &HistoryQuestion) -> Result<Option<Vec<RecordedDraw>>, Error>;
}

/// All of the store.
#[tonic::async_trait]
pub(crate) trait CertificateStore: ReadStore + ImportStore + LedgerStore + LifecycleStore {
    /// Who changed what, and what others must hear of.
    fn journal(&self) -> Journal;

    /// Ends every connection.
    async fn close(&self);
}

/// Opens the store where it is.
pub(crate) async fn open(
    location: &Location,
    update: SchemaUpdate,
) -> Result<Arc<dyn CertificateStore>, Error> {
    Ok(on_engine!(location, engine, place => Arc::new(engine::Store::open(place, update).await?)))
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
    async fn what_an_entry_drew_costs_nothing_for_what_others_drew(
        #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    ) {
        let database = engine.database().await;
        let plans = match &database.location {
            Location::Folder(folder) => sqlite::query_plans::of_own_draws(folder, "EXPLAIN QUERY PLAN").await,
            Location::Postgres(options) => postgres::query_plans::of_own_draws(options, "EXPLAIN").await,
        };
        for plan in plans {
            // Those indexes begin with an entry, or lead to one, and hold nothing that has ended.
            assert!(plan.contains("draw_in_force"), "{plan}");
            assert!(!plan.contains("draw_by_certificate"), "{plan}");
        }
    }
}
