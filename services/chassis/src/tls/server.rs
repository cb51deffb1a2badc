//! The server's side of TLS: every client of a service shows a certificate of the authority; callers at a door may.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use super::{LOOK_EVERY, Material, TlsError, TlsFiles};
use crate::metrics::Metrics;
use crate::worker::Worker;

/// Whether those who connect show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Each does: they are other services, and speak HTTP/2.
    Show,
    /// They may: callers at a door, who may say otherwise who they are, and speak HTTP/1.1, too.
    MayShow,
}

/// The certificates of a server, which follow their files.
#[derive(Debug)]
pub struct ServerTls {
    files: TlsFiles,
    clients: Clients,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    hash: [u8; 32],
    /// When our certificate ends, in seconds since 1970.
    ends: Option<i64>,
}

impl Current {
    fn of(files: &TlsFiles, clients: Clients) -> Result<Self, TlsError> {
        let material = files.load()?;
        let config = config(&material, clients).map_err(|why| TlsError {
            path: files.certificate.clone(),
            why,
        })?;
        Ok(Self {
            config: Arc::new(config),
            hash: material.texts.hash(),
            ends: material.ends(),
        })
    }
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be used, and why.
    pub fn load(files: TlsFiles, clients: Clients) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(Current::of(&files, clients)?);
        Ok(Self {
            files,
            clients,
            current,
        })
    }

    /// Shows when our certificate ends: as it is now, for files are read anew when they change.
    pub fn show_in(self: &Arc<Self>, metrics: &Metrics) {
        let tls = Arc::clone(self);
        metrics.add_read(move |reading| match tls.current.load().ends {
            None => Ok(()),
            Some(ends) => reading.seconds(
                "tls_certificate_expiry_timestamp",
                "When the certificate of this server ends, in seconds since 1970",
                &[(&[], ends)],
            ),
        });
    }

    /// What holds for a connection that begins now.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// Follows the files until the task is dropped. Files that cannot be used change nothing: they may be half written.
    pub async fn follow(&self) {
        Worker::new("reading the certificates of this server anew", LOOK_EVERY)
            .run_alone(async || self.look())
            .await;
    }

    fn look(&self) -> Result<(), TlsError> {
        if self.files.read()?.hash() != self.current.load().hash {
            self.current
                .store(Arc::new(Current::of(&self.files, self.clients)?));
            tracing::info!("the certificates of this server were read anew");
        }
        Ok(())
    }
}

pub(super) fn config(material: &Material, clients: Clients) -> Result<ServerConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(material.roots.clone()), Arc::clone(&provider));
    let verifier = match clients {
        Clients::Show => verifier,
        Clients::MayShow => verifier.allow_unauthenticated(),
    };
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    // Between services all are ours. Before a door there are proxies that speak no newer one unless they are told to.
    let versions: &[&SupportedProtocolVersion] = match clients {
        Clients::Show => &[&version::TLS13],
        Clients::MayShow => &[&version::TLS13, &version::TLS12],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(material.chain.clone(), material.key.clone_key())
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = match clients {
        Clients::Show => vec![b"h2".to_vec()],
        Clients::MayShow => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(config)
}
