//! Which records of a trail are taken.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;

use nopic_domain::trail::gaps::GapCode;
use nopic_domain::trail::{Claim, Document, DocumentKind, Party, Role, Statement, Step};

#[test]
fn records_that_cannot_be_are_refused() {
    let good = Step {
        role: Role::Carrier,
        party: Party {
            name: "Naviera".to_owned(),
            nop_id: None,
        },
        place: None,
        from: Some("2026-03-01".parse().unwrap()),
        to: Some("2026-03-01T00:00:00Z".parse().unwrap()),
        owner: None,
        lines: Vec::new(),
        lots: Vec::new(),
    };
    assert_eq!(good.check(), Ok(()));
    let with = |change: &dyn Fn(&mut Step)| {
        let mut step = good.clone();
        change(&mut step);
        step.check().unwrap_err()
    };
    assert!(with(&|step| step.party.name = " ".to_owned()).starts_with("party.name:"));
    assert!(with(&|step| step.party.name = "x".repeat(201)).starts_with("party.name:"));
    assert!(with(&|step| step.place = Some("a\u{0}b".to_owned())).starts_with("place:"));
    assert!(with(&|step| step.from = Some("2026-03-02".parse().unwrap())).starts_with("to:"));
    assert!(with(&|step| step.to = Some("2026-02-28".parse().unwrap())).starts_with("to:"));
    assert!(with(&|step| step.lines = vec![0]).starts_with("lines:"));
    assert!(with(&|step| step.lots = vec![String::new()]).starts_with("lots:"));
    let mut document = Document {
        kind: DocumentKind::Invoice,
        reference: "A-1".to_owned(),
        dated: None,
        sha256: "0".repeat(64),
        organic: None,
    };
    assert_eq!(document.check(), Ok(()));
    document.sha256 = "G".repeat(64);
    assert!(document.check().unwrap_err().starts_with("sha256:"));
    let mut verification = Statement {
        claim: Claim::Verification {
            prohibited_substance: false,
            ionizing_radiation: false,
        },
        stated_by: "Ann".to_owned(),
        stated_on: "2026-03-20".parse().unwrap(),
        basis: String::new(),
        lines: Vec::new(),
    };
    assert_eq!(verification.check(), Ok(()));
    verification.stated_by.clear();
    assert!(verification.check().unwrap_err().starts_with("stated_by:"));
}

#[test]
fn words_on_the_wire_are_read_back() {
    assert!(
        Role::ALL
            .iter()
            .all(|role| Role::parse(role.as_str()) == Some(*role))
    );
    assert!(
        GapCode::ALL
            .iter()
            .all(|code| GapCode::parse(code.as_str()) == Some(*code))
    );
    let words: BTreeSet<&str> = GapCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), GapCode::ALL.len());
    // They are listed in the order of their weight.
    assert!(
        GapCode::ALL
            .windows(2)
            .all(|pair| pair[0].level() <= pair[1].level())
    );
}
