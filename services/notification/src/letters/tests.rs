//! Letters as files that a person may read. `NOPIC_GOLDEN=write` writes them anew. What their pages look like, a test in a
//! browser sees.

use std::path::Path;

use nopic_domain::enforcement::{Cases, Deployment, Event, Step};
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::{RecordedFinding, RecordedLine};

use super::{Composed, compose};
use crate::cases::CaseRules;
use crate::cases::testing::{ACME, ENTRY, bad, day, line, recorded, told};

/// Lines of an entry that came in on a day.
type Told<'a> = (&'a str, &'a str, Vec<RecordedLine>);

fn tell(cases: &mut Cases, (entry, on, lines): Told<'_>) {
    let version = told("default", &recorded(entry, 1, Kind::Filed, on, lines));
    for (_, event) in version.after(None).unwrap().1 {
        cases.apply(&event).unwrap();
    }
}

/// The letters of all steps of a case, each after what was told before it.
fn letters<'a>(told: impl IntoIterator<Item = Vec<Told<'a>>>) -> Vec<(Step, Composed)> {
    let rules = CaseRules::shipped(Deployment::Authority);
    let mut cases = rules.no_cases();
    let dates = ["2026-01-07", "2026-02-12", "2026-03-23", "2026-05-06"];
    let mut letters = Vec::new();
    for ((step, date), told) in Step::ALL.into_iter().zip(dates).zip(told) {
        for told in told {
            tell(&mut cases, told);
        }
        let letter = cases.send(step, day(date)).unwrap();
        let case = cases.open_case().unwrap();
        let composed = compose(&case, &letter, ("default", ACME.parse().unwrap()), &rules);
        letters.push((step, composed));
        cases.apply(&Event::Sent(letter)).unwrap();
    }
    letters
}

/// Holds letters to their files, which have this behind the names of their steps.
fn are_those_of_the_files(ending: &str, letters: Vec<(Step, Composed)>) {
    let is_writing = std::env::var("NOPIC_GOLDEN").is_ok_and(|value| value == "write");
    let mut differing = Vec::new();
    for (step, letter) in letters {
        assert!(!letter.text.contains('$') && !letter.html.contains("<b>"));
        let name = format!("{}{ending}", step.as_str().to_lowercase());
        for (form, content) in [("txt", letter.text), ("html", letter.html)] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data/golden/letters")
                .join(format!("{name}.{form}"));
            if is_writing {
                std::fs::write(file, content).unwrap();
            } else if std::fs::read_to_string(file).unwrap_or_default() != content {
                differing.push(format!("{name}.{form}:\n{content}"));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A line with a finding of this code and these words.
fn saying(number: u32, code: &str, message: &str) -> RecordedLine {
    RecordedLine {
        findings: vec![RecordedFinding {
            code: code.to_owned(),
            severity: "REJECT".to_owned(),
            message: message.to_owned(),
        }],
        ..bad(number, ACME)
    }
}

#[test]
fn letters_are_those_of_the_files() {
    let of_a_rascal = saying(
        4,
        "CERTIFICATE_NOT_FOUND",
        "No certificate <b>815\u{202e}</b> is known here. Check the number against the certificate; ask the exporter whether \
         it was issued.",
    );
    let letters = letters([
        vec![(ENTRY, "2026-01-05", vec![bad(1, ACME), of_a_rascal])],
        vec![("99920000017", "2026-02-10", vec![bad(1, ACME), bad(2, ACME)])],
        vec![(
            "99930000015",
            "2026-03-20",
            vec![line(3, ACME, &["CERTIFICATE_VOIDED"])],
        )],
        vec![("99940000013", "2026-05-04", vec![bad(1, ACME)])],
    ]);
    // What a case usually holds has room.
    for (step, letter) in &letters {
        assert!(!letter.html.contains("leaves out"), "{step}");
    }
    are_those_of_the_files("", letters);
}

/// Many lines, of all that counts, each with two findings.
fn many(count: u32) -> Vec<RecordedLine> {
    let of = |code: &str, number: u32| {
        match code {
        "PGA_DATA_MISSING" => "The line has no organic message set, but needs one: its tariff code is flagged AM8. File message \
                               set OR2 with the number of the NOP Import Certificate."
            .to_owned(),
        "CERTIFICATE_NUMBER_MISSING" => "The organic message set has no certificate number. Ask the exporter for the number of \
                                         the NOP Import Certificate and file it."
            .to_owned(),
        _ => format!(
            "No certificate 815-8150000077-{number:06} is known here. Check the number against the certificate; ask the \
             exporter whether it was issued."
        ),
    }
    };
    let codes = [
        "CERTIFICATE_NOT_FOUND",
        "PGA_DATA_MISSING",
        "CERTIFICATE_NUMBER_MISSING",
        "CERTIFICATE_NOT_FOUND",
    ];
    let line = |number: u32| {
        let code = codes[number as usize % codes.len()];
        let mut line = bad(number, ACME);
        line.findings
            .extend(saying(number, code, &of(code, number)).findings);
        line
    };
    (1..=count).map(line).collect()
}

#[test]
fn a_letter_of_many_lines_is_one_page_that_says_what_it_leaves_out() {
    let mut letters = letters([
        vec![
            (ENTRY, "2026-01-05", many(40)),
            ("99920000017", "2026-01-06", many(3)),
        ],
        vec![
            ("99930000015", "2026-02-10", many(1)),
            ("99950000010", "2026-02-11", many(9)),
        ],
        vec![(
            "99940000013",
            "2026-03-20",
            vec![line(1, ACME, &["CERTIFICATE_VOIDED"])],
        )],
        vec![("99960000018", "2026-05-04", many(200))],
    ]);
    for (step, letter) in &letters {
        let said = "For want of room this page leaves out: ";
        assert!(letter.html.contains(said), "{step}");
        assert!(!letter.text.contains(said), "{step}");
    }
    // The finding that made the letter due is on its page; of the text nothing is missing.
    let second = &letters[1].1;
    assert!(second.html.contains("Entry 99930000015"), "{}", second.html);
    assert!(!second.html.contains("Entry 99910000019"), "{}", second.html);
    assert_eq!(second.text.matches("PGA line 1, recorded on").count(), 53);
    // As files the smaller ones are enough.
    letters.truncate(3);
    are_those_of_the_files(".many", letters);
}

#[test]
fn words_that_are_too_long_are_cut_on_the_page_alone() {
    let wide = "W".repeat(2_000);
    let message =
        format!("Certificate {wide} was voided by its certifier. Ask the exporter for a valid certificate.");
    let mut lines: Vec<RecordedLine> = (2..=6)
        .map(|number| saying(number, "CERTIFICATE_VOIDED", &message))
        .collect();
    lines.push(saying(
        4_000_000_000,
        "CERTIFICATE_NOT_FOUND",
        &format!("No certificate {} is known here.", "証明書".repeat(100)),
    ));
    let letters = letters([vec![(ENTRY, "2026-01-05", lines)]]);
    let letter = &letters[0].1;
    assert!(letter.text.contains(&wide) && !letter.html.contains(&wide));
    are_those_of_the_files(".wide", letters);

    // Where only its words have no room, the page says that.
    let letters = self::letters([vec![(
        ENTRY,
        "2026-01-05",
        vec![saying(1, "CERTIFICATE_VOIDED", &message.repeat(4))],
    )]]);
    let page = &letters[0].1.html;
    assert!(
        page.contains("leaves out: the whole of some sentences."),
        "{page}"
    );
}
