//! How fast and how lean the readers of the Organic INTEGRITY Database are, beside calamine's bare loop over cells.
//!
//! `NOPIC_BENCH_ROWS` sets the number of operations (default 76,000, the size of the database; 2,000 is enough to
//! see that it runs). Peak memory is taken in a process of its own for each form, by running this program again.
#![expect(clippy::print_stderr, reason = "figures for people beside those of criterion")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use calamine::{DataRef, Xlsx, open_workbook};
use criterion::Criterion;
use nopic_formats::oid::{OidEvent, OidSource, Stopped, read};
use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;

const COLUMNS: usize = 60;
const PEAK_OF: &str = "NOPIC_BENCH_PEAK_OF";

/// A technical name, and the value that it has in a row.
type Column = (String, fn(u64) -> String);

/// As many columns as the snapshots have, with about as many different values.
fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = vec![
        ("Cert_name".into(), |row| format!("Certifier {}", row % 80)),
        ("op_name".into(), |row| {
            format!("Green Valley Farms & Sons No. {row}")
        }),
        ("op_otherNames".into(), |row| {
            if row % 3 == 0 {
                format!("dba Happy {row}; Green")
            } else {
                String::new()
            }
        }),
        ("op_nopOpID".into(), |row| format!("{:010}", 1_000_000_000 + row)),
        ("op_clientID".into(), |row| format!("C{row}")),
        ("op_contFirstName".into(), |row| format!("First{}", row % 2000)),
        ("op_contLastName".into(), |row| format!("Last{}", row % 9000)),
        ("op_status".into(), |row| {
            (if row % 4 == 0 { "Surrendered" } else { "Certified" }).into()
        }),
        ("op_statusEffectiveDate".into(), |row| {
            (40_000 + row % 5000).to_string()
        }),
        ("op_nopAnniversaryDate".into(), |row| {
            format!("{}/1/2023", row % 12 + 1)
        }),
        ("op_lastUpdatedDate".into(), |row| {
            (44_000 + row % 900).to_string()
        }),
        ("opSC_CR".into(), |_| "Certified".into()),
        ("opSC_CR_ED".into(), |row| (41_000 + row % 4000).to_string()),
        ("opSC_HANDLING".into(), |row| {
            (if row % 2 == 0 { "Certified" } else { "" }).into()
        }),
        ("opSC_HANDLING_ED".into(), |row| {
            (if row % 2 == 0 { "2/14/2020" } else { "" }).into()
        }),
        ("opPA_line1".into(), |row| {
            format!("{} County Road {}", row % 9000, row % 700)
        }),
        ("opPA_city".into(), |row| format!("Springfield {}", row % 6000)),
        ("opPA_state".into(), |row| format!("State {}", row % 50)),
        ("opPA_country".into(), |row| format!("Country {}", row % 120)),
        ("opPA_zip".into(), |row| format!("{:05}", row % 90_000)),
        ("op_phone".into(), |row| {
            format!("555-{:07}", row * 37 % 10_000_000)
        }),
        ("op_email".into(), |row| format!("contact{row}@example.org")),
        ("op_url".into(), |row| format!("https://example.org/{row}")),
        ("CR_CertifiedProducts".into(), |row| {
            format!(
                "Field crops: oats, rye, wheat ({}); Vegetables: kale, onions, squash; Fruit: apples",
                row % 30_000
            )
        }),
        ("opCert_url".into(), |row| {
            format!("https://organic.ams.usda.gov/integrity/CP/OPP?cid=15&nopid={row:010}")
        }),
        ("Pub_Date".into(), |_| "45352".into()),
    ];
    while columns.len() < COLUMNS {
        columns.push((format!("opEx_flag{}", columns.len()), |row| {
            (if row % 5 == 0 { "True" } else { "False" }).into()
        }));
    }
    columns
}

fn is_date(name: &str, value: &str) -> bool {
    (name.ends_with("Date") || name.ends_with("_ED") || name == "Pub_Date") && value.len() == 5
}

