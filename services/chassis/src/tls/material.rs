//! What stands in the files of TLS.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::server::Clients;

/// Where the certificates of a process are, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its own certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority that signs the certificates of the others.
    pub authority: PathBuf,
}

/// Files that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {why}", path.display())]
pub struct TlsError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What was read.
#[derive(Debug)]
pub struct Material {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) roots: RootCertStore,
    /// The texts as they stand: to see whether they change.
    pub(crate) texts: Texts,
}

/// The files' texts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) authority: Vec<u8>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Texts(secret)")
    }
}

impl Texts {
    /// Names the content, without telling it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for text in [&self.certificate, &self.key, &self.authority] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        hasher.finalize().into()
    }
}

impl TlsFiles {
    /// Reads the files and looks whether they fit together.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, and why.
    pub fn load(&self) -> Result<Material, TlsError> {
        let texts = self.read()?;
        let chain = certificates(&self.certificate, &texts.certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(&texts.key).map_err(|error| fault(&self.key, error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.authority, &texts.authority)? {
            roots
                .add(certificate)
                .map_err(|error| fault(&self.authority, error.to_string()))?;
        }
        let material = Material {
            chain,
            key,
            roots,
            texts,
        };
        // Whether key and certificate belong together.
        super::server::config(&material, Clients::Show).map_err(|why| fault(&self.certificate, why))?;
        Ok(material)
    }

    /// The texts alone: to see whether they changed.
    pub(crate) fn read(&self) -> Result<Texts, TlsError> {
        Ok(Texts {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            authority: read(&self.authority)?,
        })
    }
}

impl Material {
    /// When the chain ends: at the end of what ends first, in seconds since 1970.
    pub(super) fn ends(&self) -> Option<i64> {
        let ends = self.chain.iter().filter_map(|certificate| {
            let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
            Some(certificate.validity().not_after.timestamp())
        });
        ends.min()
    }
}

/// The text of a file with the certificate of an authority, or of several, as PEM.
///
/// # Errors
/// It cannot be read, or there is none in it.
pub fn authority(path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = read(path)?;
    certificates(path, &text)?;
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| fault(path, format!("it cannot be read: {error}")))
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| fault(path, "there is no whole certificate in it (PEM)".to_owned()))?;
    if certificates.is_empty() {
        return Err(fault(path, "there is no certificate in it (PEM)".to_owned()));
    }
    Ok(certificates)
}

fn fault(path: &Path, why: String) -> TlsError {
    TlsError {
        path: path.to_owned(),
        why,
    }
}
