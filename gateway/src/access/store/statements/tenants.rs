//! Tenants.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::identifier::NopId;
use nopic_domain::principal::FilerCodes;
use nopic_sql::audit::Rows;
use serde_json::json;

use super::super::engine::Connection;
use super::{Store, end, kept};
use crate::access::error::Error;
use crate::access::record::Tenant;
use crate::access::store::audited::TENANT;
use crate::access::store::{Act, TenantStore};

macro_rules! columns {
    () => {
        "SELECT tenant, filer_codes, certifier_id, nop_ids, created_at, suspended_at FROM tenant WHERE "
    };
}

nopic_sql::statements! {
    const SELECT_TENANT: &str = concat!(columns!(), "tenant = $1");
    const SELECT_TENANTS: &str = concat!(columns!(), "tenant > $1 ORDER BY tenant LIMIT $2");
    const INSERT_TENANT: &str = "INSERT INTO tenant (tenant, filer_codes, certifier_id, nop_ids, created_at) \
        VALUES ($1, $2, $3, $4, $5)";
    const SUSPEND_TENANT: &str = "UPDATE tenant SET suspended_at = $2 WHERE tenant = $1";
}

type Row = (
    String,
    String,
    Option<String>,
    String,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);

/// Every filer code.
const ALL: &str = "*";

fn codes_text(codes: &FilerCodes) -> String {
    match codes {
        FilerCodes::All => ALL.to_owned(),
        FilerCodes::Listed(codes) => codes.join(","),
    }
}

/// The filer codes of a column.
pub(super) fn read_codes(text: &str) -> FilerCodes {
    if text == ALL {
        return FilerCodes::All;
    }
    FilerCodes::Listed(parts(text).map(str::to_owned).collect())
}

fn nop_ids_text(ids: &[NopId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(",")
}

/// The operations of a column.
pub(super) fn read_nop_ids(text: &str) -> Result<Vec<NopId>, nopic_sql::Error> {
    let corrupt = |error| nopic_sql::Error::corrupt("tenant.nop_ids", error);
    parts(text).map(|id| id.parse().map_err(corrupt)).collect()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| !part.is_empty())
}

/// What is in a column that only values of this type are written to.
pub(super) fn read<T: std::str::FromStr<Err: ToString>>(
    what: &'static str,
    text: &str,
) -> Result<T, nopic_sql::Error> {
    text.parse()
        .map_err(|error: T::Err| nopic_sql::Error::corrupt(what, error))
}

fn tenant(row: Row) -> Result<Tenant, nopic_sql::Error> {
    let (tenant, filer_codes, certifier_id, nop_ids, created_at, suspended_at) = row;
    Ok(Tenant {
        tenant,
        filer_codes: read_codes(&filer_codes),
        certifier_id: certifier_id
            .map(|id| read("tenant.certifier_id", &id))
            .transpose()?,
        nop_ids: read_nop_ids(&nop_ids)?,
        created_at,
        suspended_at,
    })
}

/// The tenant of this name, in a change.
pub(super) async fn find(
    connection: &mut Connection,
    name: &str,
) -> Result<Option<Tenant>, nopic_sql::Error> {
    let row: Option<Row> = sqlx::query_as(SELECT_TENANT)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(tenant).transpose()
}

/// The tenant of this name that must be there.
pub(super) async fn require(connection: &mut Connection, name: &str) -> Result<Tenant, Error> {
    find(connection, name).await?.ok_or_else(|| {
        Error::NotFound(format!(
            "there is no tenant {name:?}: ListTenants names those that there are"
        ))
    })
}

fn left(rows: &mut Rows, tenant: &Tenant) {
    rows.row(&TENANT)
        .text(tenant.tenant.as_str())
        .text(codes_text(&tenant.filer_codes).as_str())
        .text(tenant.certifier_id.map(|id| id.to_string()).as_deref())
        .text(nop_ids_text(&tenant.nop_ids).as_str())
        .moment(tenant.created_at)
        .moment(tenant.suspended_at)
        .end();
}

#[async_trait]
impl TenantStore for Store {
    async fn create_tenant(&self, act: &Act, new: &Tenant) -> Result<Tenant, Error> {
        let (mut transaction, answer) = self.begin("create_tenant", act).await?;
        if let Some(answer) = answer {
            return kept(&answer);
        }
        if find(&mut transaction, &new.tenant).await?.is_some() {
            return Err(Error::AlreadyThere(format!(
                "there is a tenant {:?} already: take another name",
                new.tenant
            )));
        }
        sqlx::query(INSERT_TENANT)
            .bind(&new.tenant)
            .bind(codes_text(&new.filer_codes))
            .bind(new.certifier_id.map(|id| id.to_string()))
            .bind(nop_ids_text(&new.nop_ids))
            .bind(new.created_at)
            .execute(&mut *transaction)
            .await?;
        let mut rows = Rows::new();
        left(&mut rows, new);
        let detail = json!({
            "filerCodes": codes_text(&new.filer_codes),
            "certifierId": new.certifier_id,
            "nopIds": new.nop_ids,
        });
        let note = ("TENANT_CREATED", new.tenant.as_str(), detail);
        end(transaction, act, note, &rows, new).await?;
        Ok(new.clone())
    }

    async fn suspend(&self, act: &Act, name: &str, is_suspended: bool) -> Result<Tenant, Error> {
        let (mut transaction, answer) = self.begin("suspend_tenant", act).await?;
        if let Some(answer) = answer {
            return kept(&answer);
        }
        let mut tenant = require(&mut transaction, name).await?;
        let mut rows = Rows::new();
        if tenant.suspended_at.is_some() != is_suspended {
            tenant.suspended_at = is_suspended.then_some(act.now);
            sqlx::query(SUSPEND_TENANT)
                .bind(name)
                .bind(tenant.suspended_at)
                .execute(&mut *transaction)
                .await?;
            left(&mut rows, &tenant);
        }
        let action = if is_suspended {
            "TENANT_SUSPENDED"
        } else {
            "TENANT_RESUMED"
        };
        end(transaction, act, (action, name, json!({})), &rows, &tenant).await?;
        Ok(tenant)
    }

    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>, Error> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_TENANTS)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        Ok(rows.into_iter().map(tenant).collect::<Result<_, _>>()?)
    }
}
