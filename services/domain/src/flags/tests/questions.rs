//! What the table answers, and its text.

use super::*;

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
