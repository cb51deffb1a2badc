//! TLS of both sides by certificates of `nopic dev-certs`, as the gateway does it.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(folder: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain(folder, "authority"));
    Arc::new(roots)
}

fn chain(folder: &Path, name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(folder.join(format!("{name}.pem")))
        .expect("the certificate is there")
        .collect::<Result<_, _>>()
        .expect("it is one")
}

fn key(folder: &Path, name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("the key is there")
}

/// Of a server; clients may show a certificate.
pub(crate) fn acceptor(folder: &Path, name: &str) -> TlsAcceptor {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(folder), provider())
        .allow_unauthenticated()
        .build()
        .expect("the authority can be used");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .expect("the version is known")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(folder, name), key(folder, name))
        .expect("key and certificate belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Of a client of this name; without a name it shows nothing.
pub(crate) fn connector(folder: &Path, name: Option<&str>) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .expect("the version is known")
        .with_root_certificates(roots(folder));
    let mut config = match name {
        Some(name) => builder
            .with_client_auth_cert(chain(folder, name), key(folder, name))
            .expect("key and certificate belong together"),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}
