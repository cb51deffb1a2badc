//! What an import changes at one certificate: pure, so that it is tested without a database.

use nopic_domain::certificate::{Certificate, Draw};
use nopic_domain::identifier::EntryNumber;
use nopic_domain::ledger::{mark_excess, past};
use nopic_domain::weight::Weight;
use rustc_hash::FxHashSet;

/// A certificate as it was read from the file.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    pub(crate) certificate: Certificate,
    /// Absent: the file says nothing about draws.
    pub(crate) draws: Option<Vec<Draw>>,
}

/// A draw that an import brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportedDraw {
    pub(crate) draw: Draw,
    /// The part of it past the limit.
    pub(crate) excess: Weight,
    /// Who imported it.
    pub(crate) tenant: String,
}

/// The sums of what filing drew on a certificate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filed {
    pub(crate) drawn: Weight,
    pub(crate) excess: Weight,
    pub(crate) count: u32,
    /// The least and greatest entry number.
    pub(crate) first_drawer: Option<EntryNumber>,
    pub(crate) last_drawer: Option<EntryNumber>,
    /// The tenant that drew; absent where several did.
    pub(crate) tenant: Option<String>,
    /// Whose draws the importing tenant filed itself: the file's statement of them is no other draw.
    pub(crate) lines: FxHashSet<DrawnLine>,
}

/// Entry number, line and PGA line.
pub(crate) type DrawnLine = (EntryNumber, u32, u32);

/// What is held of a certificate already.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) certificate: Certificate,
    pub(crate) version: u32,
    /// The draws that earlier imports brought, in the order in which they did.
    pub(crate) imported: Vec<ImportedDraw>,
    pub(crate) filed: Filed,
    /// Whether a step here voided or superseded it, once.
    pub(crate) was_ended_here: bool,
}

/// The sums over all draws of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportedLedger {
    pub(crate) limit: Weight,
    pub(crate) drawn: Weight,
    /// What may be drawn past the limit.
    pub(crate) excess: Weight,
    /// The part of it that is marked on draws.
    pub(crate) marked: Weight,
    pub(crate) draw_count: u32,
    pub(crate) first_drawer: Option<EntryNumber>,
    pub(crate) last_drawer: Option<EntryNumber>,
    /// The tenant that drew; absent where several did.
    pub(crate) drawer_tenant: Option<String>,
}

impl ImportedLedger {
    /// How much more is drawn than the limit allows, where it is more.
    pub(crate) fn past_limit(&self) -> Option<Weight> {
        Some(past(self.limit, self.drawn)).filter(|past| *past > Weight::ZERO)
    }
}

/// What there is to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) version: u32,
    /// Whether the certificate itself is new or states something else than before.
    pub(crate) new_version: bool,
    /// The imported draws from now on, where they differ from those before.
    pub(crate) draws: Option<Vec<ImportedDraw>>,
    pub(crate) ledger: ImportedLedger,
}

/// What follows from a file's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It says nothing new.
    Unchanged,
    /// It would bring back what a step here has ended, or says that it ended otherwise.
    Refused,
    /// It is to be written.
    Change(Change),
}

/// Whether what is known as voided or superseded is alive by the file, or ended otherwise: its draws moved to its
/// successor, and would stand twice.
pub(crate) fn contradicts_end(stated: &Stated, known: &Known) -> bool {
    let end = |certificate: &Certificate| (certificate.status, certificate.superseded_by);
    known.certificate.status.is_ended() && end(&stated.certificate) != end(&known.certificate)
}

/// Decides what follows from a file's statement.
pub(crate) fn decide(stated: &Stated, known: Option<&Known>, tenant: &str) -> Decision {
    if known.is_some_and(|known| known.was_ended_here && contradicts_end(stated, known)) {
        return Decision::Refused;
    }
    let before: &[ImportedDraw] = known.map_or(&[], |known| &known.imported);
    let filed = known.map(|known| known.filed.clone()).unwrap_or_default();
    let limit = stated.certificate.total_weight_kg;
    let draws = imported_from_now_on(stated, before, &filed, tenant);
    let new_version = known.is_none_or(|known| known.certificate != stated.certificate);
    // Also where filing drew since, so that other draws would be past the limit if all came anew.
    if !new_version && draws == before {
        return Decision::Unchanged;
    }
    let draws = mark(limit, filed.drawn, draws);
    let draws_differ = draws != before;
    Decision::Change(Change {
        version: known.map_or(0, |known| known.version) + u32::from(new_version),
        new_version,
        ledger: ledger(limit, &filed, &draws),
        draws: draws_differ.then_some(draws),
    })
}

