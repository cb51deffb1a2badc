//! An accepted line costs no allocation: at volume the rules must not wait for the allocator.

mod support;

use allocation_counter::measure;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::rules::{EntryRun, Judgement, Outcome, judge_entry};

use support::{World, entry_line, sound_line};

#[test]
fn an_accepted_line_allocates_nothing() {
    let world = World::new();
    let line = sound_line(7);
    let mut judgements = Vec::with_capacity(1);
    let allocations = measure(|| {
        judge_entry(
            std::slice::from_ref(&line),
            &world.policy,
            &world.flags,
            &world,
            &mut judgements,
        );
    });
    assert_accepted(&judgements, 1);
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn an_accepted_line_of_a_longer_entry_allocates_nothing_of_its_own() {
    // What a run allocates, it allocates for its sets as they grow: eight lines or a thousand differ by the growth.
    let world = World::new();
    let allocations_of = |count: u32| {
        let lines: Vec<NormalisedLine> = (1..=count)
            .map(|number| {
                let mut line = entry_line(7);
                line.line_number = number;
                line.net_weight_kg = Some("1".to_owned());
                line.normalise()
            })
            .collect();
        let mut run = EntryRun::default();
        let mut judgements = Vec::with_capacity(lines.len());
        run.announce(&lines);
        let allocations = measure(|| {
            run.judge(&lines, &world.policy, &world.flags, &world, &mut judgements);
        });
        assert_accepted(&judgements, lines.len());
        allocations.count_total
    };
    // One set that doubles, and one map with one certificate.
    assert!(allocations_of(8) <= 4, "{}", allocations_of(8));
    assert!(allocations_of(1_000) <= 12, "{}", allocations_of(1_000));
}

#[test]
fn normalising_a_sound_line_allocates_nothing() {
    let line = entry_line(7);
    let mut normalised = None;
    let allocations = measure(|| normalised = Some(line.normalise()));
    assert!(normalised.is_some());
    assert_eq!(allocations.count_total, 0);
}

fn assert_accepted(judgements: &[Judgement], count: usize) {
    assert_eq!(judgements.len(), count);
    for judgement in judgements {
        assert_eq!(judgement.outcome, Outcome::Accept, "{judgement:?}");
        assert!(judgement.findings.is_empty(), "{judgement:?}");
        assert_eq!(judgement.certificate_version, Some(1));
    }
}
