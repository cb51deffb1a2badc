//! The services in this process, each on its own SQLite file of the data folder.

use std::path::Path;
use std::sync::Arc;

use nopic_chassis::clock::Clock;
use tonic::service::Routes;

use crate::connection::Need;
use crate::failure::Failure;

/// Names of every service, for health and for messages.
pub(crate) const SERVICE_NAMES: [&str; 3] = [
    "nopic.registry.v1.RegistryService",
    "nopic.certificate.v1.CertificateService",
    "nopic.entry_validation.v1.EntryValidationService",
];

/// Opens what is needed. Entry validation asks the other two in memory, by the same clients as over a socket.
///
/// # Errors
/// Where a database or the policy cannot be read.
#[allow(clippy::unused_async)]
pub(crate) async fn open(
    _need: Need,
    _data: &Path,
    _policy: Option<&Path>,
    _clock: Arc<dyn Clock>,
) -> Result<Routes, Failure> {
    // SEAM: open nopic_registry, nopic_certificate and nopic_entry_validation here.
    Err(Failure::new("This build holds no services of its own.").advice("Name a running server with --endpoint."))
}
