//! Both forms, what is refused of them, and any content at all.

use super::*;

const REPORT: &str = "HTS Date:,2/21/2026,,,,,\n,,,,,,\n\
    Tariff Number,Description,Effective Date,Expiration Date,PGA 1,PGA 2,PGA 3\n\
    0101210010,\"HORSES, \"\"PUREBRED\"\"\",2/3/2012,12/31/2030,AM7,FD3,AM7\n\
    0101100010,MALE HORSES,1/1/2002,12/31/2030,,,\n\
    0803900025,BANANAS,1/1/2013,12/31/2030,FD1,,am8\n";

fn code(text: &str) -> HtsCode {
    text.parse().unwrap()
}

fn places(file: &FlagFile) -> Vec<(u64, Option<&str>, &str)> {
    file.rejects
        .iter()
        .map(|reject| (reject.record, reject.field.as_deref(), reject.value.as_str()))
        .collect()
}

#[test]
fn a_report_is_read_by_the_names_of_its_columns() {
    let file = read(REPORT.as_bytes()).unwrap();
    assert_eq!(file.rejects, []);
    let FlagContent::Report(report) = &file.content else {
        panic!("it is a report");
    };
    assert_eq!(Some(report.hts_date), parse_iso("2026-02-21"));
    let flags: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.row, row.interval.map(|interval| interval.flag)))
        .collect();
    assert_eq!(flags, [(4, Some(Flag::Am7)), (5, None), (6, Some(Flag::Am8))]);
    let mut table = FlagTable::shipped();
    let summary = file.clone().import(&mut table, false).unwrap();
    assert_eq!((summary.rows, summary.am7, summary.am8), (3, 1, 1));
    assert!(!file.import(&mut table, false).unwrap().is_new_version);
    assert_eq!(
        table.flag_on(&code("080390"), parse_iso("2030-12-31").unwrap()),
        Some(Flag::Am8)
    );
    // Other order of columns, line ends and a byte order mark change nothing.
    let windows = format!("\u{feff}{}", REPORT.replace('\n', "\r\n"));
    assert_eq!(
        read(windows.as_bytes()).unwrap(),
        read(REPORT.as_bytes()).unwrap()
    );
}

#[test]
fn the_report_of_cbp_is_read_whole() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/hts_pga_report.csv"
    );
    let Ok(content) = std::fs::read(path) else {
        #[expect(clippy::print_stderr, reason = "a test that tests nothing must say so")]
        {
            eprintln!("NOT TESTED: CBP's tariff report is not here ({path})");
        }
        return;
    };
    let file = read(&content).unwrap();
    assert_eq!(file.rejects, []);
    let mut table = FlagTable::shipped();
    let shipped = table.clone();
    let summary = file.import(&mut table, false).unwrap();
    assert_eq!(
        (summary.rows, summary.codes, summary.am7, summary.am8),
        (22_154, 22_154, 3_575, 178)
    );
    let day = parse_iso("2026-06-01").unwrap();
    let am8 = |table: &FlagTable| {
        let codes = table.flagged().map(|(code, _)| *code);
        codes
            .filter(|code| table.flag_on(code, day) == Some(Flag::Am8))
            .collect::<Vec<_>>()
    };
    assert_eq!(am8(&table), am8(&shipped));
    assert_eq!(FlagTable::from_text(&table.to_text()), Ok(table));
}

#[test]
fn each_cell_of_a_report_that_cannot_be_read_is_named() {
    let report = "HTS Date: 2/21/2026\n\n\
        Tariff Number,Effective Date,Expiration Date,PGA 1,PGA 2\n\
        01012100,2/3/2012,12/31/2030,AM7,\n\
        0101210010,2/30/2012,2030-12-31,AM7,\n\n\
        0101210020,2/3/2012,12/31/2030,AM7,AM8\n\
        0101210030,2/3/2012,2/2/2012,AM8,\n\
        0101210040,n/a,n/a,FD1,\n\
        0101210050,2/3/2012,12/31/2030,\"AM8,\n0101210060,,,,\n";
    let file = read(report.as_bytes()).unwrap();
    assert_eq!(
        places(&file)[..6],
        [
            (4, Some("Tariff Number"), "01012100"),
            (5, Some("Effective Date"), "2/30/2012"),
            (5, Some("Expiration Date"), "2030-12-31"),
            (7, Some("PGA 2"), "AM8"),
            (8, Some("Expiration Date"), "2/2/2012"),
            (10, None, file.rejects[5].value.as_str()),
        ]
    );
    let mut table = FlagTable::shipped();
    let refusal = file.clone().import(&mut table, true);
    assert_eq!(refusal, Err(FlagFileRefusal::Rejects(file.rejects)));
    assert_eq!(table, FlagTable::shipped());
}

