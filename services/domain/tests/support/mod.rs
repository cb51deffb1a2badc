//! A world in memory: a thousand certificates and four hundred operations, and lines that are sound in it.
#![allow(dead_code, reason = "each test and each benchmark uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(
    unreachable_pub,
    reason = "tests and benchmarks include this file as a module"
)]

use std::sync::Arc;

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, CertificateView, DrawnBy};
use nopic_domain::date::{Date, parse_iso};
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::flags::FlagTable;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::policy::Policy;
use nopic_domain::registry::{Dated, Observation, Statement, Status, Timeline};
use nopic_domain::rules::{Answer, Knowledge, RecordedDraw, RegistryState};
use rustc_hash::FxHashMap;

/// How many certificates there are, and sound lines, one for each.
pub const CERTIFICATES: u32 = 1_000;
/// How many operations import, and how many export.
const OPERATIONS: u32 = 200;

pub struct World {
    pub policy: Policy,
    pub flags: FlagTable,
    pub certificates: FxHashMap<CertificateNumber, CertificateView>,
    pub operations: FxHashMap<NopId, Timeline>,
}

impl World {
    pub fn new() -> Self {
        let certified = |from: &str| Dated {
            status: Status::Certified,
            from: parse_iso(from),
        };
        let listed = Observation::Listed(Statement {
            status: certified("2020-05-01"),
            scopes: [None, None, None, Some(certified("2020-05-01"))],
        });
        let timeline = Timeline::resolve([(day("2025-06-01"), &listed)]).unwrap();
        let parties = (0..OPERATIONS).flat_map(|number| [importer(number), exporter(number)]);
        Self {
            policy: Policy::shipped(),
            flags: FlagTable::shipped(),
            certificates: (0..CERTIFICATES)
                .map(|number| (certificate_number(number), certificate(number)))
                .collect(),
            operations: parties.map(|id| (id, timeline.clone())).collect(),
        }
    }
}

impl Knowledge for World {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        self.certificates
            .get(&number)
            .map_or(Answer::Absent, Answer::Found)
    }

    fn recorded_draws(&self, _: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        &[]
    }

    fn registry(&self) -> Option<RegistryState> {
        Some(RegistryState {
            revision: 1,
            published_on: Some(published_on()),
        })
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.operations.get(&id)
    }

    fn linked_importer(&self, _: &str) -> Option<NopId> {
        None
    }

    fn issues_for(&self, _: CertifierId) -> bool {
        false
    }

    fn filing_day(&self) -> Option<Date> {
        None
    }
}

pub fn day(text: &str) -> Date {
    parse_iso(text).unwrap()
}

pub fn published_on() -> Date {
    day("2025-06-01")
}

pub fn importer(number: u32) -> NopId {
    NopId::from_number(7_770_000_000 + u64::from(number % OPERATIONS)).unwrap()
}

pub fn exporter(number: u32) -> NopId {
    NopId::from_number(5_550_000_000 + u64::from(number % OPERATIONS)).unwrap()
}

pub fn certificate_number(number: u32) -> CertificateNumber {
    let exporter = exporter(number);
    CertificateNumber::from_parts(exporter.certifier(), exporter, number).unwrap()
}

fn certificate(number: u32) -> CertificateView {
    CertificateView {
        certificate: Arc::new(Certificate {
            number: certificate_number(number),
            status: CertificateStatus::Issued,
            superseded_by: None,
            certifier_id: exporter(number).certifier(),
            exporter_nop_id: exporter(number),
            importer_nop_id: importer(number),
            final_handler_nop_id: None,
            product: Some("Organic avocados".to_owned()),
            hts_code: "0804400020".parse().unwrap(),
            kind: CertificateKind::MultipleShipments,
            issued_on: parse_iso("2025-01-05"),
            valid_from: parse_iso("2025-01-06"),
            valid_to: parse_iso("2025-12-31"),
            total_weight_kg: "50000".parse().unwrap(),
            countries_of_origin: vec!["PE".to_owned(), "MX".to_owned()],
            lots: vec!["L-1".to_owned(), "LOTE 2".to_owned()],
        }),
        version: 1,
        drawn: "1200.5".parse().unwrap(),
        drawn_by: DrawnBy::Several,
    }
}

/// A line that is accepted, alone in its entry.
pub fn sound_line(number: u32) -> NormalisedLine {
    entry_line(number).normalise()
}

pub fn entry_line(number: u32) -> EntryLine {
    let text = |text: &str| Some(text.to_owned());
    EntryLine {
        entry_number: EntryNumber::from_parts("B76", number).unwrap().to_string(),
        line_number: 1,
        entry_date: text("2025-06-10"),
        export_date: text("2025-06-02"),
        importer_of_record: text("12-345678900"),
        importer_nop_id: Some(importer(number).to_string()),
        exporter_nop_id: Some(exporter(number).to_string()),
        hts_code: text("0804.40.0020"),
        description: text("ORGANIC HASS AVOCADOS"),
        organic_claim: Some(true),
        message_set: text("OR2"),
        certificate_number: Some(certificate_number(number % CERTIFICATES).to_string()),
        net_weight_kg: text("3172.3687"),
        lots: vec!["l-1".to_owned(), "LOTE 2".to_owned()],
        country_of_origin: text("MX"),
        country_of_export: text("MX"),
        port_of_entry: text("2704"),
        ..EntryLine::default()
    }
}