/// The file's draws replace the earlier imported ones; those that it states unchanged, whatever their order, stay.
fn imported_from_now_on(
    stated: &Stated,
    before: &[ImportedDraw],
    filed: &Filed,
    tenant: &str,
) -> Vec<ImportedDraw> {
    let by_line = |draw: &Draw| (draw.entry_number, draw.line_number, draw.pga_line_number);
    match &stated.draws {
        None => before.to_vec(),
        Some(draws) => {
            // What filing recorded counts once, and as filing recorded it.
            let draws: Vec<Draw> = draws
                .iter()
                .filter(|draw| !filed.lines.contains(&by_line(draw)))
                .copied()
                .collect();
            let mut now = draws.clone();
            let mut then: Vec<Draw> = before.iter().map(|imported| imported.draw).collect();
            now.sort_unstable_by_key(by_line);
            then.sort_unstable_by_key(by_line);
            if now == then {
                return before.to_vec();
            }
            draws
                .iter()
                .map(|draw| ImportedDraw {
                    draw: *draw,
                    excess: Weight::ZERO,
                    tenant: tenant.to_owned(),
                })
                .collect()
        }
    }
}

fn mark(limit: Weight, filed: Weight, mut draws: Vec<ImportedDraw>) -> Vec<ImportedDraw> {
    let weights: Vec<Weight> = draws.iter().map(|imported| imported.draw.weight_kg).collect();
    for (imported, excess) in draws.iter_mut().zip(mark_excess(limit, filed, &weights)) {
        imported.excess = excess;
    }
    draws
}

fn ledger(limit: Weight, filed: &Filed, draws: &[ImportedDraw]) -> ImportedLedger {
    let sum = |start: Weight, of: fn(&ImportedDraw) -> Weight| {
        draws
            .iter()
            .fold(start, |sum, imported| sum.saturating_add(of(imported)))
    };
    let drawn = sum(filed.drawn, |imported| imported.draw.weight_kg);
    let marked = sum(filed.excess, |imported| imported.excess);
    let entries = || draws.iter().map(|imported| imported.draw.entry_number);
    ImportedLedger {
        limit,
        drawn,
        // A new version may allow less than filing has drawn already: that is on no draw's account.
        excess: marked.max(past(limit, drawn)),
        marked,
        draw_count: filed
            .count
            .saturating_add(u32::try_from(draws.len()).unwrap_or(u32::MAX)),
        first_drawer: entries().chain(filed.first_drawer).min(),
        last_drawer: entries().chain(filed.last_drawer).max(),
        drawer_tenant: drawer_tenant(filed, draws),
    }
}

fn drawer_tenant(filed: &Filed, draws: &[ImportedDraw]) -> Option<String> {
    let mut tenants = draws.iter().map(|imported| &imported.tenant);
    let tenant = if filed.count == 0 {
        tenants.next()
    } else {
        filed.tenant.as_ref()
    }?;
    tenants.all(|other| other == tenant).then(|| tenant.clone())
}

#[cfg(test)]
mod tests {
    use nopic_domain::certificate::{CertificateKind, CertificateStatus};

    use super::*;

    fn certificate(total: i64) -> Certificate {
        Certificate {
            number: "012-0120000001-000001".parse().unwrap(),
            status: CertificateStatus::Requested,
            superseded_by: None,
            certifier_id: "012".parse().unwrap(),
            exporter_nop_id: "0120000001".parse().unwrap(),
            importer_nop_id: "0120000002".parse().unwrap(),
            final_handler_nop_id: None,
            product: None,
            hts_code: "080221".parse().unwrap(),
            kind: CertificateKind::TimeFrame,
            issued_on: None,
            valid_from: None,
            valid_to: None,
            total_weight_kg: Weight::from_units(total),
            countries_of_origin: Vec::new(),
            lots: Vec::new(),
        }
    }

    fn draw(entry: u32, units: i64) -> Draw {
        Draw {
            entry_number: EntryNumber::from_parts("B76", entry).unwrap(),
            line_number: 1,
            pga_line_number: 1,
            weight_kg: Weight::from_units(units),
        }
    }

    fn imported(entry: u32, units: i64, excess: i64) -> ImportedDraw {
        ImportedDraw {
            draw: draw(entry, units),
            excess: Weight::from_units(excess),
            tenant: "ours".into(),
        }
    }

    fn known(total: i64, imported: Vec<ImportedDraw>, filed: Filed) -> Known {
        Known {
            certificate: certificate(total),
            version: 3,
            imported,
            filed,
            was_ended_here: false,
        }
    }

    fn changed(stated: &Stated, known: &Known, tenant: &str) -> Change {
        match decide(stated, Some(known), tenant) {
            Decision::Change(change) => change,
            other => panic!("{other:?}"),
        }
    }

    fn stated(total: i64, draws: Option<Vec<Draw>>) -> Stated {
        Stated {
            certificate: certificate(total),
            draws,
        }
    }

