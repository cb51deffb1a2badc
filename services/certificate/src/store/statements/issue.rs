//! Issuing, voiding and amending certificates, within the transaction of the step.

use chrono::{DateTime, Utc};
use nopic_domain::certificate::Certificate;
use nopic_domain::identifier::{CertificateNumber, CertifierId, NopId};
use nopic_domain::lifecycle::issued::{DrawnSoFar, succeed};
use nopic_domain::lifecycle::request::Request;
use nopic_domain::weight::Weight;
use nopic_sql::Error as SqlError;
use nopic_sql::audit::Rows;

use super::engine::{Connection, hold};
use super::moving::move_draws;
use super::{lifecycle_sql as sql, read_back};
use crate::error::Error;
use crate::store::audited;
use crate::store::lifecycle::{Act, Amended, DecideAmendment, DecideVoid, Standing, SuccessorNumber};
use crate::store::row::{corrupt, json, not_before, number_of, small};

/// The greatest serial of six digits.
const LAST_SERIAL: u32 = 999_999;

/// Issues an approved request's certificate: with this number, or with the next one.
pub(super) async fn issue(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    request: Request,
    number: Option<CertificateNumber>,
) -> Result<(Request, Certificate), Error> {
    let at = request.changed_at;
    let (certifier, exporter) = (request.requested.certifier_id, request.requested.exporter_nop_id);
    if let Some(number) = number {
        let (request, certificate) = request.issue(number)?;
        if !insert(connection, rows, &certificate, certificate.total_weight_kg, at).await? {
            return Err(Error::NumberExists(number));
        }
        insert_version(connection, rows, act, &certificate, 1, at).await?;
        return Ok((request, certificate));
    }
    let mut serials = Serials::after_last(connection, certifier, exporter).await?;
    loop {
        let (request, certificate) = request.clone().issue(serials.next()?)?;
        // An import may have brought the number since.
        if insert(connection, rows, &certificate, certificate.total_weight_kg, at).await? {
            serials.save(connection).await?;
            insert_version(connection, rows, act, &certificate, 1, at).await?;
            return Ok((request, certificate));
        }
    }
}

/// The serial numbers of one operation that were never given; held until the transaction ends.
struct Serials {
    certifier: CertifierId,
    exporter: NopId,
    last: u32,
}

impl Serials {
    async fn after_last(
        connection: &mut Connection,
        certifier: CertifierId,
        exporter: NopId,
    ) -> Result<Self, Error> {
        hold(
            connection,
            &[
                "certificate serial",
                &certifier.to_string(),
                &exporter.to_string(),
            ],
        )
        .await?;
        let key = |serial| {
            CertificateNumber::from_parts(certifier, exporter, serial)
                .map(CertificateNumber::key)
                .ok_or(Error::SerialsUsedUp(exporter))
        };
        let (given, greatest): (Option<i64>, Option<i64>) = sqlx::query_as(sql::SELECT_LAST_SERIAL)
            .bind(i64::from(certifier.number()))
            .bind(exporter.number().cast_signed())
            .bind(key(0)?)
            .bind(key(LAST_SERIAL)?)
            .fetch_one(connection)
            .await
            .map_err(SqlError::from)?;
        let given = small("certificate_serial.last_serial", given.unwrap_or_default())?;
        let known = match greatest {
            Some(key) => number_of(key)?.serial(),
            None => 0,
        };
        Ok(Self {
            certifier,
            exporter,
            last: given.max(known),
        })
    }

    fn next(&mut self) -> Result<CertificateNumber, Error> {
        self.last += 1;
        CertificateNumber::from_parts(self.certifier, self.exporter, self.last)
            .ok_or(Error::SerialsUsedUp(self.exporter))
    }

