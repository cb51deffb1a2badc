//! What a trail lacks and where it contradicts itself.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus};
use nopic_domain::entry::Treatment;
use nopic_domain::trail::gaps::{Gap, GapCode, Level, find};
use nopic_domain::trail::{
    CertificateRead, CheckedBy, Claim, Document, DocumentKind, Line, OrganicCheck, Party, Recorded, Role,
    Statement, Step, Trail, Withdrawn,
};
use nopic_domain::weight::Weight;
use proptest::prelude::*;

const CERTIFICATE: &str = "012-0120000001-000001";
const EXPORTER: &str = "0120000001";
const IMPORTER: &str = "0150000002";

fn recorded<T>(record_id: u64, content: T) -> Recorded<T> {
    Recorded {
        record_id,
        content,
        recorded_by: "tester".to_owned(),
        recorded_at: "2026-03-20T00:00:00Z".parse().unwrap(),
        withdrawn: None,
    }
}

fn party(name: &str, nop_id: Option<&str>) -> Party {
    Party {
        name: name.to_owned(),
        nop_id: nop_id.map(|id| id.parse().unwrap()),
    }
}

fn step(role: Role, name: &str, from: &str, to: &str) -> Step {
    let point = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    Step {
        role,
        party: party(name, None),
        place: Some("Chiapas".to_owned()),
        from: point(from),
        to: point(to),
        owner: Some(party("Exporta", Some(EXPORTER))),
        lines: Vec::new(),
        lots: Vec::new(),
    }
}

fn document(kind: DocumentKind, says_organic: Option<bool>) -> Document {
    Document {
        kind,
        reference: "A-1".to_owned(),
        dated: None,
        sha256: "0".repeat(64),
        organic: says_organic.map(|says_organic| OrganicCheck {
            says_organic,
            how: CheckedBy::Text,
            checked_by: "tester".to_owned(),
            checked_at: "2026-03-20".parse().unwrap(),
        }),
    }
}

fn statement(claim: Claim) -> Statement {
    Statement {
        claim,
        stated_by: "Ann".to_owned(),
        stated_on: "2026-03-20".parse().unwrap(),
        basis: String::new(),
        lines: Vec::new(),
    }
}

fn verification(contact: bool) -> Statement {
    statement(Claim::Verification {
        prohibited_substance: contact,
        ionizing_radiation: false,
    })
}

fn line(line_number: u32) -> Line {
    Line {
        line_number,
        pga_line_number: 1,
        decision_id: 7,
        outcome: "ACCEPT".to_owned(),
        is_organic: true,
        certificate_number: Some(CERTIFICATE.parse().unwrap()),
        net_weight_kg: Some("100".to_owned()),
        ..Line::default()
    }
}

/// A trail that lacks nothing.
fn whole() -> Trail {
    let certificate = Certificate {
        number: CERTIFICATE.parse().unwrap(),
        status: CertificateStatus::Issued,
        superseded_by: None,
        certifier_id: "012".parse().unwrap(),
        exporter_nop_id: EXPORTER.parse().unwrap(),
        importer_nop_id: IMPORTER.parse().unwrap(),
        final_handler_nop_id: Some(EXPORTER.parse().unwrap()),
        product: Some("Coffee".to_owned()),
        hts_code: "0901110015".parse().unwrap(),
        kind: CertificateKind::SingleShipment,
        issued_on: None,
        valid_from: None,
        valid_to: None,
        total_weight_kg: Weight::from_units(1_000_000),
        countries_of_origin: vec!["MX".to_owned()],
        lots: vec!["L-1".to_owned()],
    };
    let mut importer = step(Role::Importer, "Roast", "2026-03-16", "");
    importer.party = party("Roast", Some(IMPORTER));
    importer.owner = Some(importer.party.clone());
    let kinds = [
        DocumentKind::PurchaseOrder,
        DocumentKind::BillOfLading,
        DocumentKind::Invoice,
        DocumentKind::PackingList,
    ];
    Trail {
        entry_number: "B7603245278".to_owned(),
        lines: vec![line(1)],
        certificates: vec![CertificateRead {
            version: 1,
            certificate,
        }],
        steps: vec![
            recorded(1, step(Role::Producer, "Finca", "2026-01-10", "2026-03-01")),
            recorded(
                2,
                step(
                    Role::Carrier,
                    "Naviera",
                    "2026-03-01",
                    "2026-03-16T08:00:00-06:00",
                ),
            ),
            recorded(3, importer),
        ],
        documents: (10..)
            .zip(kinds)
            .map(|(id, kind)| recorded(id, document(kind, Some(true))))
            .collect(),
        statements: vec![recorded(20, verification(false))],
        ..Trail::default()
    }
}

