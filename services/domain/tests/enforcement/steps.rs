//! The steps, sentence by sentence.

use nopic_domain::enforcement::{Deployment, Event, Letter, Recorded, Refusal, Step};
use nopic_domain::finding::Code;

use crate::support::{Told, day, grave, imported, line_of, ordinary};

#[test]
fn an_authority_sends_letters_and_any_other_shows_what_is_expected() {
    let mut authority = Told::to(Deployment::Authority);
    authority.file(&ordinary(0));
    assert_eq!(authority.stands(), ["FIRST_WARNING_LETTER DUE 0 · OPEN"]);
    authority.send(Step::FirstWarningLetter, 4);
    assert_eq!(authority.stands(), ["FIRST_WARNING_LETTER SENT 4 · OPEN"]);

    let mut other = Told::to(Deployment::Other);
    other.file(&ordinary(0));
    assert_eq!(other.stands(), ["FIRST_WARNING_LETTER EXPECTED 0 · OPEN"]);
    assert_eq!(
        other.cases.send(Step::FirstWarningLetter, day(0)),
        Err(Refusal::NotAnAuthority)
    );
}

#[test]
fn the_second_letter_follows_a_finding_from_the_31st_day_after_the_first() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    told.file(&ordinary(30));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER EXPECTED 0 · OPEN"]);
    told.file(&ordinary(31));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER EXPECTED 0, SECOND_WARNING_LETTER EXPECTED 31 · OPEN"]
    );
}

#[test]
fn every_step_in_its_turn_and_none_twice() {
    let mut told = Told::to(Deployment::Other);
    for on in (0..365).step_by(20) {
        told.file(&ordinary(on));
    }
    // Each waits for the first finding from the 31st day on.
    assert_eq!(
        told.stands(),
        [
            "FIRST_WARNING_LETTER EXPECTED 0, SECOND_WARNING_LETTER EXPECTED 40, \
          CEASE_AND_DESIST EXPECTED 80, CIVIL_PENALTY_REFERRAL EXPECTED 120 · OPEN"
        ]
    );
}

#[test]
fn before_the_strict_phase_there_are_only_warning_letters() {
    let mandatory = |on| {
        line_of(
            "MANDATORY",
            &[Code::TemporaryCode],
            Recorded::Filed { on: day(on) },
        )
    };
    let mut told = Told::to(Deployment::Other);
    for on in (0..200).step_by(20) {
        told.file(&mandatory(on));
    }
    let letters = "FIRST_WARNING_LETTER EXPECTED 0, SECOND_WARNING_LETTER EXPECTED 40";
    assert_eq!(told.stands(), [format!("{letters} · OPEN")]);
    told.file(&ordinary(200));
    // The referral needs such a line as well.
    told.file(&mandatory(240));
    assert_eq!(
        told.stands(),
        [format!("{letters}, CEASE_AND_DESIST EXPECTED 200 · OPEN")]
    );
}

#[test]
fn days_count_from_the_date_of_the_letter() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    // Nothing follows while the letter waits.
    told.file(&ordinary(50));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER DUE 0 · OPEN"]);
    told.send(Step::FirstWarningLetter, 60);
    told.file(&ordinary(90));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER SENT 60 · OPEN"]);
    told.file(&ordinary(91));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER SENT 60, SECOND_WARNING_LETTER DUE 91 · OPEN"]
    );
}

#[test]
fn a_leap_day_is_a_day() {
    // 2028-01-31 is day 760; 31 days later it is 2028-03-02, as there is a 29th of February.
    let first = ordinary(760);
    let next = ordinary(791);
    assert_eq!(first.recorded_on().to_string(), "2028-01-31");
    assert_eq!(next.recorded_on().to_string(), "2028-03-02");
    let mut told = Told::to(Deployment::Other);
    told.file(&first);
    told.file(&ordinary(790));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER EXPECTED 760 · OPEN"]);
    told.file(&next);
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER EXPECTED 760, SECOND_WARNING_LETTER EXPECTED 791 · OPEN"]
    );
}

