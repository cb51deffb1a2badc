//! The certificate service: NOP Import Certificates and what has been drawn from them.

mod convert;
mod error;
mod import_call;
mod import_decision;
mod rpc;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use nopic_chassis::clock::Clock;
use nopic_chassis::principal::RequirePrincipal;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::principal::Principal;
use nopic_proto::certificate::certificate_service_server::CertificateServiceServer;
use thiserror::Error;
use tonic::service::interceptor::InterceptedService;

pub use crate::rpc::Rpc;
use crate::store::CertificateStore;

/// Name of the database in the data folder.
const DATABASE_FILE: &str = "certificate.sqlite";

/// Where the service keeps what it knows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder; created where it is missing. One process at a time may use it.
    pub data_dir: PathBuf,
}

/// Why the service cannot start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The data folder cannot be made.
    #[error("the data folder {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system reports.
        source: std::io::Error,
    },
    /// The database cannot be opened or is not one that this program can use.
    #[error("the certificates' database {} cannot be used", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the store reports.
        source: nopic_sql::Error,
    },
}

/// The certificate service with its database.
#[derive(Debug, Clone)]
pub struct CertificateService {
    rpc: Rpc,
}

impl CertificateService {
    /// Opens the database, creates it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The data folder or the database in it cannot be used.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let Config { data_dir } = config;
        std::fs::create_dir_all(&data_dir).map_err(|source| OpenError::Folder {
            path: data_dir.clone(),
            source,
        })?;
        let path = data_dir.join(DATABASE_FILE);
        let store = CertificateStore::open(&path)
            .await
            .map_err(|source| OpenError::Database { path, source })?;
        Ok(Self {
            rpc: Rpc { store, clock },
        })
    }

    /// The service for a server's routes. `otherwise` is who calls where a call names nobody: the built-in principal
    /// of the embedded services, nobody behind a gateway.
    #[must_use]
    pub fn service(
        &self,
        otherwise: Option<Principal>,
    ) -> InterceptedService<CertificateServiceServer<Rpc>, RequirePrincipal> {
        InterceptedService::new(
            CertificateServiceServer::new(self.rpc.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            RequirePrincipal { otherwise },
        )
    }

    /// Ends every connection to the database; calls under way fail.
    pub async fn close(&self) {
        self.rpc.store.close().await;
    }
}
