//! The certificate service: NOP Import Certificates and what has been drawn from them.

mod convert;
mod error;
mod import_call;
mod import_decision;
mod metrics;
mod part;
mod roles;
mod rpc;
mod store;
mod upstream;

use std::sync::Arc;

use nopic_chassis::clock::Clock;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::rpc::client::Client;
use nopic_domain::identifier::CertifierId;
use nopic_domain::policy::Policy;
use nopic_proto::certificate::certificate_life_service_server::CertificateLifeServiceServer;
use nopic_proto::certificate::certificate_service_server::CertificateServiceServer;
use nopic_proto::certificate::ledger_service_server::LedgerServiceServer;
use nopic_sql::Journal;
use nopic_sql::{Location, SchemaUpdate};
use thiserror::Error;
use tonic::service::Routes;

use crate::metrics::Ending;
pub use crate::part::PART;
pub use crate::roles::ROLES;
pub use crate::rpc::Rpc;
pub use crate::rpc::lifecycle::LifecycleRpc;
pub use crate::store::SCHEMA;
use crate::upstream::Registry;

/// Where the service keeps what it knows.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the databases are. One process at a time may use a folder.
    pub location: Location,
    /// Whether a schema that is not up to date is brought there, or refused.
    pub schema_update: SchemaUpdate,
    /// The certifiers for which certificates are issued here, with numbers of this deployment. For any other one, an
    /// approved request waits until the number that OID gave is entered.
    pub issues_for: Vec<CertifierId>,
    /// The policy of the deployment: how old a snapshot may be, and which countries have an arrangement.
    pub policy: Arc<Policy>,
    /// Where the service's numbers are read.
    pub metrics: Metrics,
}

/// Why the service cannot start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The database cannot be opened or is not one that this program can use.
    #[error("the certificates' database in {location} cannot be used")]
    Database {
        /// Where it is.
        location: Box<Location>,
        /// What the store reports.
        source: nopic_sql::Error,
    },
}

/// The certificate service with its database.
#[derive(Debug, Clone)]
pub struct CertificateService {
    rpc: Rpc,
    lifecycle: LifecycleRpc,
    ending: Arc<Ending>,
}

impl CertificateService {
    /// Opens the database, creates it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The data folder or the database in it cannot be used.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let Config {
            location,
            schema_update,
            issues_for,
            policy,
            metrics,
        } = config;
        let store = store::open(&location, schema_update)
            .await
            .map_err(|source| OpenError::Database {
                location: Box::new(location),
                source,
            })?;
        let issues_for: Arc<[CertifierId]> = issues_for.into();
        Ok(Self {
            lifecycle: LifecycleRpc {
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                registry: Registry::default(),
                issues_for: Arc::clone(&issues_for),
                policy,
            },
            rpc: Rpc {
                store,
                clock,
                issues_for,
            },
            ending: Ending::new(&metrics),
        })
    }

    /// Counts the certificates near their end for the metrics, until the future of it is dropped.
    pub async fn count_ending_forever(self) {
        let Rpc { store, clock, .. } = &self.rpc;
        self.ending.count_forever(&**store, &**clock).await;
    }

    /// The same service with a registry to ask. Without one, checks against the registry are indeterminate.
    #[must_use]
    pub fn with_registry(mut self, client: Client) -> Self {
        self.lifecycle.registry = Registry::new(client);
        self
    }

    /// The service of a certificate's life, for routes behind [`ROLES`].
    #[must_use]
    pub fn lifecycle_service(&self) -> CertificateLifeServiceServer<LifecycleRpc> {
        nopic_chassis::bounded!(CertificateLifeServiceServer::new(self.lifecycle.clone()))
    }

    /// The service of certificates, as [`CertificateService::lifecycle_service`].
    #[must_use]
    pub fn service(&self) -> CertificateServiceServer<Rpc> {
        nopic_chassis::bounded!(CertificateServiceServer::new(self.rpc.clone()))
    }

    /// The ledger, as [`CertificateService::lifecycle_service`].
    #[must_use]
    pub fn ledger(&self) -> LedgerServiceServer<Rpc> {
        nopic_chassis::bounded!(LedgerServiceServer::new(self.rpc.clone()))
    }

    /// Every gRPC service of this one, for [`ROLES`].
    #[must_use]
    pub fn routes(&self) -> Routes {
        Routes::new(self.service())
            .add_service(self.ledger())
            .add_service(self.lifecycle_service())
    }

    /// Who changed what, to be sealed while the service is served, and what others must hear of.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.rpc.store.journal()
    }

    /// Ends every connection to the database; calls under way fail.
    pub async fn close(&self) {
        self.rpc.store.close().await;
    }
}
