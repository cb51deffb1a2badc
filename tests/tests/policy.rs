//! The policy is data: a changed file changes the verdicts, and nothing is built anew.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nopic_domain::finding::Severity;
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::rules::{Judgement, Outcome};
use nopic_tests::cases::{Case, CaseWorld, Files};
use nopic_tests::world::World;

const YEARS: u32 = 10;

fn moved_by_ten_years() -> Files {
    Files::own().unwrap().moved_by_years(YEARS)
}

/// The only line of a named case, judged in a world.
fn judge_case(world: &World, cases: &[Case], name: &str) -> Judgement {
    let case = cases.iter().find(|case| case.name == name).unwrap();
    let mut judged = world.judge(case.normalised_lines().unwrap());
    assert_eq!(judged.len(), 1, "{name}");
    judged.remove(0).1
}

#[test]
fn with_every_date_moved_the_verdicts_stay() {
    let files = moved_by_ten_years();
    assert_eq!(files.policy.matches("2034-09-19").count(), 1);
    assert!(
        !files.policy.contains("2024-09-19"),
        "a date of the policy stayed"
    );
    let cases = files.cases().unwrap();
    let worlds = files.worlds(&cases).unwrap();
    let mut judged = 0;
    for case in &cases {
        let world = worlds.of(case);
        for ((line, judgement), expected) in world
            .judge(case.normalised_lines().unwrap())
            .iter()
            .zip(&case.expected)
        {
            assert_eq!(
                &expected.of(line, judgement, &world.policy),
                expected,
                "{}",
                case.name
            );
            judged += 1;
        }
    }
    assert!(judged > 400, "{judged}");
}

#[test]
fn with_only_the_policy_moved_lines_fall_into_another_phase() {
    let mut files = Files::own().unwrap();
    files.policy = moved_by_ten_years().policy;
    let cases = files.cases().unwrap();
    let worlds = files.worlds(&cases).unwrap();
    let mut rejected_no_more = 0;
    for case in &cases {
        let world = worlds.of(case);
        for ((line, judgement), expected) in world
            .judge(case.normalised_lines().unwrap())
            .iter()
            .zip(&case.expected)
        {
            let phase = if line.rules_date().is_some() {
                "VOLUNTARY"
            } else {
                "STRICT"
            };
            assert_eq!(world.policy.phase(judgement.phase).name, phase, "{}", case.name);
            if expected.verdict == "REJECT" && judgement.outcome != Outcome::Reject {
                rejected_no_more += 1;
            }
        }
    }
    assert!(rejected_no_more > 100, "{rejected_no_more}");
}

#[test]
fn reconditioning_and_the_remedy_end_where_the_policy_says() {
    let text = SHIPPED.replace("to = \"2025-09-30\"", "to = \"2026-01-31\"");
    let mut files = Files::own().unwrap();
    files.policy = text;
    let cases = files.cases().unwrap();
    let world = files.world(&CaseWorld::default()).unwrap();
    let allowed = judge_case(&world, &cases, "reconditioning on the day after");
    assert_eq!(allowed.outcome, Outcome::Accept);
    let remedies: Vec<_> = judge_case(&world, &cases, "the first day on which it is none")
        .remedies
        .iter()
        .map(|remedy| remedy.as_str())
        .collect();
    assert_eq!(remedies, ["REEXPORT", "DONATION", "DESTRUCTION", "RECONDITION"]);
}

