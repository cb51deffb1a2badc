//! Authorities and certificates of any kind, as texts and as files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// Who signs.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// One process's files.
#[derive(Debug, Clone)]
pub struct Files {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whose certificates it believes.
    pub authority: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody else is.
    ///
    /// # Panics
    /// No key can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of a name on this machine, in PEM, until a year's first day.
    ///
    /// # Panics
    /// No key can be made.
    #[must_use]
    pub fn sign_until(&self, name: &str, year: i32) -> (String, String) {
        let names = [name, "localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The same, good for long.
    #[must_use]
    pub fn sign(&self, name: &str) -> (String, String) {
        self.sign_until(name, 2999)
    }

    /// Files of a certificate that is good for long.
    #[must_use]
    pub fn files(&self, folder: &Path, name: &str) -> Files {
        self.files_until(folder, name, 2999)
    }

    /// Files of a certificate that ends with a year's first day.
    ///
    /// # Panics
    /// They cannot be written.
    #[must_use]
    pub fn files_until(&self, folder: &Path, name: &str, year: i32) -> Files {
        let (certificate, key) = self.sign_until(name, year);
        std::fs::create_dir_all(folder).unwrap();
        let write = |kind: &str, text: String| {
            let path = folder.join(format!("{name}.{kind}"));
            // As a whole, so that nobody reads half of it.
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, &path).unwrap();
            path
        };
        Files {
            authority: write("authority.pem", self.pem()),
            key: write("key", key),
            certificate: write("pem", certificate),
        }
    }
}

impl Files {
    /// As the environment of a server.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("NOPIC_TLS_CERTIFICATE", &self.certificate),
            ("NOPIC_TLS_KEY", &self.key),
            ("NOPIC_TLS_AUTHORITY", &self.authority),
        ]
    }
}