    async fn save(&self, connection: &mut Connection) -> Result<(), SqlError> {
        sqlx::query(sql::UPSERT_SERIAL)
            .bind(i64::from(self.certifier.number()))
            .bind(self.exporter.number().cast_signed())
            .bind(i64::from(self.last))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Whether the certificate was new.
async fn insert(
    connection: &mut Connection,
    rows: &mut Rows,
    certificate: &Certificate,
    limit: Weight,
    at: DateTime<Utc>,
) -> Result<bool, SqlError> {
    let row = (
        certificate.number.key(),
        certificate,
        certificate.status.as_str(),
        certificate.certifier_id.number(),
        certificate.exporter_nop_id.number(),
        certificate.importer_nop_id.number(),
        certificate.valid_from,
        certificate.valid_to,
        limit.units(),
        at.timestamp_micros(),
    );
    let inserted = sqlx::query(sql::INSERT_CERTIFICATE)
        .bind(json([row])?)
        .execute(&mut *connection)
        .await?;
    let is_new = inserted.rows_affected() == 1;
    if is_new {
        read_back::certificate(connection, rows, certificate).await?;
        read_back::ledgers(connection, rows, &[certificate.number.key()]).await?;
    }
    Ok(is_new)
}

async fn insert_version(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    certificate: &Certificate,
    version: u32,
    at: DateTime<Utc>,
) -> Result<(), SqlError> {
    sqlx::query(sql::INSERT_VERSION)
        .bind(json([(certificate.number.key(), version, certificate)])?)
        .bind(act.step.as_str())
        .bind(&act.reason)
        .bind(&act.principal.tenant)
        .bind(&act.principal.actor)
        .bind(at)
        .execute(connection)
        .await?;
    rows.row(&audited::VERSION)
        .number(certificate.number.key())
        .number(i64::from(version))
        .json(audited::content_hash(certificate)?)
        .text(act.step.as_str())
        .text(act.reason.as_str())
        .text(act.principal.tenant.as_str())
        .text(act.principal.actor.as_str())
        .moment(at)
        .end();
    Ok(())
}

/// A certificate that nobody else changes until the transaction ends.
struct Held {
    certificate: Certificate,
    version: u32,
    so_far: DrawnSoFar,
    /// Of the caller's tenant.
    draw_count: u32,
    /// Now, but never before what is recorded already, whatever the clock does.
    at: DateTime<Utc>,
}

impl Held {
    fn standing(&self, certificate: Certificate, version: u32) -> Standing {
        Standing {
            certificate,
            version,
            drawn: self.so_far.drawn,
            draw_count: self.draw_count,
        }
    }
}

async fn hold_certificate(
    connection: &mut Connection,
    number: CertificateNumber,
    act: &Act,
) -> Result<Held, Error> {
    // Version, content, limit, drawn, excess, number of the caller's draws, marked, last change, whether several drew.
    type Row = (i64, String, i64, i64, i64, i64, i64, i64, bool);
    let row: Option<Row> = sqlx::query_as(sql::HOLD_CERTIFICATE)
        .bind(number.key())
        .bind(act.principal.tenant.as_str())
        .fetch_optional(connection)
        .await
        .map_err(SqlError::from)?;
    let (version, content, limit, drawn, excess, draw_count, marked, changed_micros, by_several) =
        row.ok_or(Error::NotFound(number))?;
    Ok(Held {
        certificate: serde_json::from_str(&content).map_err(|error| corrupt("certificate.content", error))?,
        version: small("certificate.version", version)?,
        so_far: DrawnSoFar {
            limit: Weight::from_units(limit),
            drawn: Weight::from_units(drawn),
            excess: Weight::from_units(excess),
            marked: Weight::from_units(marked),
            by_several,
        },
        draw_count: small("COUNT(draw)", draw_count)?,
        at: not_before(act.now, changed_micros),
    })
}

/// The next version of a certificate.
async fn update(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    certificate: &Certificate,
    version: u32,
    at: DateTime<Utc>,
) -> Result<(), SqlError> {
    sqlx::query(sql::UPDATE_CERTIFICATE)
        .bind(certificate.number.key())
        .bind(i64::from(version))
        .bind(certificate.status.as_str())
        .bind(json([certificate])?)
        .bind(at.timestamp_micros())
        .execute(&mut *connection)
        .await?;
    read_back::certificate(connection, rows, certificate).await?;
    insert_version(connection, rows, act, certificate, version, at).await
}

pub(super) async fn void(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    number: CertificateNumber,
    decide: DecideVoid<'_>,
) -> Result<(Standing, DateTime<Utc>), Error> {
    let held = hold_certificate(connection, number, act).await?;
    let voided = decide(&held.certificate, held.version)?;
    let version = held.version + 1;
    update(connection, rows, act, &voided, version, held.at).await?;
    Ok((held.standing(voided, version), held.at))
}

pub(super) async fn amend(
    connection: &mut Connection,
    rows: &mut Rows,
    act: &Act,
    number: CertificateNumber,
    successor: SuccessorNumber,
    decide: DecideAmendment<'_>,
) -> Result<(Amended, DateTime<Utc>), Error> {
    let held = hold_certificate(connection, number, act).await?;
    let (next, taken_over) = decide(&held.certificate, held.version, held.so_far, held.at)?;
    let successor_before: Option<i64> = sqlx::query_scalar(sql::SELECT_SUCCESSOR)
        .bind(number.key())
        .fetch_optional(&mut *connection)
        .await
        .map_err(SqlError::from)?;
    if let Some(key) = successor_before {
        return Err(Error::SucceededBefore {
            number,
            successor: number_of(key)?,
        });
    }
    let (superseded, next) = match successor {
        SuccessorNumber::Given {
            number,
            accept_inconsistent,
        } => {
            let (superseded, next) = succeed(&held.certificate, next, number, accept_inconsistent)?;
            if !insert(connection, rows, &next, taken_over.limit, held.at).await? {
                return Err(Error::NumberExists(number));
            }
            (superseded, next)
        }
        SuccessorNumber::Next => {
            let (certifier, exporter) = (next.certifier_id, next.exporter_nop_id);
            let mut serials = Serials::after_last(connection, certifier, exporter).await?;
            loop {
                let (superseded, next) = succeed(&held.certificate, next.clone(), serials.next()?, false)?;
                if insert(connection, rows, &next, taken_over.limit, held.at).await? {
                    serials.save(connection).await?;
                    break (superseded, next);
                }
            }
        }
    };
    insert_version(connection, rows, act, &next, 1, held.at).await?;
    let version = held.version + 1;
    update(connection, rows, act, &superseded, version, held.at).await?;
    sqlx::query(sql::INSERT_SUCCESSION)
        .bind(number.key())
        .bind(next.number.key())
        .execute(&mut *connection)
        .await
        .map_err(SqlError::from)?;
    move_draws(connection, rows, number, next.number, taken_over, held.at).await?;
    let answer = Amended {
        successor: held.standing(next, 1),
        superseded: Standing {
            certificate: superseded,
            version,
            drawn: Weight::ZERO,
            draw_count: 0,
        },
    };
    Ok((answer, held.at))
}
