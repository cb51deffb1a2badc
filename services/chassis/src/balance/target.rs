//! Where another service is.

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use thiserror::Error;
use tonic::codegen::http::uri::Authority;

use crate::tls::{TlsError, TlsFiles};

/// Where another service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`; a host with several addresses is called at all of them.
    pub authority: String,
    /// The name in the service's certificate.
    pub name: String,
    /// Certificates of this process; absent: plain text.
    pub tls: Option<TlsFiles>,
}

/// Why a target cannot be called at all.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is none.
    #[error("{0:?} is no host and port, such as registry.nopic.svc:50051")]
    Authority(String),
    /// No certificate can have this name.
    #[error("{0:?} is no name of a certificate")]
    Name(String, #[source] InvalidDnsNameError),
}

impl Target {
    /// Looks whether it can be called, as far as that shows before it is.
    pub(super) fn checked(&self) -> Result<(Authority, ServerName<'static>), TargetError> {
        let wrong = || TargetError::Authority(self.authority.clone());
        let has_host_and_port = self
            .authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !has_host_and_port {
            return Err(wrong());
        }
        let authority = self.authority.parse().map_err(|_| wrong())?;
        let name = ServerName::try_from(self.name.clone())
            .map_err(|error| TargetError::Name(self.name.clone(), error))?;
        if let Some(tls) = &self.tls {
            tls.load()?;
        }
        Ok((authority, name))
    }
}
