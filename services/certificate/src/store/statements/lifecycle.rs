//! Requests: each step one transaction, with its answer, its audit record and its message to others.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::lifecycle::refusal::Refusal;
use nopic_domain::lifecycle::request::{Request, Taken};
use nopic_sql::Error as SqlError;
use nopic_sql::audit::Rows;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Connection, audit, hold, outbox, requests};
use super::lifecycle_read::{request_key, stored_request};
use super::{Store, issue, lifecycle_read, lifecycle_sql as sql, read_back};
use crate::error::Error;
use crate::store::lifecycle::{
    Act, Amended, CertificateHistory, DecideAmendment, DecideRequest, DecideVoid, LifecycleStore,
    RequestAnswer, RequestFilter, RequestVisibility, Standing, StoredRequest, SuccessorNumber, VersionRecord,
};
use crate::store::row::{corrupt, json};
use crate::store::{audited, events};

#[tonic::async_trait]
impl LifecycleStore for Store {
    async fn create_request(
        &self,
        act: &Act,
        decide: &(dyn Fn() -> Result<Request, Refusal> + Sync),
    ) -> Result<RequestAnswer, Error> {
        let mut transaction = self.database.write("create_request").await?;
        let mut rows = Rows::new();
        if let Some(answer) = answered_before(&mut transaction, act).await? {
            return Ok(answer);
        }
        let request = decide()?;
        // Numbers rise in the order of the commits, so that no page of a list skips one.
        hold(&mut transaction, &["certificate request"]).await?;
        let number: i64 = sqlx::query_scalar(sql::NEXT_REQUEST)
            .fetch_one(&mut *transaction)
            .await
            .map_err(SqlError::from)?;
        let stored = StoredRequest {
            number: number.cast_unsigned(),
            version: 1,
            tenant: act.principal.tenant.clone(),
            request,
        };
        save(&mut transaction, &mut rows, act, &stored).await?;
        let answer = RequestAnswer { stored, issued: None };
        tell(
            &mut transaction,
            &rows,
            act,
            Told::Request(&answer.stored),
            act.now,
            &answer,
        )
        .await?;
        transaction.commit().await.map_err(SqlError::from)?;
        Ok(answer)
    }

    async fn change_request(
        &self,
        act: &Act,
        number: u64,
        decide: DecideRequest<'_>,
    ) -> Result<RequestAnswer, Error> {
        let mut transaction = self.database.write("change_request").await?;
        let mut rows = Rows::new();
        if let Some(answer) = answered_before(&mut transaction, act).await? {
            return Ok(answer);
        }
        let stored = hold_request(&mut transaction, number)
            .await?
            .filter(|stored| RequestVisibility::of(&act.principal).includes(stored))
            .ok_or(Error::RequestNotFound(number))?;
        let (request, certificate) = match decide(&stored.request, stored.version)? {
            Taken::Stays(request) => (request, None),
            Taken::Issues { request, number } => {
                let (request, certificate) =
                    issue::issue(&mut transaction, &mut rows, act, request, number).await?;
                (request, Some(certificate))
            }
        };
        let at = request.changed_at;
        let stored = StoredRequest {
            version: stored.version + 1,
            request,
            ..stored
        };
        save(&mut transaction, &mut rows, act, &stored).await?;
        let answer = RequestAnswer {
            stored,
            issued: certificate.map(fresh),
        };
        tell(
            &mut transaction,
            &rows,
            act,
            Told::Request(&answer.stored),
            at,
            &answer,
        )
        .await?;
        transaction.commit().await.map_err(SqlError::from)?;
        Ok(answer)
    }

    async fn void(
        &self,
        act: &Act,
        number: CertificateNumber,
        decide: DecideVoid<'_>,
    ) -> Result<Standing, Error> {
        let mut transaction = self.database.write("void_certificate").await?;
        let mut rows = Rows::new();
        if let Some(answer) = answered_before(&mut transaction, act).await? {
            return Ok(answer);
        }
        let (answer, at) = issue::void(&mut transaction, &mut rows, act, number, decide).await?;
        let told = Told::Certificate(&answer.certificate);
        tell(&mut transaction, &rows, act, told, at, &answer).await?;
        transaction.commit().await.map_err(SqlError::from)?;
        Ok(answer)
    }

    async fn amend(
        &self,
        act: &Act,
        number: CertificateNumber,
        successor: SuccessorNumber,
        decide: DecideAmendment<'_>,
    ) -> Result<Amended, Error> {
        let mut transaction = self.database.write("amend_certificate").await?;
        let mut rows = Rows::new();
        if let Some(answer) = answered_before(&mut transaction, act).await? {
            return Ok(answer);
        }
        let (answer, at) = issue::amend(&mut transaction, &mut rows, act, number, successor, decide).await?;
        let told = Told::Certificate(&answer.superseded.certificate);
        tell(&mut transaction, &rows, act, told, at, &answer).await?;
        transaction.commit().await.map_err(SqlError::from)?;
        Ok(answer)
    }

