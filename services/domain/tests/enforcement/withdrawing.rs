//! Entries that are amended or cancelled.

use nopic_domain::enforcement::{Deployment, Step};

use crate::support::{Told, grave, ordinary};

#[test]
fn a_case_with_nothing_sent_ends_when_its_last_line_is_withdrawn() {
    for deployment in Deployment::ALL {
        let mut told = Told::to(deployment);
        let first = told.file(&ordinary(0));
        let second = told.file(&ordinary(5));
        told.version(first, 2, 7, &[]);
        assert_eq!(told.cases.open_case().unwrap().lines().count(), 1);
        told.version(second, 2, 9, &[]);
        assert_eq!(told.stands(), [" · WITHDRAWN 9"]);
        // The next finding opens another.
        told.file(&ordinary(10));
        assert_eq!(told.cases.cases().len(), 2);
        assert_eq!(told.cases.open_case().unwrap().lines().count(), 1);
    }
}

#[test]
fn a_letter_that_was_sent_stays() {
    let mut told = Told::to(Deployment::Authority);
    let first = told.file(&ordinary(0));
    told.send(Step::FirstWarningLetter, 3);
    told.version(first, 2, 10, &[]);
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER SENT 3 · OPEN"]);
    assert_eq!(told.close(99, &[(0, 99)]), [31]);
}

#[test]
fn a_letter_that_waits_goes_with_the_finding_that_made_it() {
    let mut told = Told::to(Deployment::Authority);
    told.file(&ordinary(0));
    let second = told.file(&grave(4));
    told.version(second, 2, 6, &[]);
    // The first letter is not overtaken any more.
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER DUE 0 · OPEN"]);
}

#[test]
fn a_step_that_is_expected_is_a_forecast() {
    let mut told = Told::to(Deployment::Other);
    let first = told.file(&ordinary(0));
    told.file(&ordinary(40));
    told.version(first, 2, 41, &[]);
    assert_eq!(told.stands(), ["FIRST_WARNING_LETTER EXPECTED 40 · OPEN"]);
}

#[test]
fn only_the_current_version_counts_and_lines_that_stay_keep_their_day() {
    let mut told = Told::to(Deployment::Other);
    told.version(1, 1, 0, &[ordinary(0)]);
    told.version(1, 2, 50, &[ordinary(0), ordinary(50)]);
    assert_eq!(
        told.stands(),
        ["FIRST_WARNING_LETTER EXPECTED 0, SECOND_WARNING_LETTER EXPECTED 50 · OPEN"]
    );
    let before = told.cases.clone();
    // Told again, late, or out of order.
    told.version(1, 1, 0, &[ordinary(0)]);
    told.version(1, 2, 50, &[]);
    assert_eq!(told.cases, before);
}

#[test]
fn a_closed_case_of_which_nothing_counts_is_withdrawn_too() {
    let mut told = Told::to(Deployment::Authority);
    let first = told.file(&ordinary(0));
    told.close(31, &[(0, 99)]);
    told.version(first, 2, 40, &[]);
    assert_eq!(told.stands(), [" · WITHDRAWN 40"]);
}
