//! Channels to another service: over every address of its name, which are looked up anew while the process runs, and
//! with certificates that follow their files.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;
use tonic::transport::channel::Change;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::tls::{LOOK_EVERY, Texts, TlsError, TlsFiles};
use crate::transport::with_windows;
use crate::worker::Worker;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// A connection that is silent for so long is asked whether it lives, and given up when it does not say so. A server with
/// far too much to do takes seconds for that, too, and would have more to do with every connection that is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(5);
/// Changes of addresses under way.
const CHANGES: usize = 64;

/// Where another service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`; a host with several addresses is called at all of them in turn.
    pub authority: String,
    /// The name in the service's certificate.
    pub name: String,
    /// Certificates of this process; absent: plain text.
    pub tls: Option<TlsFiles>,
}

/// Why there is no channel.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is none.
    #[error("{0:?} is no host and port, such as registry.nopic.svc:50051")]
    Authority(String),
}

/// Why a channel stays as it is.
#[derive(Debug, Error)]
#[error("the addresses of {service} are as before: {why}")]
struct Unwired {
    service: String,
    why: String,
}

/// What a channel is made of at a moment.
#[derive(Clone, PartialEq, Eq, Default)]
struct Wiring {
    addresses: BTreeSet<SocketAddr>,
    /// Of the certificates' files.
    material: Option<[u8; 32]>,
}

/// A channel that connects when it is first used. Addresses and certificates are followed for as long as it or a clone
/// of it lives.
///
/// # Errors
/// Certificates that cannot be used, or an address that is none.
pub fn channel(target: Target) -> Result<Channel, TargetError> {
    let is_authority = target
        .authority
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_authority {
        return Err(TargetError::Authority(target.authority));
    }
    if let Some(tls) = &target.tls {
        tls.load()?;
    }
    let (channel, changes) = Channel::balance_channel(CHANGES);
    tokio::spawn(async move {
        let wired = Mutex::default();
        let follow = async || {
            let followed = follow(&target, &mut *wired.lock().await, &changes).await;
            followed.map_err(|why| Unwired {
                service: target.name.clone(),
                why,
            })
        };
        tokio::select! {
            () = changes.closed() => {}
            () = Worker::new("looking for the addresses of a service", LOOK_EVERY).run_alone(follow) => {}
        }
    });
    Ok(channel)
}

/// Tells the channel what has changed, as long as it is there.
async fn follow(
    target: &Target,
    wired: &mut Wiring,
    changes: &Sender<Change<SocketAddr, Endpoint>>,
) -> Result<(), String> {
    let Some((wiring, endpoints)) = wire(target, wired).await? else {
        return Ok(());
    };
    let wired = std::mem::replace(wired, wiring.clone());
    let gone = wired.addresses.difference(&wiring.addresses).copied();
    let new = endpoints
        .into_iter()
        .map(|(address, endpoint)| Change::Insert(address, endpoint));
    for change in new.chain(gone.map(Change::Remove)) {
        // Where the channel is gone, so is this.
        let _ = changes.send(change).await;
    }
    Ok(())
}

/// The addresses and the certificates of now, with the endpoints that are new by them; `None`: nothing has changed.
async fn wire(
    target: &Target,
    wired: &Wiring,
) -> Result<Option<(Wiring, Vec<(SocketAddr, Endpoint)>)>, String> {
    let addresses: BTreeSet<SocketAddr> = tokio::net::lookup_host(&target.authority)
        .await
        .map_err(|error| format!("{} cannot be looked up: {error}", target.authority))?
        .collect();
    let texts = match &target.tls {
        None => None,
        Some(files) => Some(files.read().map_err(|error| error.to_string())?),
    };
    let wiring = Wiring {
        addresses,
        material: texts.as_ref().map(Texts::hash),
    };
    if wiring == *wired {
        return Ok(None);
    }
    let scheme = if texts.is_some() { "https" } else { "http" };
    let has_new_material = wiring.material != wired.material;
    if let Some(files) = target.tls.as_ref().filter(|_| has_new_material) {
        // Half written, they do not fit together: then nothing changes yet.
        files.load().map_err(|error| error.to_string())?;
    }
    let endpoints = wiring
        .addresses
        .iter()
        .filter(|address| has_new_material || !wired.addresses.contains(address))
        .map(|address| {
            let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
                .map_err(|error| error.to_string())?
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE_ANSWER)
                .keep_alive_while_idle(true);
            let endpoint = with_windows(endpoint);
            let endpoint = match &texts {
                None => endpoint,
                Some(texts) => endpoint
                    .tls_config(tls(texts, &target.name))
                    .map_err(|error| error.to_string())?,
            };
            Ok((*address, endpoint))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Some((wiring, endpoints)))
}

/// The client's side of TLS by these files, to a server whose certificate has this name.
///
/// # Errors
/// A file that cannot be used, and why.
pub fn tls_of(files: &TlsFiles, name: &str) -> Result<ClientTlsConfig, TlsError> {
    Ok(tls(&files.load()?.texts, name))
}

fn tls(texts: &Texts, name: &str) -> ClientTlsConfig {
    ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&texts.authority))
        .identity(Identity::from_pem(&texts.certificate, &texts.key))
        .domain_name(name)
}