#[test]
fn a_grave_finding_brings_the_notice_at_once_and_overtakes_a_letter_that_waits() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.file(&grave(0));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER OVERTAKEN 0, CEASE_AND_DESIST DUE 0 · OPEN"]
    );
    assert_eq!(
        told.cases.send(Step::FirstWarningLetter, day(1)),
        Err(Refusal::Overtaken(Step::FirstWarningLetter))
    );
    told.send(Step::CeaseAndDesist, 2);
    // Recorded for good.
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER OVERTAKEN 0, CEASE_AND_DESIST SENT 2 · OPEN"]
    );
    told.file(&ordinary(33));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER OVERTAKEN 0, CEASE_AND_DESIST SENT 2, CIVIL_PENALTY_REFERRAL DUE 33 · OPEN"]
    );
}

#[test]
fn a_grave_finding_that_is_told_late_is_due_from_the_last_letter_on() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 6);
    told.file(&grave(2));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER SENT 6, CEASE_AND_DESIST DUE 6 · OPEN"]
    );
    assert_eq!(
        told.cases.send(Step::CeaseAndDesist, day(5)),
        Err(Refusal::DatedBeforeDue(day(6)))
    );
}

#[test]
fn a_letter_that_was_sent_is_not_overtaken() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 1);
    told.file(&grave(3));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER SENT 1, CEASE_AND_DESIST DUE 3 · OPEN"]
    );
}

#[test]
fn a_case_may_begin_with_the_notice() {
    // No letter was outstanding: there is nothing to overtake. Neither is there where one filing holds both lines.
    for lines in [
        vec![grave(0)],
        vec![ordinary(0), grave(0)],
        vec![grave(0), ordinary(0)],
    ] {
        let mut told = Told::to(Deployment::Authority);
        told.version(1, 1, 0, &lines);
        assert_eq!(told.stands(), ["CEASE_AND_DESIST DUE 0 · OPEN"]);
    }
}

#[test]
fn an_authority_makes_no_letters_of_history() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&imported(-300));
    told.file(&line_of(
        "STRICT",
        &[Code::TemporaryCode],
        Recorded::Imported { on: day(-200) },
    ));
    assert_eq!(told.stands(), [" · OPEN"]);
    told.file(&ordinary(0));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER DUE 0 · OPEN"]);
}

#[test]
fn history_has_its_own_days_for_what_is_expected() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    told.file(&imported(-40));
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER EXPECTED -40, SECOND_WARNING_LETTER EXPECTED 0 · OPEN"]
    );
}

#[test]
fn a_letter_is_sent_once_when_due_and_not_dated_back() {
    let mut told = Told::to(Deployment::Authority);
    let first = Step::FirstWarningLetter;
    assert_eq!(told.cases.send(first, day(0)), Err(Refusal::NotDue(first)));
    told.file(&ordinary(5));
    assert_eq!(
        told.cases.send(first, day(4)),
        Err(Refusal::DatedBeforeDue(day(5)))
    );
    let second = Step::SecondWarningLetter;
    assert_eq!(told.cases.send(second, day(5)), Err(Refusal::NotDue(second)));
    told.send(first, 5);
    assert_eq!(
        told.cases.send(first, day(6)),
        Err(Refusal::AlreadySent {
            step: first,
            on: day(5)
        })
    );
}

#[test]
fn a_history_that_cannot_be_is_refused() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 0);
    let again = Event::Sent(Letter {
        step: Step::FirstWarningLetter,
        date: day(50),
        cause: day(50),
        overtaken: None,
    });
    let before = told.cases.clone();
    assert_eq!(
        told.cases.apply(&again),
        Err(Refusal::ImpossibleLetter {
            step: Step::FirstWarningLetter,
            date: day(50)
        })
    );
    assert_eq!(told.cases, before);
}
