//! What holds for all lines and all bytes: round trips, chunks that do not matter, no panic.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use nopic_domain::entry::{EntryLine, Treatment};
use nopic_domain::weight::Weight;
use nopic_formats::certificates::{CertificateReader, read_certificates};
use nopic_formats::entries::{
    AbiTransmission, EntryEvent, EntryReader, Form, read_entries, write_abi, write_abi_release, write_csv,
    write_csv_header, write_jsonl, write_xlsx,
};
use nopic_formats::exercise;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Any line that JSON lines can carry.
fn any_line() -> impl Strategy<Value = EntryLine> {
    let text = || {
        of("[ -~\u{e9}\u{3000}\n\",]{1,12}".prop_filter("blank is absent", |text| !text.trim().is_empty()))
    };
    let flag = || of(any::<bool>());
    let treatment = (flag(), flag(), flag(), flag()).prop_map(|(verified, substance, irradiated, notice)| {
        let treatment = Treatment {
            verified,
            prohibited_substance: substance,
            irradiated,
            emergency_action_notice: notice,
        };
        (treatment != Treatment::default()).then_some(treatment)
    });
    let head = (
        "[A-Z0-9-]{1,13}",
        1u32..,
        of(1u32..),
        flag(),
        treatment,
        vec("[!-:<-~][ -:<-~]{0,5}", 0..3),
        vec("[!-:<-~][ -:<-~]{0,5}", 0..3),
    );
    (head, proptest::array::uniform19(text())).prop_map(
        |((entry_number, line_number, pga_line_number, organic_claim, treatment, lots, further), texts)| {
            let mut texts = texts.into_iter();
            let mut text = || texts.next().flatten();
            EntryLine {
                entry_number,
                entry_action: text(),
                line_number,
                pga_line_number,
                entry_date: text(),
                importation_date: text(),
                arrival_date: text(),
                export_date: text(),
                importer_of_record: text(),
                importer_nop_id: text(),
                exporter_nop_id: text(),
                hts_code: text(),
                article_set: text(),
                description: text(),
                organic_claim,
                message_set: text(),
                disclaimer_code: text(),
                certificate_number: text(),
                net_weight_kg: text(),
                further_certificate_numbers: further,
                lots,
                country_of_origin: text(),
                country_of_export: text(),
                port_of_entry: text(),
                disposition: text(),
                treatment,
            }
        },
    )
}

/// Any line that ABI can carry, in normal form.
fn abi_line() -> impl Strategy<Value = EntryLine> {
    let date =
        || of((0u32..28, 1u32..13, 0u32..100).prop_map(|(d, m, y)| format!("20{y:02}-{m:02}-{:02}", d + 1)));
    let digits = || of("[0-9]{10}");
    let code = |shape: &'static str| of(shape);
    let weight = || {
        of(prop_oneof![
            0..10_000_000_000i64,
            Just(0),
            (0..99_999i64).prop_map(|n| n * 100)
        ])
        .prop_map(|units| units.map(|units| Weight::from_units(units).to_string()))
    };
    let head = (
        "[A-Z0-9]{3}[0-9]{8}",
        any::<bool>(),
        1u32..1000,
        code("[A-Z0-9]{4}"),
        (date(), date(), date()),
        code("[0-9-]{1,12}"),
    );
    let item = (
        code("[A-Z]{2}"),
        code("[A-Z]{2}"),
        date(),
        code("[0-9]{6,10}"),
        weight(),
        code("[!-~]{1,20}( [!-~]{1,20})?"),
        code("[XV]"),
    );
    let pga = of((
        of(1u32..1000),
        "[A-Z0-9]{3}".prop_filter("a set of its own", |set| set != "NONE"),
        code("[A-Z]"),
        code("[!-~]{1,33}"),
        digits(),
        digits(),
        (vec("[!-~]{1,25}", 0..3), vec("[!-~]{1,33}", 0..3)),
    ));
    (head, item, pga).prop_map(|(head, item, pga)| {
        let (entry_number, replaces, line_number, port_of_entry, dates, importer_of_record) = head;
        let (entry_date, importation_date, arrival_date) = dates;
        let (
            country_of_origin,
            country_of_export,
            export_date,
            hts_code,
            net_weight_kg,
            description,
            article_set,
        ) = item;
        let line = EntryLine {
            entry_number,
            entry_action: replaces.then(|| "REPLACE".into()),
            line_number,
            port_of_entry,
            entry_date,
            importation_date,
            arrival_date,
            article_set,
            importer_of_record,
            country_of_origin,
            country_of_export,
            export_date,
            hts_code,
            description,
            ..EntryLine::default()
        };
        match pga {
            Some((pga_line_number, set, disclaimer_code, certificate_number, importer, exporter, lists)) => {
                let (lots, further) = lists;
                EntryLine {
                    further_certificate_numbers: match &certificate_number {
                        Some(first) => further.into_iter().filter(|number| number != first).collect(),
                        None => Vec::new(),
                    },
                    pga_line_number,
                    message_set: Some(set),
                    disclaimer_code,
                    certificate_number,
                    importer_nop_id: importer,
                    exporter_nop_id: exporter,
                    lots,
                    net_weight_kg,
                    ..line
                }
            }
            None => EntryLine {
                message_set: Some("NONE".into()),
                // Record 50 has two decimals.
                net_weight_kg: net_weight_kg.filter(|weight| {
                    weight
                        .parse::<Weight>()
                        .is_ok_and(|weight| weight.units() % 100 == 0)
                }),
                ..line
            },
        }
    })
}

