//! What a step leaves of rows of which it writes a part, or that only the database knows: read back.

use nopic_domain::certificate::Certificate;
use nopic_sql::Error;
use nopic_sql::audit::Rows;

use super::engine::{Connection, audit, one_of, rows};
use crate::store::audited::{
    CERTIFICATE, DRAW, LEDGER, REQUEST, certificate_columns, draw_columns, ledger_columns, request_columns,
};
use crate::store::row::json;

nopic_sql::statements! {
    /// Certificates of a JSON list of lists of one key, and so on.
    const READ_CERTIFICATES: &str = concat!(
        "",
        certificate_columns!(),
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    const READ_LEDGERS: &str = concat!(
        "",
        ledger_columns!(),
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    const READ_DRAWS: &str = concat!(
        "",
        draw_columns!(),
        one_of!(
            "certificate",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
    const READ_REQUESTS: &str = concat!(
        "",
        request_columns!(),
        one_of!(
            "certificate_request",
            "SELECT CAST(r.value ->> 0 AS BIGINT) FROM ",
            rows!("$1")
        )
    );
}

/// What a step leaves of a certificate: read back, because it wrote a part of the columns.
pub(super) async fn certificate(
    connection: &mut Connection,
    rows: &mut Rows,
    certificate: &Certificate,
) -> Result<(), Error> {
    let list = json([[certificate.number.key()]])?;
    audit::read_back(connection, rows, &CERTIFICATE, READ_CERTIFICATES, list).await
}

/// What a step leaves of ledgers.
pub(super) async fn ledgers(
    connection: &mut Connection,
    rows: &mut Rows,
    certificates: &[i64],
) -> Result<(), Error> {
    let list = json(certificates.iter().map(|key| [key]).collect::<Vec<_>>())?;
    audit::read_back(connection, rows, &LEDGER, READ_LEDGERS, list).await
}

/// What an amendment leaves of draws: those on the successor.
pub(super) async fn draws(
    connection: &mut Connection,
    rows: &mut Rows,
    certificate: i64,
) -> Result<(), Error> {
    let list = json([[certificate]])?;
    audit::read_back(connection, rows, &DRAW, READ_DRAWS, list).await
}

/// What a step leaves of a request.
pub(super) async fn request(connection: &mut Connection, rows: &mut Rows, number: i64) -> Result<(), Error> {
    let list = json([[number]])?;
    audit::read_back(connection, rows, &REQUEST, READ_REQUESTS, list).await
}
