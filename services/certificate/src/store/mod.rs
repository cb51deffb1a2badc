//! The store of certificates: what they state, every version of that, and the draws on them.

mod import;
mod read;
mod row;
mod sql;

use std::path::Path;

use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::principal::{Principal, Role};
use nopic_sql::{Database, Error, Migration};

pub(crate) use import::{ImportOrigin, Imported};
pub(crate) use read::ListFilter;
pub(crate) use row::{StoredCertificate, StoredDraw};

const MIGRATIONS: &[Migration] = &[Migration {
    name: "create_certificates",
    sql: include_str!("../../migrations/sqlite/0001_create_certificates.sql"),
    oldest_compatible: 1,
}];

/// Whose draw it is asked for: an entry on a certificate.
pub(crate) type OwnDrawsKey = (CertificateNumber, EntryNumber);

/// Which draws a caller may see: its tenant's, or as an operator all.
#[derive(Debug, Clone)]
pub(crate) struct Visibility {
    pub(crate) all: bool,
    pub(crate) tenant: String,
}

impl Visibility {
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            all: principal.role == Role::Operator,
            tenant: principal.tenant.clone(),
        }
    }
}

/// The certificates of one database.
#[derive(Debug, Clone)]
pub(crate) struct CertificateStore {
    database: Database,
}

impl CertificateStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(path, MIGRATIONS).await?,
        })
    }

    pub(crate) async fn close(&self) {
        self.database.close().await;
    }
}