/// Any lines that a transmission can carry, each with PGA lines behind it whose number begins anew.
fn abi_lines() -> impl Strategy<Value = Vec<EntryLine>> {
    vec((abi_line(), 0u32..3), 1..6).prop_map(|lines| {
        lines
            .into_iter()
            .flat_map(|(line, more)| {
                let number = line.pga_line_number.unwrap_or(1);
                let more = if line.message_set.as_deref() == Some("NONE") {
                    0
                } else {
                    more
                };
                std::iter::once(line.clone()).chain((1..=more).map(move |position| EntryLine {
                    // A tariff record may lie between.
                    pga_line_number: Some(2000 * position + number),
                    ..line.clone()
                }))
            })
            .collect()
    })
}

/// The same as a cargo release can carry it.
fn released(line: EntryLine) -> EntryLine {
    let is_plain = line.message_set.as_deref() == Some("NONE");
    EntryLine {
        importation_date: None,
        export_date: None,
        country_of_export: None,
        article_set: None,
        net_weight_kg: line.net_weight_kg.filter(|_| !is_plain),
        ..line
    }
}

fn lines(form: Form, bytes: &[u8]) -> Vec<EntryLine> {
    read_entries(form, bytes)
        .unwrap()
        .into_iter()
        .map(|event| match event {
            EntryEvent::Line { line, .. } => line,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn jsonl(lines: &[EntryLine]) -> Vec<u8> {
    let mut out = Vec::new();
    lines.iter().for_each(|line| write_jsonl(&mut out, line));
    out
}

fn csv(lines: &[EntryLine]) -> Vec<u8> {
    let mut out = Vec::new();
    write_csv_header(&mut out);
    lines.iter().for_each(|line| write_csv(&mut out, line).unwrap());
    out
}

fn abi(lines: &[EntryLine]) -> Vec<u8> {
    let mut out = Vec::new();
    write_abi(&mut out, &AbiTransmission::default(), lines).unwrap();
    out
}

fn release(lines: &[EntryLine]) -> Vec<u8> {
    let mut out = Vec::new();
    write_abi_release(&mut out, &AbiTransmission::default(), lines).unwrap();
    out
}

/// What a reader gives for bytes cut at these places.
fn in_chunks(form: Form, bytes: &[u8], cuts: &[prop::sample::Index]) -> String {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut reader = EntryReader::new(form);
    let mut out = Vec::new();
    let mut start = 0;
    let mut result = Ok(());
    for place in places {
        result = result.and_then(|()| reader.push(&bytes[start..place], &mut out));
        start = place;
    }
    result = result.and_then(|()| reader.finish(&mut out));
    format!("{result:?} {out:?}")
}

/// A valid file with a few bytes changed, taken out or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let tabled = |lines: Vec<EntryLine>| -> Vec<EntryLine> {
        lines
            .into_iter()
            .map(|line| EntryLine {
                lots: Vec::new(),
                further_certificate_numbers: Vec::new(),
                ..line
            })
            .collect()
    };
    let valid = (vec(abi_line(), 1..4), 0..5u8).prop_map(move |(lines, form)| match form {
        0 => abi(&lines),
        3 => release(&lines.into_iter().map(released).collect::<Vec<_>>()),
        1 => jsonl(&lines),
        4 => write_xlsx(&tabled(lines)).unwrap(),
        _ => csv(&tabled(lines)),
    });
    let odd = prop_oneof![
        any::<u8>(),
        Just(b'"'),
        Just(b'\n'),
        Just(b'\r'),
        Just(b','),
        Just(b' '),
        Just(0x1a),
        Just(0),
        Just(b'0')
    ];
    (valid, vec((any::<prop::sample::Index>(), 0..3u8, odd), 0..6)).prop_map(|(mut bytes, changes)| {
        for (place, kind, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => {
                    bytes.remove(place);
                }
            }
        }
        bytes
    })
}

const FORMS: [Form; 5] = [Form::Auto, Form::Abi, Form::Csv, Form::Jsonl, Form::Xlsx];

