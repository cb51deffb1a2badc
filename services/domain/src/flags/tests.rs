//! The shipped data, the worked rules, and a comparison with a model that scans what was imported.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::date::parse_iso;

fn date(text: &str) -> Date {
    parse_iso(text).unwrap()
}

fn code(text: &str) -> HtsCode {
    text.parse().unwrap()
}

fn interval(flag: Flag, from: &str, to: &str) -> FlagInterval {
    FlagInterval {
        flag,
        from: date(from),
        to: parse_iso(to),
    }
}

fn plain(row: u64, hts: &str, flag: Flag, from: &str, to: &str) -> PlainRow {
    PlainRow {
        row,
        code: code(hts),
        interval: interval(flag, from, to),
    }
}

fn report(hts_date: &str, rows: &[(&str, Option<FlagInterval>)]) -> Report {
    Report {
        hts_date: date(hts_date),
        rows: (4..)
            .zip(rows)
            .map(|(row, (hts, interval))| ReportRow {
                row,
                code: code(hts),
                interval: *interval,
            })
            .collect(),
    }
}

#[test]
fn the_shipped_data_are_whole() {
    assert_eq!(shipped_rows(SHIPPED_AM8).len(), 178);
    assert_eq!(SHIPPED_AM8.lines().count(), 179);
    assert_eq!(shipped_rows(SHIPPED_CHANGES).len(), 42);
    assert_eq!(SHIPPED_CHANGES.lines().count(), 43);
    let table = FlagTable::shipped();
    let on = |day: &str, flag: Flag| {
        table
            .flagged()
            .filter(|(code, _)| table.flag_on(code, date(day)) == Some(flag))
            .count()
    };
    assert_eq!(on("2026-02-12", Flag::Am8), 157);
    assert_eq!(on("2026-02-12", Flag::Am7), 21);
    assert_eq!(on("2026-02-13", Flag::Am8), 178);
    assert_eq!(on("2027-01-01", Flag::Am8), 175);
    assert_eq!(
        table.intervals(&code("0709.51.0110")),
        [
            interval(Flag::Am7, "2026-02-01", "2026-02-12"),
            interval(Flag::Am8, "2026-02-13", "")
        ]
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that tests nothing must say so")]
fn shipped_codes_and_dates_are_those_of_the_report() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/hts_pga_report.csv"
    );
    let Ok(content) = std::fs::read_to_string(path) else {
        eprintln!("NOT TESTED: CBP's tariff report is not here ({path})");
        return;
    };
    let us_date = |text: &str| chrono::NaiveDate::parse_from_str(text, "%m/%d/%Y").ok();
    let mut expected = Vec::new();
    for line in content.lines().filter(|line| line.contains(",AM8,")) {
        // Descriptions may hold commas; the dates stand before the first of the quantity columns.
        let dates: Vec<_> = line.split(',').filter_map(us_date).collect();
        let to = (dates[1] != date("2030-12-31")).then_some(dates[1]);
        expected.push((code(&line[..10]), dates[0], to));
    }
    let found: Vec<_> = shipped_rows(SHIPPED_AM8)
        .into_iter()
        .map(|row| (row.code, row.interval.from, row.interval.to))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn fewer_digits_have_a_flag_only_if_all_codes_under_them_agree() {
    let mut table = FlagTable::shipped();
    let day = date("2026-06-01");
    assert_eq!(table.flag_on(&code("0807.11"), day), Some(Flag::Am8));
    assert_eq!(table.flag_on(&code("0807.11"), date("2027-01-01")), None);
    assert_eq!(table.flag_on(&code("0807.11.40"), day), Some(Flag::Am8));
    assert_eq!(table.flag_on(&code("9999.99"), day), None);
    assert_eq!(
        table.intervals(&code("0807.11")),
        [interval(Flag::Am8, "2026-01-01", "2026-12-31")]
    );
    // A row without a flag names its code all the same.
    let unflagged = report("2026-02-21", &[("0807113000", None)]);
    table.apply_report(&unflagged, false).unwrap();
    assert_eq!(table.flag_on(&code("0807.11"), day), None);
    let seven = [plain(2, "0807113000", Flag::Am7, "2020-01-01", "")];
    table.apply_csv(&seven, false).unwrap();
    // Of the shipped AM8 codes the report said nothing, so they lost their flag; their names remain.
    assert_eq!(table.flag_on(&code("0807.11"), day), None);
    assert_eq!(table.named_under(&code("0807.11")).count(), 5);
    table.apply_csv(&seven, true).unwrap();
    assert_eq!(table.flag_on(&code("0807.11"), day), Some(Flag::Am7));
    assert_eq!(table.flagged().count(), 1);
}

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

#[test]
fn upcoming_changes_include_expiries() {
    let table = FlagTable::shipped();
    let february = table.changes_between(date("2026-02-01"), date("2026-02-13"));
    assert_eq!(february.len(), 21);
    assert!(
        february
            .iter()
            .all(|change| (change.before, change.after) == (Some(Flag::Am7), Some(Flag::Am8)))
    );
    let end_of_year = table.changes_between(date("2026-12-15"), date("2027-01-14"));
    let codes: Vec<_> = end_of_year.iter().map(|change| change.code.as_str()).collect();
    assert_eq!(codes, ["0807113020", "0807113040", "0902101015"]);
    assert!(
        end_of_year
            .iter()
            .all(|change| change.on == date("2027-01-01") && change.after.is_none())
    );
}

#[test]
fn a_changed_text_is_refused() {
    let text = FlagTable::shipped().to_text();
    for (from, to) in [
        ("table 1", "table 2"),
        ("report -", "report 2026-02-30"),
        ("AM8 2013-01-01 -", "AM9 2013-01-01 -"),
        ("AM8 2013-01-01 -", "AM8 2013-01-01 2012-01-01"),
        ("AM8 2013-01-01 -", "AM8 2013-01-01"),
        ("reported 0803900025", "reported 0803.90.0025"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(FlagTable::from_text(&changed).is_err(), "{from} → {to}");
    }
    assert!(FlagTable::from_text("").is_err());
}

// --- a model that keeps the imports and scans them for every question ---

#[derive(Debug, Clone)]
enum Import {
    Report(Report),
    Plain(Vec<PlainRow>),
}

/// Codes under common prefixes; some are shipped, some changed on 2026-02-13, some are in no table.
const CODES: [&str; 7] = [
    "0709510110",
    "0709510190",
    "0807113020",
    "0807113040",
    "0807113099",
    "0807114020",
    "0802210000",
];
const QUESTIONS: [&str; 5] = ["070951", "07095101", "080711", "08071130", "080221"];
/// The window of the test: from 2026-01-20 on.
const DAYS: u8 = 40;

fn day(number: u8) -> Date {
    date("2026-01-20") + chrono::Days::new(u64::from(number))
}

/// The imports since the last `--replace`, that one included, and whether there was one.
fn held(imports: &[(Import, bool)]) -> (&[(Import, bool)], bool) {
    let start = imports.iter().rposition(|(_, replace)| *replace);
    (&imports[start.unwrap_or(0)..], start.is_some())
}

/// The shipped rows of the codes that the model is asked about.
static SHIPPED: LazyLock<[Vec<PlainRow>; 2]> = LazyLock::new(|| {
    [SHIPPED_AM8, SHIPPED_CHANGES].map(|rows| {
        let mut rows = shipped_rows(rows);
        rows.retain(|row| {
            QUESTIONS
                .iter()
                .any(|question| row.code.as_str().starts_with(question))
        });
        rows
    })
});

fn scan(mut intervals: impl Iterator<Item = FlagInterval>, date: Date) -> Option<Flag> {
    intervals
        .find(|interval| interval.holds(date))
        .map(|found| found.flag)
}

fn model_flag(imports: &[(Import, bool)], code: &HtsCode, date: Date) -> Option<Flag> {
    let (imports, replaced) = held(imports);
    let of_plain = |rows: &[PlainRow]| -> Option<Option<Flag>> {
        let mut named = rows.iter().filter(|row| row.code == *code).peekable();
        named.peek()?;
        Some(scan(named.map(|row| row.interval), date))
    };
    for (import, _) in imports.iter().rev() {
        if let Import::Plain(rows) = import
            && let Some(answer) = of_plain(rows)
        {
            return answer;
        }
    }
    if !replaced && let Some(Some(flag)) = of_plain(&SHIPPED[1]) {
        return Some(flag);
    }
    let reports: Vec<&Report> = imports
        .iter()
        .filter_map(|(import, _)| match import {
            Import::Report(report) => Some(report),
            Import::Plain(_) => None,
        })
        .collect();
    let Some(first) = reports.first() else {
        return if replaced {
            None
        } else {
            of_plain(&SHIPPED[0]).flatten()
        };
    };
    let speaks = reports[1..]
        .iter()
        .rev()
        .find(|report| report.hts_date <= date)
        .unwrap_or(first);
    scan(
        speaks
            .rows
            .iter()
            .filter(|row| row.code == *code)
            .filter_map(|row| row.interval),
        date,
    )
}

fn model_names(imports: &[(Import, bool)], code: &HtsCode) -> bool {
    let (imports, replaced) = held(imports);
    (!replaced && SHIPPED.iter().flatten().any(|row| row.code == *code))
        || imports.iter().any(|(import, _)| match import {
            Import::Report(report) => report.rows.iter().any(|row| row.code == *code),
            Import::Plain(rows) => rows.iter().any(|row| row.code == *code),
        })
}

fn is_refused(imports: &[(Import, bool)], import: &Import, replace: bool) -> bool {
    let rows: Vec<(HtsCode, FlagInterval)> = match import {
        Import::Plain(rows) => rows.iter().map(|row| (row.code, row.interval)).collect(),
        Import::Report(report) => report
            .rows
            .iter()
            .filter_map(|row| Some((row.code, row.interval?)))
            .collect(),
    };
    let contradict = rows.iter().any(|(code, one)| {
        rows.iter().any(|(other_code, other)| {
            code == other_code
                && one.flag != other.flag
                && (0..=u8::MAX).any(|number| one.holds(day(number)) && other.holds(day(number)))
        })
    });
    let backwards = rows
        .iter()
        .any(|(_, interval)| interval.to.is_some_and(|to| to < interval.from));
    let older = match import {
        Import::Report(report) if !replace => held(imports)
            .0
            .iter()
            .any(|(held, _)| matches!(held, Import::Report(held) if report.hts_date < held.hts_date)),
        _ => false,
    };
    contradict || backwards || older
}

fn intervals() -> impl Strategy<Value = FlagInterval> {
    let flag = prop_oneof![Just(Flag::Am7), Just(Flag::Am8)];
    (flag, 0..DAYS, proptest::option::of(0..DAYS)).prop_map(|(flag, from, length)| FlagInterval {
        flag,
        from: day(from),
        to: length.map(|length| day(from + length)),
    })
}

fn codes() -> impl Strategy<Value = HtsCode> {
    (0..CODES.len()).prop_map(|index| code(CODES[index]))
}

fn import() -> impl Strategy<Value = Import> {
    let report_rows = proptest::collection::vec((codes(), proptest::option::of(intervals())), 1..6);
    let plain_rows = proptest::collection::vec((codes(), intervals()), 1..4);
    prop_oneof![
        (0..DAYS, report_rows).prop_map(|(hts_date, rows)| Import::Report(Report {
            hts_date: day(hts_date),
            rows: (1..)
                .zip(rows)
                .map(|(row, (code, interval))| ReportRow { row, code, interval })
                .collect(),
        })),
        plain_rows.prop_map(|rows| Import::Plain(
            (1..)
                .zip(rows)
                .map(|(row, (code, interval))| PlainRow { row, code, interval })
                .collect()
        )),
    ]
}

fn apply(table: &mut FlagTable, import: &Import, replace: bool) -> Result<ImportSummary, FlagImportError> {
    match import {
        Import::Report(report) => table.apply_report(report, replace),
        Import::Plain(rows) => table.apply_csv(rows, replace),
    }
}

proptest! {
    // Each case asks some thousand questions.
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_table_says_what_scanning_the_imports_says(
        given in proptest::collection::vec((import(), proptest::bool::weighted(0.1)), 0..8)
    ) {
        let mut table = FlagTable::shipped();
        let mut imports: Vec<(Import, bool)> = Vec::new();
        for (import, replace) in given {
            let before = table.clone();
            let refused = is_refused(&imports, &import, replace);
            match apply(&mut table, &import, replace) {
                Ok(_) => {
                    prop_assert!(!refused);
                    let once = table.clone();
                    let again = apply(&mut table, &import, replace);
                    prop_assert!(again.is_ok_and(|summary| !summary.is_new_version && summary.changed == 0));
                    prop_assert_eq!(&table, &once);
                    imports.push((import, replace));
                }
                Err(_) => {
                    prop_assert!(refused);
                    prop_assert_eq!(&table, &before);
                }
            }
        }
        let days: Vec<Date> = (0..3 * DAYS).map(day).collect();
        for date in &days {
            for question in CODES {
                let question = code(question);
                prop_assert_eq!(table.flag_on(&question, *date), model_flag(&imports, &question, *date));
            }
            for question in QUESTIONS {
                let named: Vec<HtsCode> = SHIPPED[0]
                    .iter()
                    .map(|row| row.code)
                    .chain(CODES.map(code))
                    .filter(|code| code.as_str().starts_with(question) && model_names(&imports, code))
                    .collect();
                let flags: BTreeSet<_> =
                    named.iter().map(|code| model_flag(&imports, code, *date)).collect();
                let expected = if flags.len() == 1 { flags.first().copied().flatten() } else { None };
                prop_assert_eq!(table.flag_on(&code(question), *date), expected);
            }
        }
        for question in CODES.iter().chain(&QUESTIONS) {
            let question = code(question);
            let intervals = table.intervals(&question);
            for date in &days {
                let found: Vec<_> = intervals.iter().filter(|interval| interval.holds(*date)).collect();
                prop_assert!(found.len() <= 1);
                prop_assert_eq!(found.first().map(|found| found.flag), table.flag_on(&question, *date));
            }
        }
        let changes = table.changes_between(days[0], days[days.len() - 1]);
        for question in CODES {
            let question = code(question);
            for pair in days.windows(2) {
                let (before, after) = (table.flag_on(&question, pair[0]), table.flag_on(&question, pair[1]));
                let found = changes.iter().find(|change| change.code == question && change.on == pair[1]);
                prop_assert_eq!(found.map(|change| (change.before, change.after)),
                    (before != after).then_some((before, after)));
            }
        }
        let text = table.to_text();
        let read = FlagTable::from_text(&text);
        prop_assert_eq!(read.as_ref(), Ok(&table));
        prop_assert_eq!(table.version().len(), 12);
    }
}
