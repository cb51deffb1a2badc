//! What a broker reads, what a letter states, what is counted.

use nopic_domain::enforcement::{Deployment, Event, Outlook, Recorded, Statistics, Step};
use nopic_domain::finding::Code;

use crate::support::{LADDER, Told, day, entry, grave, importer, line_of, ordinary};

fn sentences(told: &Told, today: i64) -> Vec<String> {
    let case = told.cases.open_case().unwrap();
    Outlook::of(&case, LADDER, day(today)).unwrap().sentences()
}

#[test]
fn a_broker_reads_what_is_expected_and_what_averts_it() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    assert_eq!(
        sentences(&told, 3),
        [
            "AMS is expected to have taken this step on 2026-01-01: a first warning letter.",
            "The next step would be a second warning letter: a line with such a finding brings it if it is recorded on \
             or after 2026-02-01.",
            "A cease-and-desist notice would come at once, on any day, if a line judged by the strict rules is recorded \
             with the temporary code, or with a voided certificate while the importer is not certified.",
            "To avert it, record no further line for this importer without an issued certificate that still holds, and \
             none while the importer is not certified in the Organic INTEGRITY Database.",
            "Mend PGA_DATA_MISSING.",
            "The case closes on 2026-02-01 if no other finding is recorded until then and the importer is certified on \
             that day; else on the first later day on which it is.",
        ]
    );
}

#[test]
fn a_letter_that_waits_is_named() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&grave(0));
    let read = sentences(&told, 0);
    assert_eq!(
        read[0],
        "The next letter waits to be sent: a cease-and-desist notice, not before 2026-01-01. It is averted only if every \
         line that made it is withdrawn before."
    );
    // Nothing comes at once any more, and nothing follows before that letter.
    assert_eq!(read.len(), 3);
}

#[test]
fn after_the_last_step_none_follows() {
    let mut told = Told::to(Deployment::Other);
    told.file(&grave(0));
    told.file(&ordinary(31));
    let read = sentences(&told, 40);
    assert!(
        read.contains(&"No further step follows in this case.".to_owned()),
        "{read:?}"
    );
}

#[test]
fn a_closed_case_has_no_outlook() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    told.close(31, &[(0, 99)]);
    let cases = told.cases.cases();
    assert_eq!(Outlook::of(&cases[0], LADDER, day(40)), None);
}

#[test]
fn a_letter_states_entries_lines_and_what_to_do() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 0);
    let codes = [Code::CertificateVoided, Code::ImporterNotListed];
    let voided = line_of("STRICT", &codes, Recorded::Filed { on: day(31) });
    told.version(1, 2, 31, &[ordinary(0), voided.clone()]);
    told.version(2, 1, 31, &[voided]);
    told.version(3, 1, 60, &[ordinary(60)]);
    let letter = told.cases.send(Step::SecondWarningLetter, day(32)).unwrap();
    let facts =
        told.cases
            .open_case()
            .unwrap()
            .letter_facts(&letter, "default", importer(), "AMS, Washington");
    assert_eq!((facts.step, facts.date), (Step::SecondWarningLetter, day(32)));
    assert_eq!((facts.tenant.as_str(), facts.importer), ("default", importer()));
    assert_eq!(facts.answer_to, "AMS, Washington");
    assert_eq!(facts.earlier, [(Step::FirstWarningLetter, day(0))]);
    // Up to the date of the letter.
    let named: Vec<_> = facts
        .entries
        .iter()
        .map(|of| {
            (
                of.entry_number,
                of.lines.iter().map(|line| line.recorded_on).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [(entry(1), vec![day(0), day(31)]), (entry(2), vec![day(31)])]
    );
    assert_eq!(
        facts.entries[1].lines[0].findings[0].sentence,
        "CERTIFICATE_VOIDED was found."
    );
    assert_eq!(
        facts.what_to_do,
        [
            "Mend PGA_DATA_MISSING.",
            "Mend CERTIFICATE_VOIDED.",
            "Mend IMPORTER_NOT_LISTED."
        ]
    );
    // The same once it is sent.
    told.cases.apply(&Event::Sent(letter.clone())).unwrap();
    let case = told.cases.open_case().unwrap();
    assert_eq!(
        case.letter_facts(&letter, "default", importer(), "AMS, Washington"),
        facts
    );
}

#[test]
fn figures_count_letters_by_round_and_cases() {
    let mut cured = Told::to(Deployment::Authority);
    cured.file(&ordinary(0));
    cured.send(Step::FirstWarningLetter, 0);
    cured.close(31, &[(0, 99)]);
    let mut open = Told::to(Deployment::Authority);
    open.file(&ordinary(0));
    open.file(&grave(1));
    open.send(Step::CeaseAndDesist, 1);
    let mut withdrawn = Told::to(Deployment::Authority);
    withdrawn.version(1, 1, 0, &[ordinary(0)]);
    withdrawn.version(1, 2, 0, &[]);
    let mut all = Statistics::default();
    for told in [&cured, &open, &withdrawn] {
        all.merge(&told.cases.cases().iter().collect());
    }
    assert_eq!(Step::ALL.map(|step| all.sent(step)), [1, 0, 1, 0]);
    assert_eq!(Step::ALL.map(|step| all.overtaken(step)), [1, 0, 0, 0]);
    assert_eq!((all.open(), all.cured(), all.withdrawn()), (1, 1, 1));
}
