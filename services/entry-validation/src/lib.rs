//! The entry-validation service: can this entry line be filed as organic, and if not, why and who must act?
//!
//! A call is converted, what its lines need is loaded ([`knowledge`]), the pure rules judge, and verdicts go back in
//! the words of the policy. Certificates and registry are other services; a missing answer of theirs makes a line
//! indeterminate and hides nothing else.

mod abandoned;
mod charge;
mod convert;
mod engine;
mod error;
mod filing;
mod flags;
mod importer_links;
mod inquiry;
mod knowledge;
mod metrics;
mod part;
mod roles;
mod rpc;
mod runs;
mod scope;
mod store;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use nopic_cache::{ReaderOptions, Stats, StatusReader};
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::worker::Worker;
use nopic_domain::policy::Policy;
use nopic_proto::entry_validation::entry_record_service_server::EntryRecordServiceServer;
use nopic_proto::entry_validation::entry_trail_service_server::EntryTrailServiceServer;
use nopic_proto::entry_validation::entry_validation_service_server::EntryValidationServiceServer;
use nopic_sql::Journal;
use nopic_sql::{Location, SchemaUpdate};
use thiserror::Error;

use charge::LineCharge;
use engine::{Engine, Process};
use rpc::{RecordRpc, Rpc, TrailRpc};
use upstream::Statuses;

/// What the service is told at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the databases are. One process at a time may use a folder.
    pub location: Location,
    /// Whether a schema that is not up to date is brought there, or refused.
    pub schema_update: SchemaUpdate,
    /// The policy of the deployment.
    pub policy: Arc<Policy>,
    /// Its text, which is kept, so that the evidence of a verdict can be read again.
    pub policy_text: Arc<str>,
    /// How fresh the registry's answers are.
    pub registry: ReaderOptions,
    /// The shared cache of the registry's statuses; absent: the registry alone is asked.
    pub redis: Option<nopic_cache::redis::Options>,
    /// Where the service's numbers are read.
    pub metrics: Metrics,
    /// Names this process among those that share the database; the same as an earlier one's only where that has ended.
    /// Absent: a name that nobody else has.
    pub worker: Option<String>,
    /// Says when streams are to end at the next entry's boundary, for their callers to resume elsewhere.
    pub draining: Draining,
    /// How often a filing that cannot be finished is tried before it is set aside.
    pub filing_attempts: u32,
    /// How many lines each tenant may send; absent: nobody counts them.
    pub lines: Option<LineLimit>,
}

impl Config {
    /// The defaults: a registry that is asked once a second whether it has a new revision.
    #[must_use]
    pub fn new(location: Location, policy: Arc<Policy>, policy_text: Arc<str>) -> Self {
        Self {
            schema_update: location.schema_update(),
            location,
            policy,
            policy_text,
            registry: ReaderOptions::default(),
            redis: None,
            metrics: Metrics::default(),
            worker: None,
            draining: Draining::default(),
            filing_attempts: 20,
            lines: None,
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The shared cache cannot be used as it is configured.
    #[error("the shared cache: {0}")]
    Cache(#[from] nopic_cache::redis::OptionsError),
    /// The database cannot be used.
    #[error("the database of entry validation: {0}")]
    Store(#[from] nopic_sql::Error),
}

/// Filings that were left could not be finished.
#[derive(Debug, Error)]
#[error("filings that were left could not be finished: {0}")]
pub struct RecoveryError(#[from] error::Error);

/// Pause between two searches for filings that were left.
const RECOVER_EVERY: Duration = Duration::from_secs(1);

/// The running service.
#[derive(Debug, Clone)]
pub struct EntryValidation(Arc<Engine>);

impl EntryValidation {
    /// Opens the database and is ready.
    ///
    /// # Errors
    /// The database or the shared cache cannot be used.
    pub async fn open(config: Config, clock: Arc<dyn Clock>, upstream: Upstream) -> Result<Self, StartError> {
        let store = store::open(&config.location, config.schema_update).await?;
        store
            .keep_policy(config.policy.version(), &config.policy_text, clock.now())
            .await?;
        let stats = Arc::new(Stats::default());
        let statuses = Statuses::new(&upstream, config.redis, Arc::clone(&stats))?;
        let statuses = StatusReader::with_stats(statuses, config.registry, Arc::clone(&stats));
        metrics::add_cache(&config.metrics, stats, statuses.clone(), Arc::clone(&clock));
        let process = Process {
            worker: config.worker,
            draining: config.draining,
            verdicts: metrics::Verdicts::new(&config.metrics),
            filing_attempts: config.filing_attempts,
            set_aside: metrics::SetAside::new(&config.metrics),
            charge: LineCharge(config.lines),
        };
        let engine = Engine::new(config.policy, store, clock, upstream, statuses, process).await?;
        Ok(Self(Arc::new(engine)))
    }

    /// The gRPC service, for routes behind [`ROLES`].
    #[must_use]
    pub fn service(&self) -> EntryValidationServiceServer<impl Sized + EntryValidationRpc> {
        nopic_chassis::bounded!(EntryValidationServiceServer::new(Rpc(Arc::clone(&self.0))))
    }

    /// The gRPC service of entries on record, for routes behind [`ROLES`].
    #[must_use]
    pub fn record_service(&self) -> EntryRecordServiceServer<impl Sized + EntryRecordRpc> {
        nopic_chassis::bounded!(EntryRecordServiceServer::new(RecordRpc(Arc::clone(&self.0))))
    }

    /// The gRPC service of the trails of entries, for routes behind [`ROLES`].
    #[must_use]
    pub fn trail_service(&self) -> EntryTrailServiceServer<impl Sized + EntryTrailRpc> {
        nopic_chassis::bounded!(EntryTrailServiceServer::new(TrailRpc(Arc::clone(&self.0))))
    }

    /// Finishes the filings that an earlier process of this name left, at once.
    ///
    /// # Errors
    /// The database or the certificate service does not answer; what is left stays so.
    pub async fn take_over(&self) -> Result<u32, RecoveryError> {
        let now = self.0.clock.now();
        self.0
            .store
            .expire_leases(&self.0.worker, now)
            .await
            .map_err(error::Error::from)?;
        Ok(filing::recover(&self.0).await?)
    }

    /// What a server does beside its calls, until the future of it is dropped: it finishes filings that other workers
    /// leave, and lets the flags serve that other processes import.
    pub async fn work_forever(self) {
        let recover = async || filing::recover(&self.0).await.map(drop);
        tokio::join!(
            Worker::new("finishing filings that were left", RECOVER_EVERY).run_alone(recover),
            self.0.flags.follow_forever()
        );
    }

    /// Who changed what, to be sealed while the service is served, and what others must hear of.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.0.store.journal()
    }

    /// Ends every connection to the database; calls under way fail.
    pub async fn close(&self) {
        self.0.store.close().await;
    }
}

pub use charge::LineLimit;
pub use part::PART;
pub use roles::ROLES;
pub use store::SCHEMA;
pub use upstream::Upstream;

pub use nopic_proto::entry_validation::entry_record_service_server::EntryRecordService as EntryRecordRpc;
pub use nopic_proto::entry_validation::entry_trail_service_server::EntryTrailService as EntryTrailRpc;
pub use nopic_proto::entry_validation::entry_validation_service_server::EntryValidationService as EntryValidationRpc;
