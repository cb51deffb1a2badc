//! Reports and plain files, one after another.

use super::*;

#[test]
fn a_later_report_holds_from_its_own_date_on() {
    let mut table = FlagTable::shipped();
    let first = report(
        "2026-02-21",
        &[
            (
                "0802210000",
                Some(interval(Flag::Am7, "2020-07-01", "2030-12-31")),
            ),
            (
                "0804400020",
                Some(interval(Flag::Am8, "2023-01-01", "2030-12-31")),
            ),
            (
                "0709510110",
                Some(interval(Flag::Am8, "2026-02-01", "2030-12-31")),
            ),
        ],
    );
    let later = report(
        "2027-01-10",
        &[
            (
                "0802210000",
                Some(interval(Flag::Am8, "2020-07-01", "2036-12-31")),
            ),
            ("0804400020", None),
            ("0709510110", None),
        ],
    );
    table.apply_report(&first, false).unwrap();
    table.apply_report(&later, false).unwrap();
    assert_eq!(
        table.intervals(&code("0802210000")),
        [
            interval(Flag::Am7, "2020-07-01", "2027-01-09"),
            interval(Flag::Am8, "2027-01-10", "2036-12-31")
        ]
    );
    assert_eq!(
        table.intervals(&code("0804400020")),
        [interval(Flag::Am8, "2023-01-01", "2027-01-09")]
    );
    // The shipped change wins over both.
    assert_eq!(
        table.intervals(&code("0709510110")),
        FlagTable::shipped().intervals(&code("0709510110"))
    );
    let before = table.clone();
    assert!(!table.apply_report(&later, false).unwrap().is_new_version);
    assert_eq!(
        table.apply_report(&first, false),
        Err(FlagImportError::OlderReport {
            given: date("2026-02-21"),
            held: date("2027-01-10"),
        })
    );
    assert_eq!(table, before);
    table.apply_report(&first, true).unwrap();
    assert_eq!(
        table.intervals(&code("0709510110")),
        [interval(Flag::Am8, "2026-02-01", "2030-12-31")]
    );
}

#[test]
fn rows_that_contradict_each_other_are_named_and_nothing_changes() {
    let mut table = FlagTable::shipped();
    let before = table.clone();
    let rows = [
        plain(2, "0101210010", Flag::Am7, "2024-01-01", "2024-12-31"),
        plain(3, "0101210010", Flag::Am7, "2024-06-01", "2025-12-31"),
        plain(4, "0802210000", Flag::Am7, "2024-01-02", "2024-01-01"),
        plain(5, "0101210010", Flag::Am8, "2025-12-31", ""),
        plain(6, "080221", Flag::Am8, "2025-12-31", ""),
    ];
    let Err(FlagImportError::Rows(problems)) = table.apply_csv(&rows, false) else {
        panic!("the rows cannot stand");
    };
    let found: Vec<_> = problems
        .iter()
        .map(|problem| (problem.row, problem.problem))
        .collect();
    assert_eq!(
        found,
        [
            (4, FlagRowProblem::FromAfterTo),
            (5, FlagRowProblem::Contradicts { other: 3 }),
            (6, FlagRowProblem::NotTenDigits),
        ]
    );
    assert_eq!(table, before);
    assert_eq!(table.apply_csv(&[], true), Err(FlagImportError::Empty));
    // Overlapping rows that agree are one.
    let summary = table.apply_csv(&rows[..2], false).unwrap();
    assert_eq!(
        (summary.rows, summary.codes, summary.am7, summary.changed),
        (2, 1, 1, 1)
    );
    assert_eq!(
        table.intervals(&code("0101210010")),
        [interval(Flag::Am7, "2024-01-01", "2025-12-31")]
    );
}