fn codes(trail: &Trail) -> Vec<GapCode> {
    find(trail).into_iter().map(|gap| gap.code).collect()
}

fn the_only(trail: &Trail) -> Gap {
    let mut gaps = find(trail);
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    gaps.pop().unwrap()
}

fn withdrawn() -> Option<Withdrawn> {
    Some(Withdrawn {
        record_id: 99,
        by: "tester".to_owned(),
        at: "2026-03-21T00:00:00Z".parse().unwrap(),
        reason: "wrong entry".to_owned(),
    })
}

#[test]
fn a_whole_trail_has_no_gap() {
    assert_eq!(find(&whole()), []);
}

#[test]
fn an_empty_trail_lacks_everything_once() {
    let trail = Trail {
        lines: vec![line(1), line(2)],
        ..Trail::default()
    };
    assert_eq!(
        codes(&trail),
        [
            GapCode::VerificationMissing,
            GapCode::CertificateMissing,
            GapCode::OriginMissing,
            GapCode::ProductMissing,
            GapCode::ExporterMissing,
            GapCode::ImporterMissing,
            GapCode::CustodyMissing,
            GapCode::DocumentMissing,
            GapCode::DocumentMissing,
            GapCode::DocumentMissing,
            GapCode::DocumentMissing,
            GapCode::LotsMissing,
        ]
    );
    for gap in find(&trail) {
        assert!(gap.message.ends_with('.') && gap.what_to_do.len() > 10 && !gap.source.is_empty());
        assert!(gap.about.is_empty() || gap.about == "lines 1 and 2", "{gap:?}");
    }
}

#[test]
fn what_is_not_organic_needs_no_trail() {
    let mut conventional = line(1);
    conventional.is_organic = false;
    let trail = Trail {
        lines: vec![conventional],
        ..Trail::default()
    };
    assert_eq!(find(&trail), []);
    assert_eq!(find(&Trail::default()), []);
}

#[test]
fn a_withdrawn_record_does_not_count() {
    let mut trail = whole();
    trail.documents[0].withdrawn = withdrawn();
    assert_eq!(the_only(&trail).message, "No purchase order is on record.");
    let mut trail = whole();
    trail.statements[0].withdrawn = withdrawn();
    assert_eq!(the_only(&trail).code, GapCode::VerificationMissing);
    let mut trail = whole();
    trail.steps[1].withdrawn = withdrawn();
    let gap = the_only(&trail);
    assert_eq!(gap.code, GapCode::CustodyGap);
    assert_eq!(
        gap.message,
        "From 2026-03-02T00:00:00Z to 2026-03-16T00:00:00Z nobody is on record as holding the goods."
    );
}

#[test]
fn a_document_says_organic_or_is_a_gap() {
    let mut trail = whole();
    trail.documents[2].content.organic = None;
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.about.as_str()),
        (GapCode::DocumentNotChecked, "record 12")
    );
    trail.documents[2].content = document(DocumentKind::Invoice, Some(false));
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.level),
        (GapCode::DocumentNotOrganic, Level::Contradiction)
    );
    // Other papers need not.
    trail.documents[2].content = document(DocumentKind::Invoice, Some(true));
    trail
        .documents
        .push(recorded(14, document(DocumentKind::Other, Some(false))));
    assert_eq!(find(&trail), []);
}