    /// One entry of another tenant, 60 units, of which 10 were permitted past the limit.
    fn filed() -> Filed {
        Filed {
            drawn: Weight::from_units(60),
            excess: Weight::from_units(10),
            count: 2,
            first_drawer: EntryNumber::from_parts("B76", 5),
            last_drawer: EntryNumber::from_parts("B76", 5),
            tenant: Some("others".into()),
            lines: FxHashSet::default(),
        }
    }

    #[test]
    fn what_filing_drew_stays_and_counts_first() {
        let known = known(100, vec![imported(1, 30, 0)], filed());
        let change = changed(&stated(100, Some(vec![draw(7, 30), draw(8, 20)])), &known, "ours");
        assert!(!change.new_version);
        assert_eq!(change.version, 3);
        assert_eq!(change.draws, Some(vec![imported(7, 30, 0), imported(8, 20, 10)]));
        assert_eq!(
            change.ledger,
            ImportedLedger {
                limit: Weight::from_units(100),
                drawn: Weight::from_units(110),
                excess: Weight::from_units(20),
                marked: Weight::from_units(20),
                draw_count: 4,
                first_drawer: EntryNumber::from_parts("B76", 5),
                last_drawer: EntryNumber::from_parts("B76", 8),
                // Several drew.
                drawer_tenant: None,
            }
        );
    }

    #[test]
    fn a_line_that_was_filed_is_not_drawn_again() {
        let filed = Filed {
            lines: [(draw(5, 60).entry_number, 1, 1)].into_iter().collect(),
            ..filed()
        };
        let known = known(100, vec![imported(1, 30, 0)], filed);
        let change = changed(&stated(100, Some(vec![draw(5, 61), draw(1, 31)])), &known, "ours");
        assert_eq!(change.draws, Some(vec![imported(1, 31, 0)]));
        assert_eq!(change.ledger.drawn, Weight::from_units(91));
        let same = stated(100, Some(vec![draw(5, 61), draw(1, 30)]));
        assert_eq!(decide(&same, Some(&known), "ours"), Decision::Unchanged);
    }

    #[test]
    fn a_version_that_allows_less_than_was_drawn_is_possible() {
        let known = known(100, Vec::new(), filed());
        let change = changed(&stated(40, None), &known, "ours");
        assert!(change.new_version);
        assert_eq!((change.version, change.draws), (4, None));
        assert_eq!(change.ledger.excess, Weight::from_units(20));
        assert_eq!(change.ledger.marked, Weight::from_units(10));
        assert_eq!(change.ledger.drawer_tenant.as_deref(), Some("others"));
    }

    #[test]
    fn the_same_draws_in_another_order_are_the_same() {
        let known = known(100, vec![imported(1, 30, 0), imported(2, 5, 0)], Filed::default());
        let same = stated(100, Some(vec![draw(2, 5), draw(1, 30)]));
        assert_eq!(decide(&same, Some(&known), "another"), Decision::Unchanged);
        assert_eq!(
            decide(&stated(100, None), Some(&known), "another"),
            Decision::Unchanged
        );
    }

    #[test]
    fn draws_that_a_new_limit_turns_into_excess_are_marked_anew_and_stay_their_tenants() {
        let known = known(100, vec![imported(1, 30, 0), imported(2, 5, 0)], Filed::default());
        let change = changed(&stated(32, None), &known, "another");
        assert_eq!(change.draws, Some(vec![imported(1, 30, 0), imported(2, 5, 3)]));
        assert_eq!(change.ledger.excess, Weight::from_units(3));
    }

    #[test]
    fn the_same_content_again_changes_nothing_whatever_was_filed_since() {
        let known = known(100, vec![imported(1, 60, 0)], filed());
        let same = stated(100, Some(vec![draw(1, 60)]));
        assert_eq!(decide(&same, Some(&known), "ours"), Decision::Unchanged);
    }

    #[test]
    fn what_a_step_ended_is_not_brought_back_nor_ended_otherwise() {
        let ended = |status, was_ended_here| Known {
            certificate: Certificate {
                status,
                ..certificate(100)
            },
            was_ended_here,
            ..known(100, Vec::new(), Filed::default())
        };
        let states = |status| Stated {
            certificate: Certificate {
                status,
                ..certificate(90)
            },
            draws: None,
        };
        for before in [CertificateStatus::Voided, CertificateStatus::Superseded] {
            for now in CertificateStatus::ALL {
                let decided = decide(&states(now), Some(&ended(before, true)), "ours");
                assert_eq!(decided == Decision::Refused, now != before, "{before:?} {now:?}");
                let imported = decide(&states(now), Some(&ended(before, false)), "ours");
                assert!(matches!(imported, Decision::Change(_)));
            }
        }
        let mut by_another = states(CertificateStatus::Superseded);
        by_another.certificate.superseded_by = Some("012-0120000001-000077".parse().unwrap());
        let known = ended(CertificateStatus::Superseded, true);
        assert_eq!(decide(&by_another, Some(&known), "ours"), Decision::Refused);
    }
}
