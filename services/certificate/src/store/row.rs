//! Rows as JSON arrays, in the order of the columns that the statements name.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use nopic_domain::certificate::{Certificate, CertificateView, Draw, DrawnBy};
use nopic_domain::date::Date;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
pub(super) use nopic_sql::row::{json, small};
use serde::{Deserialize, Serialize};

use super::Visibility;
use super::audited::{CERTIFICATE, LEDGER};
use crate::import_decision::ImportedLedger;

pub(super) fn number_of(key: i64) -> Result<CertificateNumber, Error> {
    CertificateNumber::from_key(key).ok_or_else(|| corrupt("certificate.certificate", key))
}

/// The moment of a change: now, but never before what is noted of the last one, whatever the clock does.
pub(super) fn not_before(now: DateTime<Utc>, changed_micros: i64) -> DateTime<Utc> {
    now.max(DateTime::from_timestamp_micros(changed_micros).unwrap_or(now))
}

pub(super) fn corrupt(what: &'static str, found: impl ToString) -> Error {
    Error::corrupt(what, found)
}

/// A certificate with the state of its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCertificate {
    pub(crate) certificate: Certificate,
    pub(crate) version: u32,
    pub(crate) drawn: Weight,
    /// Draws in force: of every tenant, until [`StoredCertificate::hide_draws`].
    pub(crate) draw_count: u32,
    /// What those draws took together.
    pub(crate) own_drawn: Weight,
    drawn_by: DrawnBy,
    /// The tenant that drew; absent where several did.
    drawer_tenant: Option<String>,
}

impl StoredCertificate {
    /// Counts and sums no draws but those that the caller may see; `false`: those of several tenants are to be told apart.
    pub(super) fn hide_draws(&mut self, visibility: &Visibility) -> bool {
        match &self.drawer_tenant {
            _ if visibility.all || self.draw_count == 0 => true,
            Some(tenant) => {
                if *tenant != visibility.tenant {
                    self.draw_count = 0;
                    self.own_drawn = Weight::ZERO;
                }
                true
            }
            None => false,
        }
    }

    /// As the rules see it: an entry that the caller must not know of is only said to be another than the caller's.
    pub(crate) fn into_view(self, visibility: &Visibility) -> CertificateView {
        let drawn_by = match self.drawn_by {
            DrawnBy::One(_) if !visibility.may_know(self.drawer_tenant.as_deref()) => DrawnBy::Several,
            drawn_by => drawn_by,
        };
        CertificateView {
            certificate: Arc::new(self.certificate),
            version: self.version,
            drawn: self.drawn,
            drawn_by,
        }
    }
}

/// What the statements pack of a certificate.
#[derive(Deserialize)]
struct Packed<'a>(
    /// Version.
    u32,
    /// Units drawn.
    i64,
    /// Number of draws.
    u32,
    /// Least and greatest entry number that drew, and the tenant that did.
    Option<&'a str>,
    Option<&'a str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    /// Content.
    Certificate,
);

impl Packed<'_> {
    fn into_stored(self) -> Result<StoredCertificate, Error> {
        let Self(version, drawn, draw_count, first_drawer, last_drawer, drawer_tenant, certificate) = self;
        let drawn_by = match (first_drawer, last_drawer) {
            (Some(first), Some(last)) if first == last => DrawnBy::One(entry_number(first)?),
            (Some(_), Some(_)) => DrawnBy::Several,
            _ => DrawnBy::None,
        };
        Ok(StoredCertificate {
            certificate,
            version,
            drawn: Weight::from_units(drawn),
            draw_count,
            own_drawn: Weight::from_units(drawn),
            drawn_by,
            drawer_tenant: drawer_tenant.map(Cow::into_owned),
        })
    }
}

/// One certificate of a row of its own.
pub(super) fn unpack(row: &str) -> Result<StoredCertificate, Error> {
    serde_json::from_str::<Packed<'_>>(row)
        .map_err(|error| corrupt("certificate", error))?
        .into_stored()
}

/// All certificates of one value; NULL is none.
pub(super) fn unpack_all(rows: Option<&str>) -> Result<Vec<StoredCertificate>, Error> {
    let Some(rows) = rows else {
        return Ok(Vec::new());
    };
    serde_json::from_str::<Vec<Packed<'_>>>(rows)
        .map_err(|error| corrupt("certificate", error))?
        .into_iter()
        .map(Packed::into_stored)
        .collect()
}