proptest! {
    #[test]
    fn json_lines_read_back(written in vec(any_line(), 1..5)) {
        prop_assert_eq!(lines(Form::Auto, &jsonl(&written)), written);
    }

    #[test]
    fn csv_reads_back(written in vec(any_line(), 1..5)) {
        prop_assert_eq!(lines(Form::Auto, &csv(&written)), written);
    }

    #[test]
    fn a_workbook_reads_back(written in vec(any_line(), 1..5)) {
        prop_assert_eq!(lines(Form::Auto, &write_xlsx(&written).unwrap()), written.clone());
        prop_assert_eq!(lines(Form::Xlsx, &write_xlsx(&written).unwrap()), written);
    }

    #[test]
    fn a_cargo_release_reads_back(written in abi_lines()) {
        let written: Vec<_> = written.into_iter().map(released).collect();
        prop_assert_eq!(lines(Form::Auto, &release(&written)), written.clone());
        prop_assert_eq!(lines(Form::Abi, &release(&written)), written);
    }

    #[test]
    fn a_transmission_reads_back_and_equals_the_other_forms(written in abi_lines()) {
        prop_assert_eq!(lines(Form::Auto, &abi(&written)), written.clone());
        prop_assert_eq!(lines(Form::Auto, &jsonl(&written)), written.clone());
        let single: Vec<_> = written
            .into_iter()
            .map(|mut line| {
                line.lots.retain(|lot| !lot.contains(';'));
                line.further_certificate_numbers.retain(|number| !number.contains(';'));
                line
            })
            .collect();
        prop_assert_eq!(lines(Form::Auto, &csv(&single)), single.clone());
        prop_assert_eq!(lines(Form::Auto, &write_xlsx(&single).unwrap()), single);
    }

    #[test]
    fn the_cut_of_the_bytes_does_not_matter(bytes in mutated(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        for form in FORMS {
            let whole = in_chunks(form, &bytes, &[]);
            prop_assert_eq!(in_chunks(form, &bytes, &cuts), &*whole);
            // Whatever the fast pass refuses, the slow one finds the fault of.
            prop_assert!(!whole.contains("is no entry line:"), "{}", whole);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        for form in FORMS {
            exercise::entries(form, &bytes);
        }
        exercise::certificates(&bytes);
        exercise::xlsx(&bytes);
        // The same behind what makes each form certain.
        for start in [b"{\"entryNumber\":".as_slice(), b"entryNumber,lineNumber\n", b"\xff\xfee\0", b"entryNumber,lineNumber\rx,1\r", b"sep=,\n", b"10AB76  03245278\n11\n40  001\n50\nPG01001AMSOR ", b"SE10AB76  03245278\nSE40001\nSE60\nPG01001AMSOR "] {
            exercise::entries(Form::Auto, &[start, &bytes].concat());
        }
    }

    #[test]
    fn no_workbook_panics(
        cells in vec((0u16..6, 0..4u8, "[0-9.eE+-]{0,6}|[a-z;/ ]{0,6}", 0u8..4), 0..20),
        styles in vec(0u8..60, 0..4),
    ) {
        let header = ["entryNumber", "lineNumber", "entryDate", "htsCode"]
            .map(|name| format!("<c t=\"inlineStr\"><is><t>{name}</t></is></c>"))
            .concat();
        let mut sheet = format!("<worksheet><sheetData><row>{header}</row><row>");
        for (column, kind, text, style) in cells {
            let letter = char::from(b'A' + u8::try_from(column).unwrap());
            let kind = ["n", "str", "b", "d"][usize::from(kind)];
            sheet += &format!("<c r=\"{letter}1\" s=\"{style}\" t=\"{kind}\"><v>{text}</v></c>");
            if style == 3 {
                sheet += "</row><row>";
            }
        }
        sheet += "</row></sheetData></worksheet>";
        let formats: String = styles.iter().map(|id| format!("<xf numFmtId=\"{id}\"/>")).collect();
        let styles = format!("<styleSheet><cellXfs>{formats}</cellXfs></styleSheet>");
        exercise::xlsx(&[sheet.as_bytes(), b"\xff\xff", styles.as_bytes()].concat());
    }

    #[test]
    fn quoted_rows_are_cut_as_the_csv_crate_does(cells in vec("[a\",\n]{0,6}", 1..4)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["entryNumber", "lineNumber", "description", "htsCode"]).unwrap();
        let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
        writer.write_record(["B7603245278", "1", &cell(0), &cell(1)]).unwrap();
        let bytes = writer.into_inner().unwrap();
        let line = lines(Form::Csv, &bytes).remove(0);
        let expected = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        prop_assert_eq!(line.description, expected(cell(0)));
        prop_assert_eq!(line.hts_code, expected(cell(1)));
    }

    #[test]
    fn certificates_do_not_depend_on_the_cut(bytes in vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        let place = cut.index(bytes.len() + 1);
        let mut reader = CertificateReader::new();
        let mut out = Vec::new();
        let result = reader
            .push(&bytes[..place], &mut out)
            .and_then(|()| reader.push(&bytes[place..], &mut out))
            .and_then(|()| reader.finish(&mut out));
        prop_assert_eq!(result.map(|()| out), read_certificates(&bytes));
    }
}
