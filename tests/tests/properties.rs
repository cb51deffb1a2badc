//! What holds for every line, however odd, and however a run of lines is cut.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::sync::LazyLock;

use nopic_domain::entry::{EntryLine, NormalisedLine, Treatment};
use nopic_domain::rules::{EntryRun, Judgement, Outcome};
use nopic_tests::cases::{CaseWorld, CertificatesAnswer, Files, RegistryAnswer};
use nopic_tests::world::World;
use proptest::prelude::*;
use proptest::sample::select;

/// One world with everything in reach, one without each service, and one without any.
struct Worlds {
    whole: World,
    lacking: [(&'static str, World); 3],
}

static WORLDS: LazyLock<Worlds> = LazyLock::new(|| {
    let files = Files::own().unwrap();
    let world = |registry, certificates| {
        let links = [("98-7654321AA", "7770000001"), ("98-7654321AB", "7770000003")];
        files
            .world(&CaseWorld {
                registry,
                certificates,
                links: links
                    .map(|(number, operation)| (number.to_owned(), operation.to_owned()))
                    .into(),
                ..CaseWorld::default()
            })
            .unwrap()
    };
    Worlds {
        whole: world(RegistryAnswer::Answers, CertificatesAnswer::Answers),
        lacking: [
            (
                "no registry",
                world(RegistryAnswer::Unavailable, CertificatesAnswer::Answers),
            ),
            (
                "no certificates",
                world(RegistryAnswer::Answers, CertificatesAnswer::Unavailable),
            ),
            (
                "nothing",
                world(RegistryAnswer::Empty, CertificatesAnswer::Unavailable),
            ),
        ],
    }
});

/// The entry that has draws on record against `555-5550000001-000022`, and others.
const ENTRIES: [&str; 3] = ["ZZ991000227", "zz9-9100022-7", "ZZ991000151"];

/// Texts that no field expects.
fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,24}",
        any::<String>(),
        "[ \u{a0}\u{3000}\u{2010}\u{2212}\u{ff0d}0-9A-Za-z-]{0,24}",
        Just("٣".repeat(10)),
        Just("9".repeat(4_000)),
    ]
}

/// One of the good texts nearly always; else none, or something odd.
fn mostly(good: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        60 => select(good).prop_map(|text| Some(text.to_owned())),
        2 => Just(None),
        1 => odd().prop_map(Some),
    ]
}

/// None nearly always.
fn seldom(good: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        40 => Just(None),
        8 => select(good).prop_map(|text| Some(text.to_owned())),
        1 => odd().prop_map(Some),
    ]
}

prop_compose! {
    fn treatment()(
        prohibited_substance in proptest::option::of(any::<bool>()),
        irradiated in proptest::option::of(any::<bool>()),
        emergency_action_notice in proptest::option::of(any::<bool>()),
    ) -> Treatment {
        Treatment { verified: None, prohibited_substance, irradiated, emergency_action_notice }
    }
}

prop_compose! {
    fn parties()(
        importer_nop_id in mostly(&["7770000001", "7770000003", "7770000002", "7770000099", ""]),
        exporter_nop_id in mostly(&["5550000001", "5550000001", "5550000002", "5550000099"]),
        importer_of_record in seldom(&["98-7654321AA", "98-7654321AB"]),
        country_of_origin in mostly(&["PE", "ec", "DE"]),
        country_of_export in mostly(&["PE", "MX", "DE"]),
    ) -> EntryLine {
        EntryLine {
            importer_nop_id,
            exporter_nop_id,
            importer_of_record,
            country_of_origin,
            country_of_export,
            ..EntryLine::default()
        }
    }
}

