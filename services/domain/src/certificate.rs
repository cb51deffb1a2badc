//! NOP Import Certificates as data: what one states, and what has been drawn from it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::entry::{normalise_list, trim, trim_or_absent};
use crate::hts::HtsCode;
use crate::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use crate::weight::Weight;

words! {
    /// Where a certificate stands in its life.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum CertificateStatus {
        /// Being written by the exporter.
        Draft = "DRAFT",
        /// Asked for; no certifier has begun.
        Requested = "REQUESTED",
        /// A certifier is reviewing the request.
        UnderReview = "UNDER_REVIEW",
        /// Refused by the certifier.
        Rejected = "REJECTED",
        /// In force, within its dates.
        Issued = "ISSUED",
        /// Withdrawn by the certifier.
        Voided = "VOIDED",
        /// Replaced by another certificate.
        Superseded = "SUPERSEDED",
    }
}

impl CertificateStatus {
    /// Whether the certificate was never issued (yet).
    #[must_use]
    pub const fn is_before_issue(self) -> bool {
        matches!(
            self,
            Self::Draft | Self::Requested | Self::UnderReview | Self::Rejected
        )
    }

    /// Whether it was issued and has no force any more.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Voided | Self::Superseded)
    }
}

words! {
    /// What a certificate covers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum CertificateKind {
        /// One shipment, hence one entry.
        SingleShipment = "SINGLE_SHIPMENT",
        /// Several shipments.
        MultipleShipments = "MULTIPLE_SHIPMENTS",
        /// A time frame and volume.
        TimeFrame = "TIME_FRAME",
    }
}

/// One certificate as its certifier stated it (FORMATS §4), without its draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// The 21-character number.
    pub number: CertificateNumber,
    /// Where it stands in its life.
    pub status: CertificateStatus,
    /// The successor; only with `SUPERSEDED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<CertificateNumber>,
    /// The certifier that issues it.
    pub certifier_id: CertifierId,
    /// Who exports.
    pub exporter_nop_id: NopId,
    /// Who imports.
    pub importer_nop_id: NopId,
    /// Who handled the goods last, if stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_handler_nop_id: Option<NopId>,
    /// The product as labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The tariff code that it is for.
    pub hts_code: HtsCode,
    /// What it covers.
    pub kind: CertificateKind,
    /// Day of issue; absent while not issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_on: Option<Date>,
    /// First day of validity; absent only while not issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// Last day of validity; absent only while not issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// The weight that it allows in all.
    pub total_weight_kg: Weight,
    /// ISO 3166 alpha-2, upper case; empty: not stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countries_of_origin: Vec<String>,
    /// Lot numbers; empty: not stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
}

impl Certificate {
    /// Trims every text and drops empty ones, as the rules compare them.
    #[must_use]
    pub fn normalise(mut self) -> Self {
        trim_or_absent(&mut self.product);
        normalise_list(&mut self.countries_of_origin);
        self.countries_of_origin
            .iter_mut()
            .for_each(|country| country.make_ascii_uppercase());
        normalise_list(&mut self.lots);
        self.product.as_mut().into_iter().for_each(trim);
        self
    }
}

/// A weight taken from a certificate by one line of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draw {
    /// The entry that drew.
    pub entry_number: EntryNumber,
    /// Its line, from 1.
    pub line_number: u32,
    /// Its PGA line, from 1.
    #[serde(default = "one")]
    pub pga_line_number: u32,
    /// How much; zero counts as use.
    pub weight_kg: Weight,
}

const fn one() -> u32 {
    1
}

/// Which entries have drawn on a certificate: all that the rules need to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrawnBy {
    /// None yet.
    #[default]
    None,
    /// Exactly this one.
    One(EntryNumber),
    /// More than one.
    Several,
}

impl DrawnBy {
    /// Whether an entry other than this one drew.
    #[must_use]
    pub fn include_other_than(&self, entry: &EntryNumber) -> bool {
        match self {
            Self::None => false,
            Self::One(drawer) => drawer != entry,
            Self::Several => true,
        }
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, entry: EntryNumber) -> Self {
        match self {
            Self::None => Self::One(entry),
            Self::One(drawer) if drawer == entry => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

/// A certificate with the state of its ledger, as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateView {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Its version, rising with each change.
    pub version: u32,
    /// Sum of all draws, those of the entry in question included.
    pub drawn: Weight,
    /// Which entries drew.
    pub drawn_by: DrawnBy,
}
