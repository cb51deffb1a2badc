//! Authorities and certificates of any kind, as files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// Who signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// One process's files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate that is good for long.
    pub(crate) fn files(&self, folder: &Path, name: &str) -> Files {
        self.files_until(folder, name, 2999)
    }

    /// A certificate that ends with a year's first day.
    pub(crate) fn files_until(&self, folder: &Path, name: &str, year: i32) -> Files {
        let mut params = CertificateParams::new(vec![name.to_owned(), "localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
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
            authority: write("authority.pem", self.0.pem()),
            key: write("key", key.serialize_pem()),
            certificate: write("pem", certificate.pem()),
        }
    }
}

impl Files {
    /// As the environment of the program.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("NOPIC_TLS_CERTIFICATE", &self.certificate),
            ("NOPIC_TLS_KEY", &self.key),
            ("NOPIC_TLS_AUTHORITY", &self.authority),
        ]
    }
}