prop_compose! {
    fn goods()(
        hts_code in mostly(&["0901110015", "0901.11.0025", "09011100", "0902100010", "2106909998"]),
        certificate_number in mostly(&[
            "555-5550000001-000022", "555-5550000001-000022", "555\u{2013}5550000001\u{2013}000022",
            "555-5550000001-000021", "555-5550000001-000021", "555-5550000001-000018",
            "555-5550000001-000006", "555-5550000001-000999", "555-5550000001-000103", "999-999-T", "010-420-L",
            "333-550-R",
        ]),
        net_weight_kg in mostly(&["10", "20", "30.0001", "60", "100", "0.0001", "0"]),
        lots in proptest::collection::vec(prop_oneof![3 => Just("LOT-1".to_owned()), 1 => odd()], 0..2),
        treatment in proptest::option::weighted(0.1, treatment()),
        disposition in seldom(&["DONATION", "RECONDITION", "REEXPORT"]),
    ) -> EntryLine {
        EntryLine { hts_code, certificate_number, net_weight_kg, lots, treatment, disposition, ..EntryLine::default() }
    }
}

prop_compose! {
    fn line(entry_number: String, entry_action: Option<String>)(
        parties in parties(),
        goods in goods(),
        line_number in prop_oneof![1 => Just(0u32), 40 => 1u32..6],
        pga_line_number in proptest::option::of(1u32..3),
        entry_date in mostly(&["2025-11-03", "2025-11-03", "2024-10-01", "2024-06-03", "2024-01-31", "2026-05-01"]),
        export_date in seldom(&["2024-01-20", "2024-01-20", "2026-07-01"]),
        message_set in mostly(&["OR2", "OR2", "OR2", "OR2", "OR1", "NONE"]),
        disclaimer_code in seldom(&["A", "B"]),
        organic_claim in proptest::option::of(any::<bool>()),
        port_of_entry in seldom(&["5301"]),
        description in seldom(&["green coffee"]),
    ) -> EntryLine {
        EntryLine {
            entry_number: entry_number.clone(),
            entry_action: entry_action.clone(),
            line_number,
            pga_line_number,
            entry_date,
            export_date,
            message_set,
            disclaimer_code,
            organic_claim,
            port_of_entry,
            description,
            importer_nop_id: parties.importer_nop_id,
            exporter_nop_id: parties.exporter_nop_id,
            importer_of_record: parties.importer_of_record,
            country_of_origin: parties.country_of_origin,
            country_of_export: parties.country_of_export,
            ..goods
        }
    }
}

/// The lines of one entry, in one form of its number.
fn entry() -> impl Strategy<Value = Vec<NormalisedLine>> {
    let number = prop_oneof![8 => select(&ENTRIES[..]).prop_map(str::to_owned), 1 => odd()];
    let action = seldom(&["REPLACE", "ADD", "DELETE"]);
    (number, action)
        .prop_flat_map(|(number, action)| proptest::collection::vec(line(number, action), 1..9))
        .prop_map(|lines| lines.into_iter().map(EntryLine::normalise).collect())
}

/// Announces and judges the lines as a stream does: batches of these sizes, and no line before its time.
fn judge_piecewise(world: &World, lines: &[NormalisedLine], cuts: &[usize]) -> Vec<Judgement> {
    let mut run = EntryRun::default();
    let mut judgements = Vec::new();
    let (mut announced, mut judged) = (0, 0);
    let mut sizes = cuts.iter().copied().chain(std::iter::repeat(1));
    while judged < lines.len() {
        let batch = sizes.next().unwrap_or(1).min(lines.len() - announced);
        run.announce(&lines[announced..announced + batch]);
        announced += batch;
        let is_whole = announced == lines.len();
        let ready = lines[judged..announced]
            .iter()
            .take_while(|line| is_whole || !run.must_wait(line, world))
            .count();
        run.judge(
            &lines[judged..judged + ready],
            &world.policy,
            &world.flags,
            world,
            &mut judgements,
        );
        judged += ready;
    }
    judgements
}

fn judge_at_once(world: &World, lines: &[NormalisedLine]) -> Vec<Judgement> {
    world
        .judge(lines.to_vec())
        .into_iter()
        .map(|(_, judgement)| judgement)
        .collect()
}

