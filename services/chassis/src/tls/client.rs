//! The client's side of TLS: it shows its certificate, and wants one of the authority for the name that it asked for.

use std::sync::Arc;

use rustls::{ClientConfig, version};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::{Material, TlsError, TlsFiles};

/// The client's side of TLS by these files, to a server whose certificate has this name, for a channel of tonic's.
///
/// # Errors
/// A file that cannot be used, and why.
pub fn tls_of(files: &TlsFiles, name: &str) -> Result<ClientTlsConfig, TlsError> {
    let texts = files.load()?.texts;
    Ok(ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&texts.authority))
        .identity(Identity::from_pem(&texts.certificate, &texts.key))
        .domain_name(name))
}

/// The same for connections of our own.
pub(crate) fn client_config(material: &Material) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(material.roots.clone())
        .with_client_auth_cert(material.chain.clone(), material.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
