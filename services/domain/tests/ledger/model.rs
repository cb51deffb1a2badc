//! A list of draws, from which everything is added up anew for each question.

use nopic_domain::certificate::DrawnBy;
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::{
    Account, AccountState, Ask, EntryDraws, LineDraw, LineOutcome, OwnDraw, Take, decide, past,
};
use nopic_domain::weight::Weight;
use proptest::prelude::*;
use rustc_hash::FxHashMap;

const CERTIFICATES: usize = 3;
const ENTRIES: u32 = 4;

fn number(place: usize) -> CertificateNumber {
    CertificateNumber::from_number(u64::try_from(place).unwrap() + 7).unwrap()
}

fn entry(number: u32) -> EntryNumber {
    EntryNumber::from_parts("B76", number).unwrap()
}

const fn weight(units: i64) -> Weight {
    Weight::from_units(units)
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Draw {
    entry: u32,
    line: u32,
    certificate: usize,
    units: i64,
    excess: i64,
}

#[derive(Debug, Clone)]
struct Certificate {
    limit: i64,
    single_shipment: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    line: u32,
    /// 0: nothing, 1: count, 2: draw.
    mode: u8,
    certificate: usize,
    units: i64,
    may_exceed: bool,
    may_reuse: bool,
    beside_replaced: bool,
}

#[derive(Debug, Clone)]
struct Filing {
    entry: u32,
    keep: bool,
    lines: Vec<Line>,
}

/// The model: the draws in force.
#[derive(Debug, Default, Clone)]
struct Model(Vec<Draw>);

impl Model {
    fn drawn(&self, certificate: usize) -> i64 {
        self.0
            .iter()
            .filter(|draw| draw.certificate == certificate)
            .map(|draw| draw.units)
            .sum()
    }

    fn others(&self, certificate: usize, entry: u32) -> bool {
        self.0
            .iter()
            .any(|draw| draw.certificate == certificate && draw.entry != entry)
    }

    fn file(&mut self, certificates: &[Certificate], filing: &Filing) -> Vec<LineOutcome> {
        let used: Vec<bool> = (0..certificates.len())
            .map(|certificate| self.others(certificate, filing.entry))
            .collect();
        let replaced: Vec<i64> = (0..certificates.len())
            .map(|place| {
                let is_replaced = |draw: &&Draw| {
                    draw.entry == filing.entry
                        && draw.certificate == place
                        && !filing.keep
                        && !filing.lines.iter().any(|line| line.line == draw.line)
                };
                self.0.iter().filter(is_replaced).map(|draw| draw.units).sum()
            })
            .collect();
        self.0.retain(|draw| {
            draw.entry != filing.entry
                || (filing.keep && !filing.lines.iter().any(|line| line.line == draw.line))
        });
        let mut counted = vec![0; certificates.len()];
        filing
            .lines
            .iter()
            .map(|line| {
                let certificate = &certificates[line.certificate];
                let drawn = self.drawn(line.certificate);
                let beside = if line.beside_replaced {
                    replaced[line.certificate]
                } else {
                    0
                };
                let refused = if certificate.single_shipment && used[line.certificate] && !line.may_reuse {
                    Some(LineOutcome::AlreadyUsed)
                } else if drawn + counted[line.certificate] + beside + line.units > certificate.limit
                    && !line.may_exceed
                {
                    Some(LineOutcome::Exceeded)
                } else {
                    None
                };
                match (line.mode, refused) {
                    (2, Some(refused)) => refused,
                    (2, None) => {
                        let excess = (drawn + line.units - certificate.limit).clamp(0, line.units);
                        self.0.push(Draw {
                            entry: filing.entry,
                            line: line.line,
                            certificate: line.certificate,
                            units: line.units,
                            excess,
                        });
                        LineOutcome::Drawn {
                            excess: weight(excess),
                        }
                    }
                    (1, None) => {
                        counted[line.certificate] += line.units;
                        LineOutcome::Nothing
                    }
                    _ => LineOutcome::Nothing,
                }
            })
            .collect()
    }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (
        0u8..4,
        0..CERTIFICATES,
        0i64..60,
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    );
    proptest::collection::vec(line, 0..6).prop_map(|lines| {
        let mut number = 0;
        lines
            .into_iter()
            .filter_map(
                |(mode, certificate, units, (may_exceed, may_reuse, beside_replaced, present))| {
                    number += 1;
                    present.then_some(Line {
                        line: number,
                        mode: mode.min(2),
                        certificate,
                        units,
                        may_exceed: may_exceed && units % 3 == 0,
                        may_reuse,
                        beside_replaced,
                    })
                },
            )
            .collect()
    })
}

/// Requests of up to three different entries each.
fn requests() -> impl Strategy<Value = Vec<Vec<Filing>>> {
    let filing = (0..ENTRIES, any::<bool>(), lines());
    let request = proptest::collection::vec(filing, 1..4).prop_map(|filings| {
        let mut request: Vec<Filing> = Vec::new();
        for (entry, keep, lines) in filings {
            if request.iter().all(|filing| filing.entry != entry) {
                request.push(Filing { entry, keep, lines });
            }
        }
        request
    });
    proptest::collection::vec(request, 1..12)
}

fn certificates() -> impl Strategy<Value = Vec<Certificate>> {
    let certificate = (0i64..150, any::<bool>()).prop_map(|(limit, single_shipment)| Certificate {
        limit,
        single_shipment,
    });
    proptest::collection::vec(certificate, CERTIFICATES)
}

/// The accounts of a request, as a store would load them.
fn accounts(
    certificates: &[Certificate],
    model: &Model,
    request: &[Filing],
) -> FxHashMap<CertificateNumber, Account> {
    let is_here = |number: u32| request.iter().any(|filing| filing.entry == number);
    certificates
        .iter()
        .enumerate()
        .map(|(place, certificate)| {
            let draws = || model.0.iter().filter(|draw| draw.certificate == place);
            let others = draws()
                .filter(|draw| !is_here(draw.entry))
                .fold(DrawnBy::None, |drawn_by, draw| drawn_by.with(entry(draw.entry)));
            let account = Account::new(
                weight(certificate.limit),
                weight(model.drawn(place)),
                weight(draws().map(|draw| draw.excess).sum()),
                certificate.single_shipment,
                others,
            );
            (number(place), account)
        })
        .collect()
}

fn entry_draws(model: &Model, filing: &Filing) -> EntryDraws {
    EntryDraws {
        entry_number: entry(filing.entry),
        keep_other_lines: filing.keep,
        lines: filing
            .lines
            .iter()
            .map(|line| {
                let take = Take {
                    number: number(line.certificate),
                    weight: weight(line.units),
                    may_exceed: line.may_exceed,
                    may_reuse: line.may_reuse,
                    beside_replaced: line.beside_replaced,
                };
                LineDraw {
                    line_number: line.line,
                    pga_line_number: 1,
                    ask: match line.mode {
                        0 => Ask::Nothing(None),
                        1 => Ask::Count(take),
                        _ => Ask::Draw(take),
                    },
                }
            })
            .collect(),
        own: model
            .0
            .iter()
            .filter(|draw| draw.entry == filing.entry)
            .map(|draw| OwnDraw {
                number: number(draw.certificate),
                line_number: draw.line,
                pga_line_number: 1,
                weight: weight(draw.units),
                excess: weight(draw.excess),
            })
            .collect(),
    }
}

proptest! {
    #[test]
    fn requests_do_what_a_list_of_draws_says(certificates in certificates(), requests in requests()) {
        let mut model = Model::default();
        for request in requests {
            let mut accounts = accounts(&certificates, &model, &request);
            let draws: Vec<EntryDraws> = request.iter().map(|filing| entry_draws(&model, filing)).collect();
            let decisions = decide(&mut accounts, &draws).unwrap();
            prop_assert_eq!(decisions.len(), request.len());
            for ((filing, draws), decision) in request.iter().zip(&draws).zip(decisions) {
                for state in &decision.states {
                    let place = (0..CERTIFICATES).find(|place| number(*place) == state.number).unwrap();
                    prop_assert_eq!(state.drawn, weight(model.drawn(place)));
                    let drawn_by = model
                        .0
                        .iter()
                        .filter(|draw| draw.certificate == place)
                        .fold(DrawnBy::None, |drawn_by, draw| drawn_by.with(entry(draw.entry)));
                    prop_assert_eq!(state.drawn_by, drawn_by);
                }
                for line in filing.lines.iter().filter(|line| line.mode > 0) {
                    let stands = |state: &&AccountState| state.number == number(line.certificate);
                    prop_assert_eq!(decision.states.iter().filter(stands).count(), 1);
                }
                prop_assert_eq!(decision.ended.len(), draws.own.len());
                let before = model.clone();
                prop_assert_eq!(decision.lines, model.file(&certificates, filing));
                let own = before.0.iter().filter(|draw| draw.entry == filing.entry);
                for (draw, ended) in own.zip(decision.ended) {
                    prop_assert_eq!(ended, !filing.keep || filing.lines.iter().any(|line| line.line == draw.line));
                }
            }
            for (place, certificate) in certificates.iter().enumerate() {
                let account = &accounts[&number(place)];
                let marked: i64 = model
                    .0
                    .iter()
                    .filter(|draw| draw.certificate == place)
                    .map(|draw| draw.excess)
                    .sum();
                prop_assert_eq!(account.drawn, weight(model.drawn(place)));
                prop_assert_eq!(account.marked, weight(marked));
                // Where the limit stays what it is, all that is past it is on some draw's account.
                prop_assert_eq!(account.excess(), weight(marked));
                prop_assert!(model.drawn(place) <= certificate.limit + marked);
            }
        }
    }
}

fn take(units: i64) -> Take {
    Take {
        number: number(0),
        weight: weight(units),
        may_exceed: false,
        may_reuse: false,
        beside_replaced: false,
    }
}

fn one_account(limit: i64, drawn: i64) -> FxHashMap<CertificateNumber, Account> {
    let account = Account::new(
        weight(limit),
        weight(drawn),
        Weight::ZERO,
        false,
        DrawnBy::Several,
    );
    FxHashMap::from_iter([(number(0), account)])
}

fn asking(asks: &[Ask]) -> EntryDraws {
    EntryDraws {
        entry_number: entry(1),
        keep_other_lines: true,
        lines: (1..)
            .zip(asks)
            .map(|(line_number, ask)| LineDraw {
                line_number,
                pga_line_number: 1,
                ask: *ask,
            })
            .collect(),
        own: Vec::new(),
    }
}

#[test]
fn a_line_that_is_only_counted_leaves_less_for_later_lines_of_its_entry_alone() {
    let mut accounts = one_account(100, 0);
    let first = asking(&[Ask::Count(take(60)), Ask::Draw(take(50)), Ask::Draw(take(40))]);
    let second = EntryDraws {
        entry_number: entry(2),
        ..asking(&[Ask::Draw(take(60))])
    };
    let decisions = decide(&mut accounts, &[first, second]).unwrap();
    let drawn = LineOutcome::Drawn { excess: Weight::ZERO };
    assert_eq!(
        decisions[0].lines,
        [LineOutcome::Nothing, LineOutcome::Exceeded, drawn]
    );
    assert_eq!(decisions[1].lines, [drawn]);
}

#[test]
fn what_a_lowered_limit_leaves_past_itself_is_excess_on_no_draws_account() {
    let mut accounts = one_account(40, 60);
    assert_eq!(accounts[&number(0)].excess(), weight(20));
    let permitted = Take {
        may_exceed: true,
        ..take(5)
    };
    let decisions = decide(
        &mut accounts,
        &[asking(&[Ask::Draw(take(0)), Ask::Draw(permitted)])],
    )
    .unwrap();
    // Not even nothing can be drawn where less than nothing is left.
    assert_eq!(
        decisions[0].lines,
        [LineOutcome::Exceeded, LineOutcome::Drawn { excess: weight(5) }]
    );
    let account = &accounts[&number(0)];
    assert_eq!((account.marked, account.excess()), (weight(5), weight(25)));
    assert_eq!(past(account.limit, account.drawn), weight(25));
}

#[test]
fn no_permission_reaches_the_end_of_the_numbers() {
    let mut accounts = one_account(0, 0);
    let permitted = Take {
        may_exceed: true,
        ..take(Weight::MAX.units())
    };
    let decisions = decide(&mut accounts, &[asking(&[Ask::Draw(permitted); 101])]).unwrap();
    let (fit, rest) = decisions[0].lines.split_at(100);
    assert!(
        fit.iter()
            .all(|outcome| matches!(outcome, LineOutcome::Drawn { .. }))
    );
    assert_eq!(rest, [LineOutcome::Exceeded]);
}

#[test]
fn an_unknown_certificate_is_named() {
    let refused = decide(&mut FxHashMap::default(), &[asking(&[Ask::Draw(take(1))])]).unwrap_err();
    assert_eq!(refused.0, number(0));
}