/// The certificates and entries that the random lines name are those of the cases, else they would test little.
#[test]
fn the_random_lines_meet_recorded_draws_and_every_outcome() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let world = &WORLDS.whole;
    let mut runner = TestRunner::deterministic();
    let (mut outcomes, mut waits) = (std::collections::HashSet::new(), 0);
    let mut codes = std::collections::HashSet::new();
    for _ in 0..400 {
        let lines = entry().new_tree(&mut runner).unwrap().current();
        let run = EntryRun::default();
        waits += usize::from(lines.iter().any(|line| run.must_wait(line, world)));
        for judgement in judge_at_once(world, &lines) {
            outcomes.insert(judgement.outcome);
            codes.extend(judgement.findings.iter().map(|finding| finding.code));
        }
    }
    assert!(outcomes.len() >= 3, "{outcomes:?}");
    assert!(waits > 50, "{waits}");
    assert!(codes.len() > 35, "{codes:?}");
}

proptest! {
    // Four times the usual number.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases * 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_verdict_does_not_depend_on_how_a_run_is_cut(
        lines in entry(),
        cuts in proptest::collection::vec(0usize..4, 0..8),
    ) {
        for world in std::iter::once(&WORLDS.whole).chain(WORLDS.lacking.iter().map(|(_, world)| world)) {
            prop_assert_eq!(judge_piecewise(world, &lines, &cuts), judge_at_once(world, &lines));
        }
    }

    #[test]
    fn what_is_not_known_is_never_a_yes(lines in entry()) {
        let whole = judge_at_once(&WORLDS.whole, &lines);
        for (name, world) in &WORLDS.lacking {
            for (index, (lacking, whole)) in judge_at_once(world, &lines).iter().zip(&whole).enumerate() {
                if whole.outcome == Outcome::Reject {
                    prop_assert!(
                        matches!(lacking.outcome, Outcome::Reject | Outcome::Indeterminate),
                        "{}, line {}: {:?} instead of {:?}", name, index, lacking, whole
                    );
                }
            }
        }
    }

    #[test]
    fn a_line_alone_is_judged_like_a_run_of_one(lines in entry()) {
        let world = &WORLDS.whole;
        for line in &lines {
            let alone = std::slice::from_ref(line);
            prop_assert_eq!(judge_piecewise(world, alone, &[]), judge_at_once(world, alone));
        }
    }

    #[test]
    fn every_finding_can_be_said(lines in entry()) {
        let world = &WORLDS.whole;
        for judgement in judge_at_once(world, &lines) {
            for finding in &judgement.findings {
                let message = world.policy.message(finding);
                prop_assert!(!message.is_empty() && !message.contains(char::is_control), "{}", message);
                prop_assert!(!world.policy.field(finding).is_empty());
            }
        }
    }

    #[test]
    fn a_line_is_normalised_once_and_stays_so(
        texts in proptest::collection::vec(odd(), 20),
        lots in proptest::collection::vec(odd(), 0..3),
    ) {
        let mut texts = texts.into_iter();
        let mut text = || texts.next();
        let line = EntryLine {
            entry_number: text().unwrap_or_default(),
            entry_action: text(),
            line_number: 1,
            pga_line_number: None,
            entry_date: text(),
            importation_date: text(),
            arrival_date: text(),
            export_date: text(),
            importer_of_record: text(),
            importer_nop_id: text(),
            exporter_nop_id: text(),
            hts_code: text(),
            article_set: text(),
            description: text(),
            organic_claim: None,
            message_set: text(),
            disclaimer_code: text(),
            certificate_number: text(),
            net_weight_kg: text(),
            further_certificate_numbers: lots.clone(),
            lots,
            country_of_origin: text(),
            country_of_export: text(),
            port_of_entry: text(),
            disposition: text(),
            treatment: None,
        };
        let once = line.normalise();
        let twice = once.clone().into_inner().normalise();
        prop_assert_eq!(once, twice);
    }
}
