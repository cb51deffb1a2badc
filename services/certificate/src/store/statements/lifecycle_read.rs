//! Reading requests, and the past of requests and certificates.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::lifecycle::Stage;
use nopic_domain::lifecycle::request::Request;
use nopic_sql::Error;
use serde::de::DeserializeOwned;

use super::{Store, lifecycle_sql as sql};
use crate::store::lifecycle::{
    CertificateHistory, RequestFilter, RequestVisibility, StoredRequest, VersionRecord,
};
use crate::store::row::{corrupt, json, number_of, small};

/// A number of the wire as a key; numbers that no request has find none.
pub(super) fn request_key(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn stored_request(
    number: u64,
    version: i64,
    tenant: String,
    content: &str,
) -> Result<StoredRequest, Error> {
    Ok(StoredRequest {
        number,
        version: small("certificate_request.version", version)?,
        tenant,
        request: serde_json::from_str(content)
            .map_err(|error| corrupt("certificate_request.content", error))?,
    })
}

/// Version, content, step, reason, tenant, actor, moment.
type VersionRow = (i64, String, String, String, String, String, DateTime<Utc>);

fn version_record<C: DeserializeOwned>(
    what: &'static str,
    (version, content, step, reason, tenant, actor, at): VersionRow,
) -> Result<VersionRecord<C>, Error> {
    Ok(VersionRecord {
        version: small(what, version)?,
        step,
        reason,
        tenant,
        actor,
        at,
        content: serde_json::from_str(&content).map_err(|error| corrupt(what, error))?,
    })
}

pub(super) async fn request(
    store: &Store,
    number: u64,
    visibility: &RequestVisibility,
    as_of: Option<DateTime<Utc>>,
) -> Result<Option<(StoredRequest, Vec<VersionRecord<Request>>)>, Error> {
    let mut transaction = store.database.read().await?;
    let tenant: Option<String> = sqlx::query_scalar(sql::SELECT_REQUEST_TENANT)
        .bind(request_key(number))
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(tenant) = tenant else { return Ok(None) };
    let rows: Vec<VersionRow> = sqlx::query_as(sql::SELECT_REQUEST_VERSIONS)
        .bind(request_key(number))
        .bind(as_of.unwrap_or(END_OF_TIME))
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let versions: Vec<VersionRecord<Request>> = rows
        .into_iter()
        .map(|row| version_record("certificate_request_version.content", row))
        .collect::<Result<_, _>>()?;
    let stored = versions.last().map(|last| StoredRequest {
        number,
        version: last.version,
        tenant,
        request: last.content.clone(),
    });
    Ok(stored
        .filter(|stored| visibility.includes(stored))
        .map(|stored| (stored, versions)))
}

/// After everything that is recorded, whatever the clock said.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};

pub(super) async fn requests(
    store: &Store,
    filter: RequestFilter,
    visibility: &RequestVisibility,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredRequest>, Error> {
    let exporters: Vec<[u64; 1]> = visibility.exporters.iter().map(|id| [id.number()]).collect();
    let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(sql::LIST_REQUESTS)
        .bind(request_key(after))
        .bind(visibility.all)
        .bind(&visibility.tenant)
        .bind(visibility.certifier.map(|id| i64::from(id.number())))
        .bind(json(exporters)?)
        .bind(filter.stage.map(Stage::as_str))
        .bind(filter.certifier.map(|id| i64::from(id.number())))
        .bind(filter.exporter.map(|id| id.number().cast_signed()))
        .bind(filter.importer.map(|id| id.number().cast_signed()))
        .bind(filter.due_by)
        .bind(i64::from(limit))
        .fetch_all(store.database.readers())
        .await?;
    rows.into_iter()
        .map(|(number, version, tenant, content)| {
            stored_request(number.cast_unsigned(), version, tenant, &content)
        })
        .collect()
}

pub(super) async fn history(
    store: &Store,
    number: CertificateNumber,
    as_of: Option<DateTime<Utc>>,
) -> Result<CertificateHistory, Error> {
    let mut transaction = store.database.read().await?;
    let rows: Vec<VersionRow> = sqlx::query_as(sql::SELECT_CERTIFICATE_VERSIONS)
        .bind(number.key())
        .bind(as_of.unwrap_or(END_OF_TIME))
        .fetch_all(&mut *transaction)
        .await?;
    let (supersedes, request): (Option<i64>, Option<i64>) = sqlx::query_as(sql::SELECT_ORIGIN)
        .bind(number.key())
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let versions: Vec<VersionRecord<Certificate>> = rows
        .into_iter()
        .map(|row| version_record("certificate_version.content", row))
        .collect::<Result<_, _>>()?;
    Ok(CertificateHistory {
        versions,
        supersedes: supersedes.map(number_of).transpose()?,
        request: request.map(i64::cast_unsigned),
    })
}
