//! The data that ship with the product.

use super::*;

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
