//! Any sequence of imports: the table says what the model says.

use proptest::prelude::*;

use super::model::*;
use super::*;

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
    // Each case asks some thousand questions: half of the usual number.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 2))]

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