    async fn request(
        &self,
        number: u64,
        visibility: &RequestVisibility,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Option<(StoredRequest, Vec<VersionRecord<Request>>)>, Error> {
        Ok(lifecycle_read::request(self, number, visibility, as_of).await?)
    }

    async fn requests(
        &self,
        filter: RequestFilter,
        visibility: &RequestVisibility,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredRequest>, Error> {
        Ok(lifecycle_read::requests(self, filter, visibility, after, limit).await?)
    }

    async fn history(
        &self,
        number: CertificateNumber,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<CertificateHistory, Error> {
        Ok(lifecycle_read::history(self, number, as_of).await?)
    }
}

fn fresh(certificate: Certificate) -> Standing {
    Standing {
        certificate,
        version: 1,
        drawn: nopic_domain::weight::Weight::ZERO,
        draw_count: 0,
    }
}

async fn hold_request(connection: &mut Connection, number: u64) -> Result<Option<StoredRequest>, SqlError> {
    let row: Option<(i64, String, String)> = sqlx::query_as(sql::SELECT_REQUEST)
        .bind(request_key(number))
        .fetch_optional(connection)
        .await?;
    row.map(|(version, tenant, content)| stored_request(number, version, tenant, &content))
        .transpose()
}

/// The request as it stands from now on, and the version of it.
async fn save(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    stored: &StoredRequest,
) -> Result<(), SqlError> {
    let request = &stored.request;
    let requested = &request.requested;
    let row = (
        stored.number,
        stored.version,
        request,
        request.stage.as_str(),
        requested.certifier_id.number(),
        requested.exporter_nop_id.number(),
        requested.importer_nop_id.number(),
        request.due_on,
        &stored.tenant,
        request.number.map(CertificateNumber::key),
    );
    sqlx::query(sql::UPSERT_REQUEST)
        .bind(json([row])?)
        .execute(&mut *connection)
        .await?;
    sqlx::query(sql::INSERT_REQUEST_VERSION)
        .bind(json([(stored.number, stored.version, request)])?)
        .bind(act.step.as_str())
        .bind(&act.reason)
        .bind(&act.principal.tenant)
        .bind(&act.principal.actor)
        .bind(request.changed_at)
        .execute(&mut *connection)
        .await?;
    rows.row(&audited::REQUEST_VERSION)
        .number(request_key(stored.number))
        .number(i64::from(stored.version))
        .json(audited::content_hash(request)?)
        .text(act.step.as_str())
        .text(act.reason.as_str())
        .text(act.principal.tenant.as_str())
        .text(act.principal.actor.as_str())
        .moment(request.changed_at)
        .end();
    read_back::request(connection, rows, request_key(stored.number)).await
}

/// The first answer to this request id, where there is one.
async fn answered_before<A: DeserializeOwned>(
    connection: &mut Connection,
    act: &Act,
) -> Result<Option<A>, SqlError> {
    let answer = requests::begin(connection, &act.principal.tenant, &act.request_id, &act.hash).await?;
    answer
        .map(|bytes| serde_json::from_slice(&bytes).map_err(|error| corrupt("request.answer", error)))
        .transpose()
}

/// Keeps the answer, and notes the change for auditors and for others.
async fn tell<A: Serialize + Sync>(
    connection: &mut Connection,
    rows: &Rows,
    act: &Act,
    told: Told<'_>,
    at: DateTime<Utc>,
    answer: &A,
) -> Result<(), SqlError> {
    let (tenant, actor) = (act.principal.tenant.as_str(), act.principal.actor.as_str());
    let detail = json(answer)?;
    let (subject, messages) = match told {
        Told::Request(stored) => {
            let subject = format!("request {}", stored.number);
            let step = events::request_step(act.step, &act.reason, stored);
            let certifiers: Vec<String> = sqlx::query_scalar(sql::SELECT_CERTIFIERS)
                .bind(i64::from(stored.request.requested.certifier_id.number()))
                .fetch_all(&mut *connection)
                .await?;
            let tenants = certifiers.iter().map(String::as_str);
            let messages =
                events::tell_step(tenants.chain([tenant, stored.tenant.as_str()]), &subject, &step);
            (subject, messages)
        }
        Told::Certificate(certificate) => {
            let subject = certificate.number.to_string();
            let step = events::certificate_step(act.step, &act.reason, certificate);
            let concerned = concerned(connection, certificate).await?;
            let tenants = concerned.iter().map(String::as_str).chain([tenant]);
            let messages = events::tell_step(tenants, &subject, &step);
            (subject, messages)
        }
    };
    let change = audit::Change {
        at,
        tenant,
        actor,
        action: act.step.as_str(),
        subject: &subject,
        reason: &act.reason,
        detail: &detail,
    };
    audit::record_rows(connection, &change, act.principal.role.as_str(), rows).await?;
    outbox::put(connection, at, messages).await?;
    requests::answer(
        connection,
        tenant,
        &act.request_id,
        &act.hash,
        detail.as_bytes(),
        at,
    )
    .await
}

/// Of what is told.
enum Told<'a> {
    Request(&'a StoredRequest),
    Certificate(&'a Certificate),
}

/// The tenants that a certificate concerns: their draws stand on it or on the one in its place, or they asked for it.
pub(super) async fn concerned(
    connection: &mut Connection,
    certificate: &Certificate,
) -> Result<Vec<String>, SqlError> {
    let own = certificate.number.key();
    let tenants = sqlx::query_scalar(sql::SELECT_CONCERNED)
        .bind(own)
        .bind(certificate.superseded_by.map_or(own, CertificateNumber::key))
        .fetch_all(connection)
        .await?;
    Ok(tenants)
}