#[test]
fn changed_severities_show() {
    let severity = |code: &str, from: &str, to: &str| {
        let old = format!("[code.{code}]\nseverity = \"{from}\"");
        assert_eq!(SHIPPED.matches(&old).count(), 1, "{code}");
        (old, format!("[code.{code}]\nseverity = \"{to}\""))
    };
    let text = [
        severity("WEIGHT_MISSING", "I/W/W", "W/R/R"),
        severity("CERTIFICATE_NUMBER_MISSING", "I/W/R", "R/I/?"),
        severity("IMPORTER_NOT_CERTIFIED", "I/W/R", "I/W/W"),
    ]
    .iter()
    .fold(SHIPPED.to_owned(), |text, (old, new)| text.replace(old, new));
    let mut files = Files::own().unwrap();
    files.policy = text;
    let cases = files.cases().unwrap();
    let world = files.world(&CaseWorld::default()).unwrap();
    assert_ne!(world.policy.version(), Policy::shipped().version());
    for (name, severity, outcome, remedies) in [
        ("no weight, voluntary", Severity::Warning, Outcome::Warn, 0),
        ("no weight, mandatory", Severity::Reject, Outcome::Reject, 0),
        ("no weight, strict", Severity::Reject, Outcome::Reject, 3),
        (
            "no certificate number, voluntary",
            Severity::Reject,
            Outcome::Reject,
            0,
        ),
        (
            "no certificate number, mandatory",
            Severity::Info,
            Outcome::Accept,
            0,
        ),
        (
            "no certificate number, strict",
            Severity::Indeterminate,
            Outcome::Indeterminate,
            0,
        ),
        (
            "an importer that surrendered, strict",
            Severity::Warning,
            Outcome::Warn,
            0,
        ),
    ] {
        let judgement = judge_case(&world, &cases, name);
        let severities: Vec<_> = judgement
            .findings
            .iter()
            .map(|finding| finding.severity)
            .collect();
        assert_eq!(severities, [severity], "{name}");
        assert_eq!(judgement.outcome, outcome, "{name}");
        assert_eq!(judgement.remedies.len(), remedies, "{name}");
    }
}

#[test]
fn what_a_line_takes_follows_the_changed_severity() {
    // Where an unknown lot rejects, its line takes nothing, and the next one finds the certificate full.
    let name = "strict: an unknown lot is a warning and takes";
    let mut files = Files::own().unwrap();
    files.policy = SHIPPED.replace(
        "[code.CERTIFICATE_LOT_UNKNOWN]\nseverity = \"I/W/W\"",
        "[code.CERTIFICATE_LOT_UNKNOWN]\nseverity = \"I/W/R\"",
    );
    let cases = files.cases().unwrap();
    let world = files.world(&CaseWorld::default()).unwrap();
    let case = cases.iter().find(|case| case.name == name).unwrap();
    let outcomes: Vec<_> = world
        .judge(case.normalised_lines().unwrap())
        .iter()
        .map(|(_, judgement)| judgement.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Reject, Outcome::Accept]);
}

#[test]
fn an_added_code_is_taken_within_its_dates_and_not_outside() {
    let files = moved_by_ten_years();
    let added = "\n[[special_code]]\ncode = \"808-101-P\"\neffect = \"EXEMPT\"\nfrom = \"2035-01-01\"\nto = \"2035-03-31\"\n";
    let policy = Policy::parse(&format!("{}{added}", files.policy)).unwrap();
    let mut world = files.world(&CaseWorld::default()).unwrap();
    world.policy = policy;
    let cases = files.cases().unwrap();
    let case = cases
        .iter()
        .find(|case| case.name == "an unknown special code, strict")
        .unwrap();
    for (date, code, outcome) in [
        ("2034-12-31", "SPECIAL_CODE_NOT_IN_FORCE", Outcome::Reject),
        ("2035-01-01", "SPECIAL_CODE_ACCEPTED", Outcome::Accept),
        ("2035-03-31", "SPECIAL_CODE_ACCEPTED", Outcome::Accept),
        ("2035-04-01", "SPECIAL_CODE_NOT_IN_FORCE", Outcome::Reject),
        ("2034-09-18", "SPECIAL_CODE_NOT_IN_FORCE", Outcome::Warn),
    ] {
        let mut line = case.entry_lines().unwrap().remove(0);
        line.certificate_number = Some(" 808\u{2013}101\u{2013}p".to_owned());
        line.entry_date = Some(date.to_owned());
        line.export_date = None;
        let (_, judgement) = world.judge(vec![line.normalise()]).remove(0);
        let codes: Vec<_> = judgement
            .findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect();
        assert_eq!(codes, ["CERTIFICATE_NUMBER_NORMALISED", code], "{date}");
        assert_eq!(judgement.outcome, outcome, "{date}");
    }
}
