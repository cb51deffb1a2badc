//! The services of a server by their names, and why a server ends.

use thiserror::Error;

/// Why a server ended other than by its own will.
#[derive(Debug, Error)]
pub enum ServingError {
    /// The descriptors of the contract cannot be read: a fault of the build.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// What the server reports.
    #[error("the server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// What a door reports that takes the connections.
    #[error("the door failed: {0}")]
    Front(String),
}

/// A gRPC service, which has a health of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcService {
    pub(crate) name: &'static str,
    pub(crate) needs_all: bool,
}

impl GrpcService {
    /// One that does not serve while a hard dependency is gone.
    #[must_use]
    pub const fn hard(name: &'static str) -> Self {
        Self {
            name,
            needs_all: true,
        }
    }

    /// One that answers without them, too.
    #[must_use]
    pub const fn soft(name: &'static str) -> Self {
        Self {
            name,
            needs_all: false,
        }
    }

    /// Its full name: `package.Service`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// Whether the server as a whole serves anything: by its services, and whether every hard dependency is there.
#[must_use]
pub fn serves(services: &[GrpcService], has_all: bool) -> bool {
    has_all || services.iter().any(|service| !service.needs_all)
}
