//! When a case closes.

use nopic_domain::date::Period;
use nopic_domain::enforcement::{Closing, Deployment, Event, Refusal, Step, certified_periods};
use nopic_domain::registry::{Segment, Status, Timeline};

use crate::support::{Told, day, imported, ordinary};

#[test]
fn a_case_closes_on_the_31st_day_after_its_last_finding_if_the_importer_is_certified_then() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 1);
    told.file(&ordinary(10));
    assert_eq!(told.cases.close_on(day(40), true), None);
    let closing = told.cases.close_on(day(41), true).unwrap();
    told.keep(closing);
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER SENT 1 · CLOSED 41"]);
    assert_eq!(told.cases.close_on(day(42), true), None);
}

#[test]
fn else_it_closes_on_the_first_day_on_which_the_importer_is() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    for today in 31..50 {
        assert_eq!(told.cases.close_on(day(today), false), None);
    }
    let closing = told.cases.close_on(day(50), true).unwrap();
    assert_eq!(closing.on, day(50));
}

#[test]
fn asked_late_it_still_closes_on_the_right_day() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    assert_eq!(told.close(200, &[(10, 20), (100, 110), (60, 70)]), [60]);
}

#[test]
fn a_later_finding_opens_a_new_case() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 0);
    assert_eq!(told.close(31, &[(0, 99)]), [31]);
    // On the same day, told after the closing.
    told.file(&ordinary(31));
    assert_eq!(
        told.stands(),
        [
            "FIRST_WARNING_LETTER SENT 0 · CLOSED 31",
            "FIRST_WARNING_LETTER DUE 31 · OPEN"
        ]
    );
}

#[test]
fn a_finding_of_the_day_that_is_told_before_keeps_the_case_open() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    told.file(&ordinary(31));
    assert_eq!(told.close(31, &[(0, 99)]), [0; 0]);
    assert_eq!(told.close(99, &[(0, 99)]), [62]);
}

#[test]
fn a_gap_that_nobody_asked_about_closes_as_well() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.file(&ordinary(60));
    assert_eq!(told.close(61, &[(0, 99)]), [31]);
    // What was due in the first case is not sent any more.
    assert_eq!(
        told.stands(),
        [
            "FIRST_WARNING_LETTER OVERTAKEN 0 · CLOSED 31",
            "FIRST_WARNING_LETTER DUE 60 · OPEN"
        ]
    );
}

#[test]
fn a_letter_shows_that_its_case_was_open() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 45);
    assert_eq!(told.close(99, &[(0, 99)]), [45]);
}

#[test]
fn a_closing_that_came_too_early_is_undone() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    assert_eq!(told.close(31, &[(0, 99)]), [31]);
    // Told a day late.
    told.file(&ordinary(30));
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER DUE 0 · OPEN"]);
    assert_eq!(told.close(99, &[(0, 99)]), [61]);
}

#[test]
fn but_not_when_a_letter_was_sent_since() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 0);
    told.close(31, &[(0, 99)]);
    told.file(&ordinary(40));
    told.send(Step::FirstWarningLetter, 40);
    let before = told.stands();
    told.file(&ordinary(20));
    assert_eq!(told.stands(), before);
    let closed = &told.cases.cases()[0];
    assert_eq!(closed.last_finding_on(), day(20));
    assert_eq!(closed.lines().count(), 2);
}

#[test]
fn nor_when_one_was_overtaken_since() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 0);
    told.close(31, &[(0, 99)]);
    told.file(&ordinary(40));
    // The second case closes with its letter unsent.
    assert_eq!(told.close(71, &[(0, 99)]), [71]);
    told.file(&ordinary(20));
    assert_eq!(
        told.stands(),
        [
            "FIRST_WARNING_LETTER SENT 0 · CLOSED 31",
            "FIRST_WARNING_LETTER OVERTAKEN 40 · CLOSED 71"
        ]
    );
}

#[test]
fn history_makes_cases_of_its_own_days() {
    let mut told = Told::to(Deployment::Other);
    told.file(&ordinary(0));
    told.close(31, &[(-400, 99)]);
    told.file(&imported(-300));
    told.file(&imported(-290));
    assert_eq!(told.close(40, &[(-400, 99)]), [-259]);
    assert_eq!(
        told.stands(),
        [
            "FIRST_WARNING_LETTER EXPECTED -300 · CLOSED -259",
            "FIRST_WARNING_LETTER EXPECTED 0 · CLOSED 31"
        ]
    );
}

#[test]
fn the_days_of_certification_come_from_the_registry() {
    let segment = |from: i64, status: &str| Segment {
        from: day(from),
        status: Status::parse(status).unwrap(),
    };
    let timeline = Timeline {
        status: vec![
            segment(0, "Certified"),
            segment(10, "Suspended"),
            segment(20, "Certified"),
        ],
        ..Timeline::default()
    };
    let period = |from, to: Option<i64>| Period {
        from: Some(day(from)),
        to: to.map(day),
    };
    assert_eq!(
        certified_periods(&timeline),
        [period(0, Some(9)), period(20, None)]
    );
}

#[test]
fn a_closing_that_cannot_be_is_refused() {
    let mut told = Told::to(Deployment::Other);
    let at = |on| {
        Event::Closed(Closing {
            on: day(on),
            days_until_close: 30,
            unsent: Vec::new(),
        })
    };
    assert_eq!(
        told.cases.apply(&at(31)),
        Err(Refusal::ImpossibleClosing(day(31)))
    );
    told.file(&ordinary(0));
    assert_eq!(
        told.cases.apply(&at(30)),
        Err(Refusal::ImpossibleClosing(day(30)))
    );
    told.cases.apply(&at(31)).unwrap();
    assert_eq!(
        told.cases.apply(&at(31)),
        Err(Refusal::ImpossibleClosing(day(31)))
    );
}
