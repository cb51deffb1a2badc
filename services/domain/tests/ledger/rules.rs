//! The ledger refuses where the rules find that a certificate is used or exceeded, and nowhere else.

use std::sync::{Arc, LazyLock};

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, CertificateView, DrawnBy};
use nopic_domain::date::Date;
use nopic_domain::entry::{NormalisedLine, Treatment};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::ledger::{Account, Ask, EntryDraws, LineDraw, LineOutcome, OwnDraw, decide};
use nopic_domain::policy::Policy;
use nopic_domain::registry::Timeline;
use nopic_domain::rules::{
    Answer, Judgement, Knowledge, RecordedDraw, RegistryState, ask_of_ledger, judge_entry, replace_entry,
};
use nopic_domain::weight::Weight;
use proptest::prelude::*;
use rustc_hash::FxHashMap;

use crate::support::{World, certificate_number, entry_line};

/// Certificates of the world that take part.
const CERTIFICATES: u32 = 3;
const TOTAL: i64 = 1_000;
const MAX_LINES: usize = 7;

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// What is recorded about the certificates, beside the world.
struct Recorded<'a> {
    world: &'a World,
    views: FxHashMap<CertificateNumber, CertificateView>,
    own: FxHashMap<CertificateNumber, Vec<RecordedDraw>>,
    registry_answers: bool,
}

impl Knowledge for Recorded<'_> {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        self.views.get(&number).map_or(Answer::Absent, Answer::Found)
    }

    fn recorded_draws(&self, number: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        self.own.get(&number).map_or(&[], Vec::as_slice)
    }

    fn registry(&self) -> Option<RegistryState> {
        self.world.registry().filter(|_| self.registry_answers)
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.world.operation(id)
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

/// What differs between the lines.
#[derive(Debug, Clone)]
struct Line {
    number: u32,
    certificate: u32,
    units: Option<i64>,
    strict: bool,
    irradiated: bool,
    other_lot: bool,
    malformed: bool,
}

#[derive(Debug, Clone)]
struct Ledger {
    kind: CertificateKind,
    status: CertificateStatus,
    /// What other entries drew: entry and units.
    others: Vec<(u32, i64)>,
    /// What this entry drew: line and units.
    own: Vec<(u32, i64)>,
}

/// Coarse, so that weights often take just what is left.
fn fifties() -> impl Strategy<Value = i64> {
    (0..11i64).prop_map(|fifties| fifties * 50)
}

fn line() -> impl Strategy<Value = Line> {
    let rarely = || proptest::bool::weighted(0.15);
    (
        0..CERTIFICATES,
        proptest::option::weighted(0.9, fifties().prop_map(|units| units + 50)),
        proptest::bool::weighted(0.7),
        rarely(),
        rarely(),
        rarely(),
    )
        .prop_map(
            |(certificate, units, strict, irradiated, other_lot, malformed)| Line {
                number: 0,
                certificate,
                units,
                strict,
                irradiated,
                other_lot,
                malformed,
            },
        )
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    proptest::collection::vec((line(), any::<bool>()), 1..=MAX_LINES).prop_map(|lines| {
        (1..)
            .zip(lines)
            .filter(|(number, (_, present))| *number == 1 || *present)
            .map(|(number, (line, _))| Line { number, ..line })
            .collect()
    })
}

fn ledger() -> impl Strategy<Value = Ledger> {
    (
        any::<bool>(),
        proptest::bool::weighted(0.1),
        proptest::collection::vec((2..5u32, fifties()), 0..3),
        proptest::collection::btree_map(1..8u32, fifties(), 0..3),
    )
        .prop_map(|(single, voided, others, own)| Ledger {
            kind: if single {
                CertificateKind::SingleShipment
            } else {
                CertificateKind::TimeFrame
            },
            status: if voided {
                CertificateStatus::Voided
            } else {
                CertificateStatus::Issued
            },
            others,
            own: own.into_iter().collect(),
        })
}

fn weight(units: i64) -> Weight {
    Weight::from_units(units)
}

fn entry(number: u32) -> EntryNumber {
    EntryNumber::from_parts("B76", number).unwrap()
}

fn normalised(line: &Line, replaces: bool) -> NormalisedLine {
    let mut entry_line = entry_line(line.certificate);
    entry_line.entry_number = entry(1).to_string();
    entry_line.entry_action = replaces.then(|| "REPLACE".to_owned());
    entry_line.line_number = line.number;
    entry_line.net_weight_kg = line.units.map(|units| weight(units).to_string());
    if !line.strict {
        // The voluntary phase.
        entry_line.entry_date = Some("2023-09-10".to_owned());
        entry_line.export_date = Some("2023-09-02".to_owned());
    }
    entry_line.treatment = line.irradiated.then_some(Treatment {
        irradiated: Some(true),
        ..Treatment::default()
    });
    if line.other_lot {
        entry_line.lots = vec!["another".to_owned()];
    }
    if line.malformed {
        entry_line.country_of_origin = Some("Peru".to_owned());
    }
    entry_line.normalise()
}

fn recorded<'a>(world: &'a World, ledgers: &[Ledger], registry_answers: bool) -> Recorded<'a> {
    let mut recorded = Recorded {
        world,
        views: FxHashMap::default(),
        own: FxHashMap::default(),
        registry_answers,
    };
    for (place, ledger) in (0..).zip(ledgers) {
        let number = certificate_number(place);
        let certificate = Certificate {
            kind: ledger.kind,
            status: ledger.status,
            total_weight_kg: weight(TOTAL),
            ..(*world.certificates[&number].certificate).clone()
        };
        let own = ledger.own.iter().map(|(line_number, units)| RecordedDraw {
            line_number: *line_number,
            pga_line_number: 1,
            weight: weight(*units),
        });
        let drawn_by = ledger.others.iter().map(|(number, _)| entry(*number));
        let view = CertificateView {
            certificate: Arc::new(certificate),
            version: 1,
            drawn: weight(
                ledger
                    .others
                    .iter()
                    .chain(&ledger.own)
                    .map(|(_, units)| units)
                    .sum(),
            ),
            drawn_by: drawn_by
                .chain((!ledger.own.is_empty()).then(|| entry(1)))
                .fold(DrawnBy::None, DrawnBy::with),
        };
        recorded.own.insert(number, own.collect());
        recorded.views.insert(number, view);
    }
    recorded
}

