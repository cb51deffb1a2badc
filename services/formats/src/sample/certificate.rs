//! Certificates, in groups of up to four that one importer holds at one time.

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, Draw as LedgerDraw};
use nopic_domain::date::Date;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::weight::Weight;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::operation::{Facts, MOST_OPERATIONS, Role, day, earlier, later};
use super::places;
use super::products::{self, Catalogue};
use super::random::{Draw, Stream, generator};

/// Filer codes of the brokers.
pub const FILERS: [&str; 12] = [
    "ABC", "B76", "NNP", "9XK", "WMT", "S1P", "J4R", "C07", "QRS", "2TT", "F9A", "ZL5",
];
/// How many certificates a group has.
pub(super) const GROUP: u32 = 4;
/// Serials have six digits and rise over all certifiers.
const SERIALS: u32 = 999_999;
/// Within so many days after its base date an entry may use the certificates of a group.
pub(super) const LAST_ENTRY_DAY: u32 = 135;

/// A certificate and what was drawn from it before the lines of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Its draws, by entries that are not among the lines of the sample.
    pub draws: Vec<LedgerDraw>,
}

/// The certificates that one importer holds at one time.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) importer: NopId,
    /// All are valid from here on to well after the last entry that uses them.
    pub(super) base: Date,
    pub(super) certificates: Vec<SampleCertificate>,
    /// Countries from which they are exported, one for each certificate.
    pub(super) export_countries: Vec<&'static str>,
}

/// Who takes part, worked out once: indices of operations by what they do.
#[derive(Debug)]
pub struct World {
    pub(super) seed: u64,
    pub(super) certificate_count: u32,
    pub(super) catalogue: Catalogue,
    importers: Parties,
    exporters: Parties,
}

/// Operations of one role: those certified all along, and the others.
#[derive(Debug, Default)]
struct Parties {
    steady: Vec<u32>,
    troubled: Vec<u32>,
}

impl Parties {
    fn pick(&self, rng: &mut ChaCha8Rng, troubled_per_mille: u32) -> u32 {
        let is_troubled = rng.per_mille(troubled_per_mille);
        let (first, second) = if is_troubled {
            (&self.troubled, &self.steady)
        } else {
            (&self.steady, &self.troubled)
        };
        // Few operations may leave one of the lists empty; none at all leave operation 0, which no export lists.
        let list = if first.is_empty() { second } else { first };
        if list.is_empty() { 0 } else { rng.one_of(list) }
    }
}

impl World {
    /// The world of a seed with so many operations (at most 10 million) and certificates.
    #[must_use]
    pub fn new(seed: u64, operations: u32, certificates: u32) -> Self {
        let mut importers = Parties::default();
        let mut exporters = Parties::default();
        for index in 0..operations.min(MOST_OPERATIONS) {
            let facts = Facts::new(seed, index);
            let parties = match facts.role {
                Role::Importer => &mut importers,
                Role::Exporter => &mut exporters,
                Role::Domestic => continue,
            };
            if facts.is_steady() {
                parties.steady.push(index);
            } else {
                parties.troubled.push(index);
            }
        }
        Self {
            seed,
            certificate_count: certificates,
            catalogue: Catalogue::new(),
            importers,
            exporters,
        }
    }

