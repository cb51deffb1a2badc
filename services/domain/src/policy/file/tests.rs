use super::*;
use crate::policy::SHIPPED;

#[test]
fn the_shipped_policy_has_the_phases_of_the_law() {
    let policy = Policy::shipped();
    let phase = |date: &str| policy.phase(policy.phase_on(parse_iso(date))).name.as_str();
    assert_eq!(phase("2024-03-18"), "VOLUNTARY");
    assert_eq!(phase("2024-03-19"), "MANDATORY");
    assert_eq!(phase("2024-09-18"), "MANDATORY");
    assert_eq!(phase("2024-09-19"), "STRICT");
    assert_eq!(policy.phase(policy.phase_on(None)).name, "STRICT");
}

#[test]
fn every_problem_is_said_at_once() {
    let text = SHIPPED
        .replace("from = \"2024-09-19\"", "from = \"2024-02-30\"")
        .replace(
            "[code.WEIGHT_MISSING]\nseverity = \"I/W/W\"",
            "[code.WEIGHT_MISSING]\nseverity = \"I/W\"",
        )
        .replace(
            "certificate {number} has {left} kg",
            "certificate {number} has {rest} kg",
        );
    let error = Policy::parse(&text).unwrap_err();
    assert_eq!(error.problems.len(), 4, "{error}");
    let unknown = Policy::parse(&format!("speling = 1\n{SHIPPED}")).unwrap_err();
    assert!(unknown.to_string().contains("speling"), "{unknown}");
}

#[test]
fn what_the_ledger_knows_is_never_unknown() {
    for (code, known, unknown) in [
        ("CERTIFICATE_QUANTITY_EXCEEDED", "I/W/R", "I/W/?"),
        ("CERTIFICATE_ALREADY_USED", "I/W/R", "?/W/R"),
    ] {
        let known = format!("[code.{code}]\nseverity = \"{known}\"");
        assert!(SHIPPED.contains(&known), "{known}");
        let text = SHIPPED.replace(&known, &format!("[code.{code}]\nseverity = \"{unknown}\""));
        let error = Policy::parse(&text).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.problems[0].contains(code), "{error}");
    }
}

#[test]
fn a_changed_file_is_another_version() {
    let other = Policy::parse(&format!("{SHIPPED}# mine\n")).unwrap();
    assert_ne!(other.version(), Policy::shipped().version());
    assert_eq!(other.version().len(), 12);
}

#[test]
fn tolerance_is_a_percentage_of_the_total() {
    let policy =
        Policy::parse(&SHIPPED.replace("tolerance_percent = \"0\"", "tolerance_percent = \"2.5\"")).unwrap();
    let total = "1000.0001".parse().unwrap();
    assert_eq!(policy.tolerance_of(total).to_string(), "25");
}

#[test]
fn letters_are_sent_by_a_person_unless_the_policy_says_otherwise() {
    let shipped = "letters = \"BY_A_PERSON\"\n";
    assert_eq!(Policy::shipped().letters(), LetterSending::ByAPerson);
    // Policies of before say nothing of it, and are read for ever.
    let before = Policy::parse(&SHIPPED.replace(shipped, "")).unwrap();
    assert_eq!(before.letters(), LetterSending::ByAPerson);
    let with = |word: &str| Policy::parse(&SHIPPED.replace(shipped, &format!("letters = \"{word}\"\n")));
    assert_eq!(
        with("AUTOMATICALLY").unwrap().letters(),
        LetterSending::Automatically
    );
    let error = with("ALWAYS").unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.problems[0].starts_with("ladder.letters: "), "{error}");
}