pub(super) fn entry_number(text: &str) -> Result<EntryNumber, Error> {
    EntryNumber::parse(text).ok_or_else(|| corrupt("draw.entry_number", text))
}

/// A draw in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredDraw {
    pub(crate) certificate: CertificateNumber,
    pub(crate) draw: Draw,
}

/// What the statements pack of a draw: key, entry number, line, PGA line, units.
type PackedDraw<'a> = (i64, &'a str, u32, u32, i64);

fn stored_draw(
    (key, entry, line_number, pga_line_number, units): PackedDraw<'_>,
) -> Result<StoredDraw, Error> {
    Ok(StoredDraw {
        certificate: number_of(key)?,
        draw: Draw {
            entry_number: entry_number(entry)?,
            line_number,
            pga_line_number,
            weight_kg: Weight::from_units(units),
        },
    })
}

/// One draw of a row of its own.
pub(super) fn unpack_draw(row: &str) -> Result<StoredDraw, Error> {
    stored_draw(serde_json::from_str(row).map_err(|error| corrupt("draw", error))?)
}

/// All draws of one value; NULL is none.
pub(super) fn unpack_all_draws(rows: Option<&str>) -> Result<Vec<StoredDraw>, Error> {
    let Some(rows) = rows else {
        return Ok(Vec::new());
    };
    serde_json::from_str::<Vec<PackedDraw<'_>>>(rows)
        .map_err(|error| corrupt("draw", error))?
        .into_iter()
        .map(stored_draw)
        .collect()
}

/// The columns of the upsert.
#[derive(Serialize)]
pub(super) struct CertificateRow<'a>(
    i64,
    u32,
    &'a Certificate,
    &'static str,
    u16,
    u64,
    u64,
    Option<Date>,
    Option<Date>,
    i64,
    i64,
    i64,
    i64,
    u32,
    Option<EntryNumber>,
    Option<EntryNumber>,
    Option<String>,
    /// When it changed.
    i64,
);

impl<'a> CertificateRow<'a> {
    pub(super) fn key(&self) -> i64 {
        self.0
    }

    pub(super) fn certificate(&self) -> &'a Certificate {
        self.2
    }

    /// Adds the certificate and its ledger to what a change leaves; with the hash of its content.
    pub(super) fn leave(&self, content: [u8; 32], rows: &mut Rows) {
        rows.row(&CERTIFICATE)
            .number(self.0)
            .number(i64::from(self.1))
            .json(content)
            .text(self.3)
            .number(i64::from(self.4))
            .number(self.5.cast_signed())
            .number(self.6.cast_signed())
            .date(self.7)
            .date(self.8)
            .end();
        leave_ledger(
            rows,
            self.0,
            [self.9, self.10, self.11, self.12, i64::from(self.13)],
            [&self.14, &self.15],
            self.16.as_deref(),
        );
    }

    pub(super) fn new(
        certificate: &'a Certificate,
        version: u32,
        ledger: ImportedLedger,
        at: DateTime<Utc>,
    ) -> Self {
        Self(
            certificate.number.key(),
            version,
            certificate,
            certificate.status.as_str(),
            certificate.certifier_id.number(),
            certificate.exporter_nop_id.number(),
            certificate.importer_nop_id.number(),
            certificate.valid_from,
            certificate.valid_to,
            ledger.limit.units(),
            ledger.drawn.units(),
            ledger.excess.units(),
            ledger.marked.units(),
            ledger.draw_count,
            ledger.first_drawer,
            ledger.last_drawer,
            ledger.drawer_tenant,
            at.timestamp_micros(),
        )
    }
}

/// Adds a ledger to what a change leaves: limit, drawn, excess, marked and number of draws, first and last drawer,
/// tenant.
pub(super) fn leave_ledger(
    rows: &mut Rows,
    key: i64,
    sums: [i64; 5],
    drawn_by: [&Option<EntryNumber>; 2],
    tenant: Option<&str>,
) {
    let row = sums
        .into_iter()
        .fold(rows.row(&LEDGER).number(key), |row, sum| row.number(sum));
    drawn_by
        .into_iter()
        .fold(row, |row, drawer| {
            row.text(drawer.as_ref().map(EntryNumber::as_str))
        })
        .text(tenant)
        .end();
}
