//! The way from a name to the addresses that are connected to.
//!
//! A look-up beforehand proves nothing, for the next may answer otherwise. So the guard sits where reqwest asks for the
//! addresses that it then connects to, and gives it only those that may be. reqwest keeps connections by scheme, host
//! and port, and what the guard decides depends on nothing else: a kept connection leads to where a new one might.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::{Forbidden, Policy};

/// Who knows the addresses of names.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of a name.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Lets through the addresses that may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) policy: Arc<Policy>,
    pub(super) over_http: bool,
}

impl Guard {
    /// Of a name's addresses those that may be connected to; if there is none, why the first may not.
    async fn allowed(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let addresses = self.resolver.addresses(host).await?;
        let mut allowed = Vec::new();
        let mut forbidden: Option<Forbidden> = None;
        for address in addresses {
            match self.policy.judge(host, address, self.over_http) {
                // reqwest puts its port in the place of none.
                Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                Err(refused) => forbidden = forbidden.or(Some(refused)),
            }
        }
        match forbidden {
            Some(forbidden) if allowed.is_empty() => {
                tracing::warn!(
                    host,
                    address = %forbidden.address,
                    why = ?forbidden.why,
                    "a webhook leads where nobody may be sent to"
                );
                Err(Box::new(forbidden))
            }
            _ if allowed.is_empty() => Err(Box::new(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ))),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let allowed = guard.allowed(name.as_str()).await?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
