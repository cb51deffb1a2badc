//! The store of who may come in: tenants, their people and jobs, and the keys of those.

mod audited;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nopic_domain::principal::Principal;
use nopic_sql::Journal;
use nopic_sql::{AUDIT_ROWS, Location, Migration, OUTBOX_FLOOR, SHARED, Schema, SchemaUpdate, on_engine};

use super::error::Error;
use super::key::NewKey;
use super::record::{Key, Known, KnownKey, Person, Subject, Tenant};

/// The schema of the gateway.
pub const SCHEMA: Schema = Schema {
    name: "access",
    migrations: &[
        SHARED,
        AUDIT_ROWS,
        Migration {
            name: "create_access",
            sqlite: include_str!("../../../migrations/sqlite/0001_create_access.sql"),
            postgres: include_str!("../../../migrations/postgres/0001_create_access.sql"),
            oldest_compatible: 3,
        },
        OUTBOX_FLOOR,
    ],
    audited: audited::AUDITED,
};

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) principal: Principal,
    /// Names the change, for the tenant of the principal.
    pub(crate) request_id: String,
    /// SHA-256 of the call.
    pub(crate) hash: [u8; 32],
    /// In whole microseconds, which both engines keep.
    pub(crate) now: DateTime<Utc>,
    pub(crate) reason: String,
}

/// Who comes in by what is shown. Each asks once, and waits no longer than it must.
#[async_trait]
pub(crate) trait LookUp: Send + Sync {
    /// By the public part of a key.
    async fn by_key(&self, prefix: &str) -> Result<Option<KnownKey>, nopic_sql::Error>;
    /// By who an identity provider says it is.
    async fn by_token(&self, subject: &Subject) -> Result<Option<Known>, nopic_sql::Error>;
    /// By the name in a certificate.
    async fn by_certificate(&self, name: &str) -> Result<Option<Known>, nopic_sql::Error>;
    /// Whether anybody would come in by anything.
    async fn is_anybody_known(&self, now: DateTime<Utc>) -> Result<bool, nopic_sql::Error>;
}

/// Tenants. Every change here and below is one transaction with its answer and its audit record.
#[async_trait]
pub(crate) trait TenantStore: Send + Sync {
    /// Keeps a new one.
    async fn create_tenant(&self, act: &Act, new: &Tenant) -> Result<Tenant, Error>;
    /// Suspends one, or resumes it. As it stands already, it stays.
    async fn suspend(&self, act: &Act, tenant: &str, is_suspended: bool) -> Result<Tenant, Error>;
    /// Those behind this one, in the order of their names.
    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>, Error>;
}

/// Which people or keys are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Absent: of every one.
    pub(crate) tenant: Option<String>,
    /// Also people who were removed.
    pub(crate) with_removed: bool,
}

/// People and jobs.
#[async_trait]
pub(crate) trait PersonStore: Send + Sync {
    /// Keeps a new one.
    async fn add_person(&self, act: &Act, new: &Person) -> Result<Person, Error>;
    /// Removes one.
    async fn remove_person(&self, act: &Act, tenant: &str, name: &str) -> Result<Person, Error>;
    /// Those behind this place with their places, the first that were added first.
    async fn people(&self, filter: &Filter, after: i64, limit: u32) -> Result<Vec<(i64, Person)>, Error>;
}

/// Keys.
#[async_trait]
pub(crate) trait KeyStore: Send + Sync {
    /// Keeps a new one of this person or job; a second time it is refused.
    async fn create_key(
        &self,
        act: &Act,
        (tenant, person): (&str, &str),
        new: &NewKey,
        ends_at: Option<DateTime<Utc>>,
    ) -> Result<Key, Error>;
    /// Keeps a new one in the place of this one; the new one, and the old one. A second time it is refused.
    async fn rotate_key(
        &self,
        act: &Act,
        prefix: &str,
        new: &NewKey,
        ends_at: Option<DateTime<Utc>>,
        grace: TimeDelta,
    ) -> Result<(Key, Key), Error>;
    /// Revokes one. As it stands already, it stays.
    async fn revoke_key(&self, act: &Act, prefix: &str) -> Result<Key, Error>;
    /// Those behind this one, in the order of their prefixes.
    async fn keys(&self, filter: &Filter, after: &str, limit: u32) -> Result<Vec<Key>, Error>;
}

/// All of the store.
#[async_trait]
pub(crate) trait AccessStore: LookUp + TenantStore + PersonStore + KeyStore {
    /// Who changed what, and what others must hear of.
    fn journal(&self) -> Journal;
}

/// Opens the store where it is.
pub(crate) async fn open(
    location: &Location,
    update: SchemaUpdate,
) -> Result<Arc<dyn AccessStore>, nopic_sql::Error> {
    Ok(on_engine!(location, engine, place => Arc::new(engine::Store::open(place, update).await?)))
}

#[cfg(test)]
mod tests;
