//! The registry: a mirror of USDA's Organic INTEGRITY Database with every revision of it kept.
//!
//! An import makes the next revision, whole or not at all (`import`); questions about statuses are answered from
//! memory (`status`), names are found by an index in memory (`search`), rows and history come from the database
//! (`store`). Whatever serves is one immutable state that an import replaces at once (`current`).

mod current;
mod error;
mod import;
mod metrics;
mod part;
mod publishing;
mod release;
mod roles;
mod rpc;
mod search;
mod status;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nopic_cache::redis::Publisher;
use nopic_chassis::clock::Clock;
use nopic_chassis::draining::Draining;
use nopic_chassis::metrics::Metrics;
use nopic_proto::registry::registry_service_server::RegistryServiceServer;
use nopic_sql::Journal;
use nopic_sql::{Location, SchemaUpdate};

use crate::current::Core;
pub use error::Error;
pub use part::PART;
pub use roles::ROLES;
pub use rpc::Service;
pub use store::SCHEMA;

/// How a registry runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the databases are. One process at a time may use a folder; a server's, any number.
    pub location: Location,
    /// Whether a schema that is not up to date is brought there, or refused.
    pub schema_update: SchemaUpdate,
    /// Folder of temporary copies of uploads. It exists, and one process at a time uses it: copies that another left
    /// there are removed.
    pub spool: PathBuf,
    /// How long an upload may stand still before its import is given up.
    pub upload_pause: Duration,
    /// Pause between two heartbeats of a stream of changes.
    pub heartbeat: Duration,
    /// Where the service's numbers are read.
    pub metrics: Metrics,
    /// Whether the index of names is ready when an import answers: for a server. Without it the first search builds
    /// the index.
    pub search_after_import: bool,
    /// Says when streams of changes are to end, and each that is asked for from then on once it has said what is
    /// known: a server that drains would wait for them in vain.
    pub draining: Draining,
}

impl Config {
    /// The usual: a minute for an upload that stands still, a heartbeat every
    /// 5 s, a server.
    #[must_use]
    pub fn new(location: Location, spool: impl Into<PathBuf>) -> Self {
        Self {
            schema_update: location.schema_update(),
            location,
            spool: spool.into(),
            upload_pause: Duration::from_secs(60),
            heartbeat: Duration::from_secs(5),
            metrics: Metrics::default(),
            search_after_import: true,
            draining: Draining::default(),
        }
    }
}

/// The registry of one process. Clones share everything.
#[derive(Clone)]
pub struct Registry(Arc<Core>);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("revision", &self.0.current.load().revision)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Opens the database. Indexes are built when first needed. What other processes import into a shared database
    /// serves here a second later.
    ///
    /// # Errors
    /// The database cannot be opened, or its schema is one that this program cannot use.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let metrics = config.metrics.clone();
        let core = Arc::new(Core::open(config, clock).await?);
        metrics::add(&metrics, &core);
        core.follow();
        Ok(Self(core))
    }

    /// The gRPC service, for routes behind [`ROLES`].
    #[must_use]
    pub fn service(&self) -> RegistryServiceServer<Service> {
        nopic_chassis::bounded!(RegistryServiceServer::new(Service::new(Arc::clone(&self.0))))
    }

    /// Builds what questions about statuses and names need, so that the first ones do not wait for it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn warm(&self) -> Result<(), Error> {
        let current = self.0.current.load_full();
        if current.revision > 0 {
            current.search(&*self.0.store).await?;
        }
        Ok(())
    }

    /// Publishes the current revision to the shared cache, and each that follows, until the registry closes.
    pub async fn publish_forever(self, publisher: Publisher) {
        publishing::publish_forever(self.0, publisher).await;
    }

    /// The current revision; 0: no snapshot.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.0.current.load().revision
    }

    /// Waits until no import, release or discard is under way; of one that was given up, nothing is left then.
    pub async fn settled(&self) {
        drop(self.0.changing.lock().await);
    }

    /// Who changed what, to be sealed while the registry is served, and what others must hear of.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.0.store.journal()
    }

    /// Ends the streams of changes, waits for a change of snapshots under way, and closes the database.
    pub async fn close(&self) {
        self.0.config.draining.begin();
        let _nothing_changes = self.0.changing.lock().await;
        self.0.store.close().await;
    }
}