#[test]
fn a_notice_puts_the_entry_under_a_finding_and_names_whom_to_tell() {
    let mut trail = whole();
    trail.lines[0].treatment = Some(Treatment {
        emergency_action_notice: Some(true),
        ..Treatment::default()
    });
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.level),
        (GapCode::EmergencyActionNotice, Level::Finding)
    );
    let tell: Vec<(String, &str, bool)> = gap
        .tell
        .iter()
        .map(|tell| {
            (
                tell.certifier_id.to_string(),
                tell.because.as_str(),
                tell.was_told,
            )
        })
        .collect();
    assert_eq!(
        tell,
        [
            (
                "015".to_owned(),
                "certifies the importer 0150000002, by its number",
                false
            ),
            (
                "012".to_owned(),
                "issued the certificate 012-0120000001-000001; certifies the exporter 0120000001, by its number",
                false
            ),
        ]
    );
    assert!(gap.what_to_do.contains("tell 015, 012 and"), "{}", gap.what_to_do);
    // Told: the finding stays, what is left to do does not.
    for certifier in ["012", "015"] {
        let told = Claim::CertifierTold {
            certifier_id: certifier.parse().unwrap(),
        };
        trail.statements.push(recorded(30, statement(told)));
    }
    let gap = the_only(&trail);
    assert!(gap.tell.iter().all(|tell| tell.was_told));
    assert!(gap.what_to_do.starts_with("Every certifier was told"));
    // A notice that was recorded for the trail counts like one of the line.
    let mut trail = whole();
    let notice = Claim::EmergencyActionNotice {
        reference: "523-1".to_owned(),
    };
    trail.statements.push(recorded(30, statement(notice)));
    assert_eq!(the_only(&trail).tell.len(), 2);
}

#[test]
fn contact_is_a_finding_and_may_be_contradicted() {
    let mut trail = whole();
    trail.lines[0].treatment = Some(Treatment {
        verified: Some(true),
        prohibited_substance: Some(false),
        irradiated: Some(true),
        ..Treatment::default()
    });
    assert_eq!(
        codes(&trail),
        [GapCode::TreatmentProhibited, GapCode::VerificationContradicted]
    );
    trail.statements.clear();
    assert_eq!(codes(&trail), [GapCode::TreatmentProhibited]);
    trail.lines[0].treatment = None;
    trail.statements = vec![recorded(20, verification(true))];
    assert_eq!(codes(&trail), [GapCode::TreatmentProhibited]);
}

#[test]
fn statements_and_steps_may_be_of_some_lines() {
    let mut trail = whole();
    trail.lines.push(line(2));
    trail.statements[0].content.lines = vec![1];
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.about.as_str()),
        (GapCode::VerificationMissing, "line 2")
    );
    trail.statements[0].content.lines.clear();
    trail.steps[1].content.lines = vec![1];
    let gap = the_only(&trail);
    assert_eq!((gap.code, gap.about.as_str()), (GapCode::CustodyGap, "line 2"));
    trail.steps[1].content.lines = vec![1, 2, 3];
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.about.as_str()),
        (GapCode::RecordOfNothing, "record 2")
    );
}

#[test]
fn lots_have_chains_of_their_own() {
    let mut trail = whole();
    trail.lines[0].lots = vec!["A".to_owned(), "B".to_owned()];
    trail.steps[0].content.lots = vec!["A".to_owned()];
    let gap = the_only(&trail);
    assert_eq!(
        (gap.code, gap.about.as_str()),
        (GapCode::ProducerMissing, "line 1, lot B")
    );
    // Two producers at one time are no contradiction where each has its lot.
    let mut other = step(Role::Producer, "Rancho", "2026-01-01", "2026-03-01");
    other.lots = vec!["B".to_owned()];
    trail.steps.push(recorded(4, other));
    assert_eq!(find(&trail), []);
    trail.steps[3].content.lots.clear();
    assert_eq!(codes(&trail), [GapCode::CustodyContradicted]);
    trail.steps[3].content.lots = vec!["C".to_owned()];
    assert!(codes(&trail).contains(&GapCode::RecordOfNothing));
}

