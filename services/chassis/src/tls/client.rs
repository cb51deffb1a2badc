//! The client's side of TLS: it shows its certificate, and wants one of the authority for the name that it asked for.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, version};

use super::{Material, TlsError, TlsFiles};

/// The client's side of TLS by these files, for connections of a caller's own.
///
/// # Errors
/// A file that cannot be used, and why.
pub fn config_of(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let material = files.load()?;
    let unusable = |error: rustls::Error| TlsError {
        path: files.certificate.clone(),
        why: error.to_string(),
    };
    let config = of_any_version()
        .map_err(unusable)?
        .with_root_certificates(material.roots)
        .with_client_auth_cert(material.chain, material.key);
    config.map(over_http2).map_err(unusable)
}

/// The same without a certificate to show; the authority as PEM.
///
/// # Errors
/// What is wrong with it.
pub fn config_trusting(authority: &[u8]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // Of a system's authorities some may be of a kind that is not known here.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authority).flatten());
    let config = of_any_version()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(over_http2(config))
}

fn of_any_version() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn over_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// The same for connections between services.
pub(crate) fn client_config(material: &Material) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(material.roots.clone())
        .with_client_auth_cert(material.chain.clone(), material.key.clone_key())
        .map(over_http2)
}
