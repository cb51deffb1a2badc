//! What was drawn on a certificate moves to its successor.

use chrono::{DateTime, Utc};
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::lifecycle::issued::DrawnSoFar;
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::engine::Connection;
use super::{lifecycle_sql as sql, read_back};
use crate::store::audited;
use crate::store::row::json;

/// Ends the draws in force on a certificate and records equal ones on its successor, with the sums, in the transaction
/// of the amendment. The caller holds the certificate; nobody has drawn on the successor.
pub(super) async fn move_draws(
    connection: &mut Connection,
    rows: &mut Rows,
    certificate: CertificateNumber,
    successor: CertificateNumber,
    taken_over: DrawnSoFar,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let (from, to) = (certificate.key(), successor.key());
    let ended: Vec<(i64,)> = sqlx::query_as(sql::END_DRAWS_ON)
        .bind(from)
        .bind(at)
        .fetch_all(&mut *connection)
        .await?;
    sqlx::query(sql::COPY_DRAWS)
        .bind(json(&ended)?)
        .bind(to)
        .bind(at)
        .execute(&mut *connection)
        .await?;
    sqlx::query(sql::COPY_SUMS)
        .bind(from)
        .bind(to)
        .bind(taken_over.limit.units())
        .bind(taken_over.excess.units())
        .execute(&mut *connection)
        .await?;
    sqlx::query(sql::CLEAR_SUMS)
        .bind(from)
        .execute(&mut *connection)
        .await?;
    audited::ends(rows, ended.into_iter().map(|(id,)| id), at);
    read_back::draws(connection, rows, to).await?;
    read_back::ledgers(connection, rows, &[from, to]).await
}