#[test]
fn a_plain_table_is_read_and_its_wrong_cells_are_named() {
    let plain = "hts,flag,from,to\n0709.51.0110,AM7,2026-02-01,2026-02-12\n\n0709510110,am8,2026-02-13,\n";
    let file = read(plain.as_bytes()).unwrap();
    assert_eq!(file.rejects, []);
    let FlagContent::Plain(rows) = &file.content else {
        panic!("it is plain");
    };
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(rows[1].interval.to, None);
    let wrong = "Flag,HTS,To,From\nAM9,070951,13/1/2026,\nAM8,0709510110,2026-01-01,2026-01-02\n,,,\n\
        AM8,0709510110,,2026-01-02,AM7\n";
    let file = read(wrong.as_bytes()).unwrap();
    assert_eq!(
        places(&file),
        [
            (2, Some("hts"), "070951"),
            (2, Some("flag"), "AM9"),
            (2, Some("from"), ""),
            (2, Some("to"), "13/1/2026"),
            (3, Some("to"), "2026-01-01"),
            (5, None, "AM7"),
        ]
    );
    assert_eq!(file.rejects[5].position, Some(5));
    let contradiction = "hts,flag,from,to\n0709510110,AM7,2026-02-01,\n0709510110,AM8,2026-02-13,\n";
    let file = read(contradiction.as_bytes()).unwrap();
    let refusal = file
        .import(&mut FlagTable::shipped(), false)
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("row 3") && refusal.contains("row 2") && refusal.contains("0709510110"),
        "{refusal}"
    );
}

#[test]
fn a_code_that_a_spreadsheet_spoiled_is_named_and_imports_nothing() {
    for (code, offered) in [
        ("804400020.0", "0804400020"),
        ("804400020", "0804400020"),
        ("08044000", ""),
        ("08044.00020", ""),
        ("8.0440002E8", ""),
    ] {
        let plain = format!("hts,flag,from,to\n{code},AM8,2023-01-01,\n0709510110,AM7,2026-02-01,\n");
        let report = REPORT.replace("0803900025", code);
        for (content, row) in [(plain, 2), (report, 6)] {
            let file = read(content.as_bytes()).unwrap();
            assert_eq!(file.rejects.len(), 1, "{content}");
            let reject = &file.rejects[0];
            assert_eq!((reject.record, reject.value.as_str()), (row, code));
            assert!(reject.reason.contains(offered), "{reject}");
            let mut table = FlagTable::shipped();
            assert!(file.import(&mut table, true).is_err());
            assert_eq!(table, FlagTable::shipped());
        }
    }
    let dotted = read(b"hts,flag,from,to\n0804.40.0020,AM8,2023-01-01,\n").unwrap();
    assert_eq!(dotted.rejects, []);
}

#[test]
fn two_flags_in_one_cell_are_named() {
    for cell in ["AM7 AM8", "AM8;FD3", "FD1/AM7", "AM8FD1", "FD1 FD2"] {
        let file = read(REPORT.replace("FD3", cell).as_bytes()).unwrap();
        assert_eq!(places(&file), [(4, Some("PGA 2"), cell)]);
        let plain = format!("hts,flag,from,to\n0709510110,{cell},2026-02-01,\n");
        let file = read(plain.as_bytes()).unwrap();
        assert_eq!(places(&file), [(2, Some("flag"), cell)]);
    }
    // Of other agencies' cells nothing is asked.
    let file = read(REPORT.replace("FD3", "n/a").as_bytes()).unwrap();
    assert_eq!(file.rejects, []);
}

