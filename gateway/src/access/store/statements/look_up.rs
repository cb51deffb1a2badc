//! Who comes in by what is shown: what each call asks that shows something new.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::principal::Principal;
use nopic_sql::Error;

use super::Store;
use super::keys::read_hash;
use super::people::read_role;
use super::tenants::{read, read_codes, read_nop_ids};
use crate::access::record::{Known, KnownKey, Subject};
use crate::access::store::LookUp;

macro_rules! who {
    () => {
        "p.tenant, p.name, p.role, p.removed_at, t.filer_codes, t.certifier_id, t.nop_ids, t.suspended_at"
    };
}
macro_rules! people {
    () => {
        " FROM person p JOIN tenant t ON t.tenant = p.tenant WHERE p.removed_at IS NULL AND "
    };
}

nopic_sql::statements! {
    const BY_KEY: &str = concat!("SELECT ", who!(), ", k.secret_hash, k.ends_at, k.revoked_at FROM api_key k \
        JOIN person p ON p.person_id = k.person_id JOIN tenant t ON t.tenant = p.tenant WHERE k.prefix = $1");
    const BY_TOKEN: &str = concat!("SELECT ", who!(), people!(), "p.token_issuer = $1 AND p.token_subject = $2");
    const BY_CERTIFICATE: &str = concat!("SELECT ", who!(), people!(), "p.certificate_name = $1");
    const IS_ANYBODY_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM person p WHERE p.removed_at IS NULL \
        AND (p.certificate_name IS NOT NULL OR p.token_issuer IS NOT NULL OR EXISTS (SELECT 1 FROM api_key k \
        WHERE k.person_id = p.person_id AND k.revoked_at IS NULL AND (k.ends_at IS NULL OR k.ends_at > $1))))";
}

type Who = (
    String,
    String,
    String,
    Option<DateTime<Utc>>,
    String,
    Option<String>,
    String,
    Option<DateTime<Utc>>,
);

type KeyRow = (
    String,
    String,
    String,
    Option<DateTime<Utc>>,
    String,
    Option<String>,
    String,
    Option<DateTime<Utc>>,
    Vec<u8>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
);

fn known(who: Who) -> Result<Known, Error> {
    let (tenant, actor, role, removed_at, filer_codes, certifier_id, nop_ids, suspended_at) = who;
    Ok(Known {
        principal: Principal {
            tenant,
            actor,
            role: read_role(&role)?,
            filer_codes: read_codes(&filer_codes),
            certifier_id: certifier_id
                .map(|id| read("tenant.certifier_id", &id))
                .transpose()?,
            nop_ids: read_nop_ids(&nop_ids)?,
        },
        is_removed: removed_at.is_some(),
        is_suspended: suspended_at.is_some(),
    })
}

#[async_trait]
impl LookUp for Store {
    async fn by_key(&self, prefix: &str) -> Result<Option<KnownKey>, Error> {
        let row: Option<KeyRow> = sqlx::query_as(BY_KEY)
            .bind(prefix)
            .fetch_optional(self.database.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let who = (row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7);
        Ok(Some(KnownKey {
            secret_hash: read_hash(&row.8)?,
            ends_at: row.9,
            revoked_at: row.10,
            known: known(who)?,
        }))
    }

    async fn by_token(&self, subject: &Subject) -> Result<Option<Known>, Error> {
        let row: Option<Who> = sqlx::query_as(BY_TOKEN)
            .bind(&subject.issuer)
            .bind(&subject.subject)
            .fetch_optional(self.database.readers())
            .await?;
        row.map(known).transpose()
    }

    async fn by_certificate(&self, name: &str) -> Result<Option<Known>, Error> {
        let row: Option<Who> = sqlx::query_as(BY_CERTIFICATE)
            .bind(name)
            .fetch_optional(self.database.readers())
            .await?;
        row.map(known).transpose()
    }

    async fn is_anybody_known(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        Ok(sqlx::query_scalar(IS_ANYBODY_KNOWN)
            .bind(now)
            .fetch_one(self.database.readers())
            .await?)
    }
}