#[test]
fn one_holds_and_one_owns_at_a_time() {
    let mut trail = whole();
    trail.steps[0].content.to = Some("2026-03-05".parse().unwrap());
    let gap = the_only(&trail);
    assert_eq!(
        gap.message,
        "From 2026-03-02T00:00:00Z to 2026-03-05T00:00:00Z Finca and Naviera are each on record as having held the \
         same goods."
    );
    // The same party under another spelling, or with its number only once, is one party.
    trail.steps[1].content.party = party(" finca", Some(EXPORTER));
    assert_eq!(find(&trail), []);
    trail.steps[1].content.owner = Some(party("Other", None));
    assert_eq!(codes(&trail), [GapCode::OwnershipContradicted]);
    trail.steps[1].content.owner = None;
    trail.steps[1].content.place = None;
    assert_eq!(codes(&trail), [GapCode::OwnerMissing, GapCode::PlaceMissing]);
}

#[test]
fn times_may_be_open_only_at_the_ends() {
    let mut trail = whole();
    trail.steps[0].content.from = None;
    assert_eq!(find(&trail), []);
    trail.steps[0].content.to = None;
    let gap = the_only(&trail);
    assert_eq!((gap.code, gap.about.as_str()), (GapCode::TimeMissing, "record 1"));
    let mut trail = whole();
    trail.steps[1].content.from = None;
    assert_eq!(codes(&trail), [GapCode::TimeMissing]);
}

#[test]
fn the_parties_of_the_certificate_are_among_the_steps() {
    let mut trail = whole();
    for step in &mut trail.steps[..2] {
        step.content.owner = Some(party("Nobody we know", None));
    }
    let gap = the_only(&trail);
    assert_eq!(gap.code, GapCode::FinalHandlerMissing);
    assert!(gap.message.contains(EXPORTER));
    let mut trail = whole();
    trail.steps[2].content.role = Role::Warehouse;
    assert_eq!(find(&trail), []);
    trail.steps[2].content.party = party("Store", None);
    trail.steps[2].content.owner = Some(party("Store", None));
    assert_eq!(codes(&trail), [GapCode::ImporterNotReached]);
}

#[test]
fn a_line_that_was_not_accepted_is_a_finding() {
    let mut trail = whole();
    trail.lines[0].outcome = "REJECT".to_owned();
    trail.lines[0].codes = vec!["CERTIFICATE_VOIDED".to_owned()];
    assert_eq!(
        the_only(&trail).message,
        "Decision 7 on the line is REJECT: CERTIFICATE_VOIDED."
    );
}

proptest! {
    /// However records are cut into lines, a gap of one line is a gap of the whole, and nothing else is.
    #[test]
    fn lines_are_judged_as_if_each_were_alone(
        steps in proptest::collection::vec((0u32..4, 0i64..9, 0i64..5, 0usize..3), 0..8),
    ) {
        let day = |day: i64| {
            let first: nopic_domain::date::Date = "2024-02-26".parse().unwrap();
            (first + chrono::TimeDelta::days(day)).to_string()
        };
        let mut trail = whole();
        trail.lines = vec![line(1), line(2), line(3)];
        trail.steps = (1..)
            .zip(&steps)
            .map(|(id, (of, from, length, who))| {
                let mut step = step(Role::Producer, ["a", "b", "c"][*who], &day(*from), &day(from + length));
                step.lines = (*of > 0).then_some(*of).into_iter().collect();
                recorded(id, step)
            })
            .collect();
        let of = |trail: &Trail| -> BTreeSet<(GapCode, String)> {
            let of_time = [GapCode::CustodyMissing, GapCode::CustodyGap, GapCode::CustodyContradicted];
            find(trail)
                .into_iter()
                .filter(|gap| of_time.contains(&gap.code))
                .map(|gap| (gap.code, gap.message))
                .collect()
        };
        let together = of(&trail);
        let mut apart = BTreeSet::new();
        for number in 1..=3 {
            let mut alone = trail.clone();
            alone.lines = vec![line(number)];
            alone
                .steps
                .retain(|step| step.content.lines.is_empty() || step.content.lines.contains(&number));
            apart.extend(of(&alone));
        }
        prop_assert_eq!(together, apart);
    }
}