fn accounts(
    recorded: &Recorded<'_>,
    ledgers: &[Ledger],
    policy: &Policy,
) -> FxHashMap<CertificateNumber, Account> {
    (0..)
        .zip(ledgers)
        .map(|(place, ledger)| {
            let view = &recorded.views[&certificate_number(place)];
            let total = view.certificate.total_weight_kg;
            let others = ledger.others.iter().map(|(number, _)| entry(*number));
            let account = Account::new(
                total.saturating_add(policy.tolerance_of(total)),
                view.drawn,
                Weight::ZERO,
                ledger.kind == CertificateKind::SingleShipment,
                others.fold(DrawnBy::None, DrawnBy::with),
            );
            (certificate_number(place), account)
        })
        .collect()
}

fn rejects(judgement: &Judgement, code: Code) -> bool {
    judgement
        .findings
        .iter()
        .any(|finding| finding.code == code && finding.severity == Severity::Reject)
}

proptest! {
    // Most lines are sound: four times the usual number.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn the_ledger_agrees_with_the_rules(
        lines in lines(),
        ledgers in proptest::collection::vec(ledger(), CERTIFICATES as usize),
        // Lines of mixed actions as well.
        actions in prop_oneof![
            Just(vec![false; MAX_LINES]),
            Just(vec![true; MAX_LINES]),
            proptest::collection::vec(any::<bool>(), MAX_LINES),
        ],
        registry_answers in proptest::bool::weighted(0.8),
    ) {
        let world = &*WORLD;
        let recorded = recorded(world, &ledgers, registry_answers);
        let normalised: Vec<NormalisedLine> = lines
            .iter()
            .zip(&actions)
            .map(|(line, replaces)| normalised(line, *replaces))
            .collect();
        let mut judgements = Vec::new();
        judge_entry(&normalised, &world.policy, &world.flags, &recorded, &mut judgements);

        let own = recorded.own.iter().flat_map(|(number, draws)| {
            draws.iter().map(|draw| OwnDraw {
                number: *number,
                line_number: draw.line_number,
                pga_line_number: draw.pga_line_number,
                weight: draw.weight,
                excess: Weight::ZERO,
            })
        });
        let draws = EntryDraws {
            entry_number: entry(1),
            keep_other_lines: !replace_entry(&normalised, &world.policy),
            lines: normalised
                .iter()
                .zip(&judgements)
                .map(|(line, judgement)| LineDraw {
                    line_number: line.line_number,
                    pga_line_number: line.pga_line_number(),
                    ask: ask_of_ledger(line, judgement, &world.policy, line.replaces()),
                })
                .collect(),
            own: own.collect(),
        };
        let mut accounts = accounts(&recorded, &ledgers, &world.policy);
        let decision = decide(&mut accounts, std::slice::from_ref(&draws)).unwrap().remove(0);

        for ((line, judgement), outcome) in draws.lines.iter().zip(&judgements).zip(&decision.lines) {
            let expected_refusal = if rejects(judgement, Code::CertificateAlreadyUsed) {
                Some(LineOutcome::AlreadyUsed)
            } else if rejects(judgement, Code::CertificateQuantityExceeded) {
                Some(LineOutcome::Exceeded)
            } else {
                None
            };
            match (line.ask, outcome) {
                (Ask::Draw(_), LineOutcome::Drawn { .. }) => prop_assert_eq!(expected_refusal, None),
                (Ask::Draw(_), outcome) => prop_assert_eq!(expected_refusal, Some(*outcome)),
                (_, outcome) => prop_assert_eq!(*outcome, LineOutcome::Nothing),
            }
            // Only what can be filed draws.
            let is_filed = judgement.findings.iter().all(|finding| finding.severity < Severity::Indeterminate);
            prop_assert_eq!(matches!(outcome, LineOutcome::Drawn { .. }), is_filed && judgement.certificate_version.is_some());
        }
    }
}
