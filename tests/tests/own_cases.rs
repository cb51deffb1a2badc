//! The project's own cases: every code of the rules in every phase, with verdicts written by hand.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;

use nopic_domain::finding::Code;
use nopic_tests::cases::{Expected, Files};

/// What cannot occur, and why.
const CANNOT_OCCUR: [(&str, &str, &str); 2] = [
    (
        "RECONDITIONING_NOT_ALLOWED",
        "VOLUNTARY",
        "reconditioning ended in the strict phase",
    ),
    (
        "RECONDITIONING_NOT_ALLOWED",
        "MANDATORY",
        "reconditioning ended in the strict phase",
    ),
];

/// What the shipped policy alone never finds: it knows no special code with the effect `EXEMPT`.
const ONLY_WITH_A_PATCHED_POLICY: [&str; 2] = ["SPECIAL_CODE_ACCEPTED", "SPECIAL_CODE_NOT_IN_FORCE"];

#[test]
fn the_rules_give_the_verdicts_that_were_written_by_hand() {
    let files = Files::own().unwrap();
    let cases = files.cases().unwrap();
    let worlds = files.worlds(&cases).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let world = worlds.of(case);
        let judged = world.judge(case.normalised_lines().unwrap());
        assert_eq!(judged.len(), case.expected.len(), "{}", case.name);
        for (index, ((line, judgement), expected)) in judged.iter().zip(&case.expected).enumerate() {
            let found = expected.of(line, judgement, &world.policy);
            if found != *expected {
                wrong.push(format!(
                    "{}, line {index}:\n  found    {found:?}\n  expected {expected:?}",
                    case.name
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of the verdicts:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_code_is_covered_in_every_phase_in_which_it_can_occur() {
    let files = Files::own().unwrap();
    let cases = files.cases().unwrap();
    let found: BTreeSet<(&str, &str)> = cases
        .iter()
        .flat_map(|case| &case.expected)
        .flat_map(|expected| {
            expected
                .codes
                .iter()
                .map(|code| (code.as_str(), expected.policy.as_str()))
        })
        .collect();
    let phases = ["VOLUNTARY", "MANDATORY", "STRICT"];
    let all: BTreeSet<(&str, &str)> = Code::ALL
        .iter()
        .flat_map(|code| phases.map(|phase| (code.as_str(), phase)))
        .collect();
    let impossible: BTreeSet<(&str, &str)> = CANNOT_OCCUR
        .iter()
        .map(|(code, phase, _)| (*code, *phase))
        .collect();
    let missing: Vec<_> = all
        .difference(&found)
        .filter(|pair| !impossible.contains(pair))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
    let unknown: Vec<_> = found.difference(&all).collect();
    assert!(
        unknown.is_empty(),
        "the cases expect what there is not: {unknown:?}"
    );
    let possible: Vec<_> = found.intersection(&impossible).collect();
    assert!(
        possible.is_empty(),
        "said to be impossible, yet shown: {possible:?}"
    );
    assert_eq!(found.len(), 62 * 3 - CANNOT_OCCUR.len());
}

#[test]
fn what_needs_a_patched_policy_is_shown_with_one_only() {
    for case in nopic_tests::cases::cases() {
        let needs = case
            .expected
            .iter()
            .flat_map(|expected| &expected.codes)
            .any(|code| ONLY_WITH_A_PATCHED_POLICY.contains(&code.as_str()));
        assert!(
            !needs || !case.world.policy_patch.special_codes.is_empty(),
            "{}",
            case.name
        );
    }
}

/// The verdict and the remedies of a case follow from its findings as RULES.md says: a slip of the pen is found
/// without asking the program.
#[test]
fn the_cases_are_sound_in_themselves() {
    let mut names = BTreeSet::new();
    for case in nopic_tests::cases::cases() {
        assert!(
            names.insert(case.name.clone()),
            "two cases are called {:?}",
            case.name
        );
        for Expected {
            verdict,
            codes,
            severities,
            remedies,
            policy,
            ..
        } in &case.expected
        {
            let any = |severity: &str| severities.iter().any(|other| other == severity);
            let follows = match () {
                () if any("REJECT") => "REJECT",
                () if any("INDETERMINATE") => "INDETERMINATE",
                () if any("WARNING") => "WARN",
                () => "ACCEPT",
            };
            assert_eq!(verdict, follows, "{}", case.name);
            assert_eq!(codes.len(), severities.len(), "{}", case.name);
            assert_eq!(
                !remedies.is_empty(),
                verdict == "REJECT" && policy == "STRICT",
                "{}",
                case.name
            );
        }
    }
}