    /// The certificates, made one group at a time.
    pub fn certificates(&self) -> impl Iterator<Item = SampleCertificate> + '_ {
        (0..self.certificate_count.div_ceil(GROUP)).flat_map(|group| self.group(group).certificates)
    }

    /// An importer that some publication does not call certified, if there is one.
    pub(super) fn troubled_importer(&self, rng: &mut ChaCha8Rng) -> NopId {
        Facts::new(self.seed, self.importers.pick(rng, 1000)).nop_id
    }

    /// An exporter, any.
    pub(super) fn any_exporter(&self, rng: &mut ChaCha8Rng) -> NopId {
        Facts::new(self.seed, self.exporters.pick(rng, 100)).nop_id
    }

    /// One group; the last may have fewer than four certificates, but none has none.
    pub(super) fn group(&self, group: u32) -> Group {
        let mut rng = generator(self.seed, Stream::Group, u64::from(group));
        let importer = Facts::new(self.seed, self.importers.pick(&mut rng, 40));
        let base = later(day(2024, 1, 5), rng.random_range(0..700));
        let first = group * GROUP;
        let end = (first + GROUP).min(self.certificate_count.max(first + 1));
        let mut certificates: Vec<SampleCertificate> = Vec::with_capacity(4);
        let mut export_countries = Vec::with_capacity(4);
        // The third is in some groups replaced by the fourth: same parties, same goods.
        let is_superseded = end == first + GROUP && rng.per_mille(120);
        for index in first..end {
            let place = index - first;
            let follows = (is_superseded && place == 3).then(|| certificates[2].certificate.clone());
            let mut rng = generator(self.seed, Stream::Certificate, u64::from(index));
            let exporter = Facts::new(self.seed, self.exporters.pick(&mut rng, 30));
            let mut certificate = self.certificate(&mut rng, index, &importer, &exporter, base);
            if let Some(old) = follows {
                export_countries.push(export_countries[2]);
                certificate = successor(old, certificate, index);
                certificates[2].certificate.superseded_by = Some(certificate.number);
            } else {
                export_countries.push(exporter.country.code);
            }
            if is_superseded && place == 2 {
                certificate.status = CertificateStatus::Superseded;
            } else if place > 0 && !is_superseded {
                set_status(&mut rng, &mut certificate);
            }
            let draws = draws(&mut rng, index, &certificate);
            certificates.push(SampleCertificate { certificate, draws });
        }
        Group {
            importer: importer.nop_id,
            base,
            certificates,
            export_countries,
        }
    }

    fn certificate(
        &self,
        rng: &mut ChaCha8Rng,
        index: u32,
        importer: &Facts,
        exporter: &Facts,
        base: Date,
    ) -> Certificate {
        let last_entry = later(base, LAST_ENTRY_DAY);
        let hts_code = self.catalogue.am8(rng, base, last_entry);
        let kind = match (index % GROUP, rng.random_range(0..10)) {
            // Some certificate of each group can carry as many entries as come.
            (0, 0..5) => CertificateKind::TimeFrame,
            (0, _) => CertificateKind::MultipleShipments,
            (1, 0..7) | (_, 0..3) => CertificateKind::SingleShipment,
            (_, 3..7) => CertificateKind::MultipleShipments,
            _ => CertificateKind::TimeFrame,
        };
        let valid_from = earlier(base, rng.random_range(0..30));
        let total = rng.random_range(18_000..420_000i64) * 10_000;
        let decimals = if rng.per_mille(100) {
            rng.random_range(0..10_000)
        } else {
            0
        };
        let mut countries_of_origin = vec![exporter.country.code.to_owned()];
        if rng.per_mille(60) {
            let other = rng.one_of(&places::FOREIGN).code;
            if other != exporter.country.code {
                countries_of_origin.push(other.to_owned());
            }
        }
        let lots = if rng.per_mille(300) {
            let lot = rng.random_range(1..900);
            (0..rng.random_range(1..4))
                .map(|more| format!("L-{}-{:03}", valid_from.format("%Y"), lot + more))
                .collect()
        } else {
            Vec::new()
        };
        Certificate {
            number: number(exporter.nop_id, index),
            status: CertificateStatus::Issued,
            superseded_by: None,
            certifier_id: exporter.nop_id.certifier(),
            exporter_nop_id: exporter.nop_id,
            importer_nop_id: importer.nop_id,
            final_handler_nop_id: rng.per_mille(400).then_some(exporter.nop_id),
            product: Some(products::name(&hts_code).to_owned()),
            hts_code,
            kind,
            issued_on: Some(earlier(valid_from, rng.random_range(0..12))),
            valid_from: Some(valid_from),
            valid_to: Some(later(last_entry, 10 + rng.random_range(0..200))),
            total_weight_kg: Weight::from_units(total + decimals),
            countries_of_origin,
            lots,
        }
    }
}

/// The number of the certificate of this index: certifier and ID of the exporter, and a serial.
fn number(exporter: NopId, index: u32) -> CertificateNumber {
    CertificateNumber::from_parts(exporter.certifier(), exporter, 1 + index % SERIALS)
        .unwrap_or_else(|| unreachable!("the serial has at most six digits"))
}

/// A certificate in the place of another: what it says is the old one's, but number and weight.
fn successor(old: Certificate, new: Certificate, index: u32) -> Certificate {
    Certificate {
        number: number(old.exporter_nop_id, index),
        status: CertificateStatus::Issued,
        superseded_by: None,
        kind: CertificateKind::MultipleShipments,
        total_weight_kg: new.total_weight_kg,
        ..old
    }
}

/// Some certificates were withdrawn, some never issued, some name parts that do not fit together.
fn set_status(rng: &mut ChaCha8Rng, certificate: &mut Certificate) {
    use CertificateStatus as Status;
    let status = match rng.random_range(0..1000) {
        0..25 => Status::Voided,
        25..35 => Status::Draft,
        35..45 => Status::Requested,
        45..60 => Status::UnderReview,
        60..68 => Status::Rejected,
        68..74 => {
            certificate.certifier_id = format!("{:03}", rng.random_range(1..999))
                .parse::<CertifierId>()
                .unwrap_or(certificate.certifier_id);
            return;
        }
        _ => return,
    };
    certificate.status = status;
    if status.is_before_issue() {
        certificate.issued_on = None;
        if rng.per_mille(500) {
            certificate.valid_from = None;
            certificate.valid_to = None;
        }
    }
}

/// What entries before those of the sample have drawn: at most three tenths of the certificate.
fn draws(rng: &mut ChaCha8Rng, index: u32, certificate: &Certificate) -> Vec<LedgerDraw> {
    let is_single = certificate.kind == CertificateKind::SingleShipment;
    let share = if is_single { 60 } else { 250 };
    if certificate.status.is_before_issue() || !rng.per_mille(share) {
        return Vec::new();
    }
    let count = if is_single { 1 } else { rng.random_range(1..4u32) };
    (0..count)
        .filter_map(|draw| {
            // Numbers below a million are these; the entries of the lines have higher ones.
            let entry = u64::from(index) * 4 + u64::from(draw);
            let filer = FILERS[usize::try_from(entry % FILERS.len() as u64).ok()?];
            let number = u32::try_from(entry / FILERS.len() as u64 % 1_000_000).ok()?;
            Some(LedgerDraw {
                entry_number: EntryNumber::from_parts(filer, number)?,
                line_number: 1,
                pga_line_number: 1,
                weight_kg: Weight::from_units(
                    certificate.total_weight_kg.units() / 1_000 * rng.random_range(20..100),
                ),
            })
        })
        .collect()
}