fn generate(folder: &Path, rows: u64) -> (PathBuf, PathBuf) {
    let columns = columns();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_low_memory().unwrap();
    for (column, (name, _)) in (0u16..).zip(&columns) {
        sheet.write_string(0, column, name).unwrap();
    }
    let zip_path = folder.join("operations.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&zip_path).unwrap());
    zip.start_file("stream", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"<PublicData><Operations>\n").unwrap();
    for row in 0..rows {
        let mut xml = String::from("<Operation>");
        for (column, (name, value)) in (0u16..).zip(&columns) {
            let value = value(row);
            let line = u32::try_from(row).unwrap() + 1;
            if is_date(name, &value) {
                sheet
                    .write_number(line, column, value.parse::<f64>().unwrap())
                    .unwrap();
            } else if !value.is_empty() {
                sheet.write_string(line, column, &value).unwrap();
            }
            write!(xml, "<{name}>{}</{name}>", value.replace('&', "&amp;")).unwrap();
        }
        xml.push_str("</Operation>\n");
        zip.write_all(xml.as_bytes()).unwrap();
    }
    zip.write_all(b"</Operations><Items></Items></PublicData>")
        .unwrap();
    zip.finish().unwrap();
    let xlsx_path = folder.join("operations.xlsx");
    workbook.save(&xlsx_path).unwrap();
    (xlsx_path, zip_path)
}

/// Reads a file and lets the rows go; gives their number.
fn read_all(path: &Path) -> u64 {
    let mut sink = |event| -> Result<(), Stopped> {
        if let OidEvent::Reject(reject) = event {
            return Err(reject.reject.to_string().into());
        }
        Ok(())
    };
    read(OidSource::from_path(path), &mut sink).unwrap().rows
}

/// The same with the hash of each row, as an import needs it.
fn read_and_hash(path: &Path) -> u128 {
    let mut sum = 0u128;
    let mut sink = |event| -> Result<(), Stopped> {
        if let OidEvent::Row(row) = event {
            sum = sum.wrapping_add(row.fields.content_hash());
        }
        Ok(())
    };
    read(OidSource::from_path(path), &mut sink).unwrap();
    sum
}

fn calamine_loop(workbook: &mut Xlsx<std::io::BufReader<std::fs::File>>) -> u64 {
    let mut cells = workbook.worksheet_cells_reader("Sheet1").unwrap();
    let mut count = 0;
    while let Some(cell) = cells.next_cell().unwrap() {
        count += u64::from(!matches!(cell.get_value(), DataRef::Empty));
    }
    count
}

/// The most memory that this process ever held, in bytes (Linux; 0 elsewhere).
fn peak_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024)
}

fn main() {
    if let Some(path) = std::env::var_os(PEAK_OF) {
        let rows = read_all(Path::new(&path));
        eprintln!(
            "{}: {rows} rows, peak memory {} MB",
            path.display(),
            peak_memory() / 1_000_000
        );
        return;
    }
    let rows = std::env::var("NOPIC_BENCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(76_000);
    let folder = tempfile::tempdir().unwrap();
    let (xlsx, zip) = generate(folder.path(), rows);
    for path in [&xlsx, &zip] {
        let size = std::fs::metadata(path).unwrap().len();
        eprintln!("{}: {} bytes", path.display(), size);
        let program = std::env::current_exe().unwrap();
        assert!(
            std::process::Command::new(program)
                .env(PEAK_OF, path)
                .status()
                .unwrap()
                .success()
        );
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("oid");
    group.bench_function("xlsx", |bencher| {
        bencher.iter(|| assert_eq!(read_all(&xlsx), rows))
    });
    group.bench_function("xlsx with hashes", |bencher| {
        bencher.iter(|| read_and_hash(&xlsx))
    });
    group.bench_function("calamine: open and loop", |bencher| {
        bencher.iter(|| {
            let mut workbook: Xlsx<_> = open_workbook(&xlsx).unwrap();
            calamine_loop(&mut workbook)
        });
    });
    let mut workbook: Xlsx<_> = open_workbook(&xlsx).unwrap();
    group.bench_function("calamine: loop alone", |bencher| {
        bencher.iter(|| calamine_loop(&mut workbook))
    });
    group.bench_function("xml", |bencher| bencher.iter(|| assert_eq!(read_all(&zip), rows)));
    group.finish();
    criterion.final_summary();
}
