//! Letters as files that a person may read. `NOPIC_GOLDEN=write` writes them anew.

use std::path::Path;

use nopic_domain::enforcement::{Cases, Deployment, Event, Step};
use nopic_proto::events::RecordedLine;
use nopic_proto::events::entry_recorded::Kind;

use super::compose;
use crate::cases::CaseRules;
use crate::cases::testing::{ACME, ENTRY, bad, day, line, recorded, told};

/// Lines of an entry that came in on a day.
fn tell(cases: &mut Cases, entry: &str, on: &str, lines: Vec<RecordedLine>) {
    let version = told("default", &recorded(entry, 1, Kind::Filed, on, lines));
    for (_, event) in version.after(None).unwrap().1 {
        cases.apply(&event).unwrap();
    }
}

#[test]
fn letters_are_those_of_the_files() {
    let rules = CaseRules::shipped(Deployment::Authority);
    let mut cases = rules.no_cases();
    let lines = [
        ("99920000017", "2026-02-10", vec![bad(1, ACME), bad(2, ACME)]),
        (
            "99930000015",
            "2026-03-20",
            vec![line(3, ACME, &["CERTIFICATE_VOIDED"])],
        ),
        ("99940000013", "2026-05-04", vec![bad(1, ACME)]),
    ];
    let voided_by_a_rascal = RecordedLine {
        findings: vec![nopic_proto::events::RecordedFinding {
            code: "CERTIFICATE_NOT_FOUND".to_owned(),
            severity: "REJECT".to_owned(),
            message: "No certificate <b>815\u{202e}</b> is known here. Check the number against the certificate; ask the \
                      exporter whether it was issued."
                .to_owned(),
        }],
        ..bad(4, ACME)
    };
    tell(
        &mut cases,
        ENTRY,
        "2026-01-05",
        vec![bad(1, ACME), voided_by_a_rascal],
    );
    let mut rest = lines.into_iter();
    let mut seen = Vec::new();
    for (step, date) in Step::ALL
        .into_iter()
        .zip(["2026-01-07", "2026-02-12", "2026-03-23", "2026-05-06"])
    {
        let letter = cases.send(step, day(date)).unwrap();
        let case = cases.open_case().unwrap();
        let composed = compose(&case, &letter, ("default", ACME.parse().unwrap()), &rules);
        assert!(!composed.text.contains('$') && !composed.html.contains("<b>"));
        let name = step.as_str().to_lowercase();
        seen.push((format!("{name}.txt"), composed.text));
        seen.push((format!("{name}.html"), composed.html));
        cases.apply(&Event::Sent(letter)).unwrap();
        if let Some((entry, on, lines)) = rest.next() {
            tell(&mut cases, entry, on, lines);
        }
    }
    let is_writing = std::env::var("NOPIC_GOLDEN").is_ok_and(|value| value == "write");
    let mut differing = Vec::new();
    for (name, content) in seen {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/golden/letters")
            .join(&name);
        if is_writing {
            std::fs::write(file, content).unwrap();
        } else if std::fs::read_to_string(file).unwrap_or_default() != content {
            differing.push(format!("{name}:\n{content}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