#[test]
fn a_table_out_of_a_spreadsheet_is_read() {
    let plain = "hts,flag,from,to\n0709510110,AM7,2026-02-01,2026-02-12\n";
    let expected = read(plain.as_bytes()).unwrap();
    assert_eq!(expected.rejects, []);
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(plain.replace(',', "\t").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for content in [
        plain
            .replace("2026-02-01,2026-02-12", "2/1/2026,2/12/2026")
            .into_bytes(),
        plain.replace(',', ";").into_bytes(),
        plain.replace('\n', "\r").into_bytes(),
        plain
            .replace("to\n", "to,,\n")
            .replace("12\n", "12,,\n,,,,,\n")
            .into_bytes(),
        format!("{plain}\u{1a}").into_bytes(),
        utf16,
    ] {
        assert_eq!(read(&content).as_ref(), Ok(&expected), "{content:?}");
    }
    let named = read(format!("sep=;\n{}", plain.replace(',', ";")).as_bytes()).unwrap();
    assert!(matches!(named.content, FlagContent::Plain(rows) if rows[0].row == 3));
}

#[test]
fn a_file_that_is_no_flag_table_is_refused_with_a_reason() {
    let no_date = REPORT.replacen("HTS Date:,2/21/2026", "Report,", 1);
    let bad_date = REPORT.replacen("2/21/2026", "21.2.2026", 1);
    let no_flags = REPORT.replacen("PGA 1,PGA 2,PGA 3", ",,", 1);
    let no_end = REPORT.replacen("Expiration Date", "End", 1);
    let twice = REPORT.replacen("PGA 2", "PGA 1", 1);
    let missing = |row, column| FlagFileError::MissingColumn { row, column };
    let cases: [(&str, FlagFileError); 12] = [
        ("", FlagFileError::Empty),
        (
            " \r\n\u{feff}"[..3].trim_end_matches('\u{feff}'),
            FlagFileError::Empty,
        ),
        ("<!DOCTYPE html><html>", FlagFileError::WebPage),
        (
            "PK\u{3}\u{4}rest",
            FlagFileError::OtherContent {
                found: "a ZIP archive or an XLSX workbook",
            },
        ),
        ("hts\0", FlagFileError::OtherContent { found: "binary data" }),
        (
            "entryNumber,lineNumber\nB76,1\n",
            FlagFileError::OtherKind {
                found: "entry lines",
                command: "nopic entry validate",
            },
        ),
        (&no_date, FlagFileError::NoHtsDate),
        (
            &bad_date,
            FlagFileError::BadHtsDate {
                row: 1,
                value: "21.2.2026".into(),
            },
        ),
        (&no_flags, missing(3, "PGA 1")),
        (&no_end, missing(3, "Expiration Date")),
        (
            &twice,
            FlagFileError::RepeatedColumn {
                row: 3,
                column: "PGA 1".into(),
            },
        ),
        ("hts,flag,from\n", missing(1, "to")),
    ];
    for (content, expected) in cases {
        assert_eq!(read(content.as_bytes()), Err(expected), "{content}");
    }
    // A header alone names nothing; as the whole table it would accept every line.
    let nothing = read(b"hts,flag,from,to\n").unwrap();
    assert_eq!(
        nothing.import(&mut FlagTable::shipped(), true),
        Err(FlagFileRefusal::Import(FlagImportError::Empty))
    );
}

#[test]
fn the_fuzz_corpus_makes_no_reader_fail() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/flags");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(file.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 8);
}

/// What must hold for any content; the fuzz target asserts the same.
fn check(content: &[u8]) {
    let Ok(file) = read(content) else { return };
    let mut table = FlagTable::shipped();
    if file.import(&mut table, false).is_ok() {
        assert_eq!(FlagTable::from_text(&table.to_text()), Ok(table));
    }
}

proptest::proptest! {
    #[test]
    fn no_content_makes_the_reader_fail(
        header in proptest::sample::select(vec!["", "hts,flag,from,to\n", REPORT]),
        rest in "([0-9]{6,10},?(AM[789])?,?[0-9/\\-]{0,10},?[\"a-z\\n\\r,]{0,5}){0,6}",
    ) {
        check(format!("{header}{rest}").as_bytes());
    }
}
