//! The sample-data generator: realistic data of any size in every form of FORMATS.
//!
//! Everything follows from a seed. An operation, a group of certificates and an entry are each made from seed and
//! index alone, so that millions are streamed without being held, and a bench or a test can take any part of them
//! ([`operations`], [`World::certificates`], [`World::entry_lines`]) without the files.

mod certificate;
mod lines;
mod names;
mod oid;
mod operation;
mod places;
mod products;
mod random;
// Its lists are laid out by hand: one word a line would make a thousand lines of it.
#[rustfmt::skip]
mod words;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;
use thiserror::Error;

pub use certificate::{FILERS, SampleCertificate, World};
pub use lines::{EntryLines, SampleLine};
pub use oid::{write_json, write_xlsx, write_xml_zip};
pub use operation::{PUBLICATIONS, Role, SampleOperation, SampleState, operations};

use crate::certificates::write_certificate;
use crate::entries::{AbiTransmission, write_abi, write_csv, write_csv_header, write_jsonl};

/// How much to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleOptions {
    /// Operations over all publications; about 98 of 100 are in each. At most 1,048,000: an XLSX sheet holds no more.
    pub operations: u32,
    /// Certificates; at most 999,999, because serials have six digits.
    pub certificates: u32,
    /// Entry lines; at most 100 million, because entry numbers have seven digits.
    pub lines: u64,
    /// The same seed gives the same bytes.
    pub seed: u64,
}

impl SampleOptions {
    const MOST_OPERATIONS: u32 = 1_048_000;
    const MOST_CERTIFICATES: u32 = 999_999;
    const MOST_LINES: u64 = 100_000_000;

    fn check(&self) -> Result<(), SampleError> {
        let refuse = |what, most| Err(SampleError::TooMany { what, most });
        if self.operations > Self::MOST_OPERATIONS {
            refuse("operations", u64::from(Self::MOST_OPERATIONS))
        } else if self.certificates > Self::MOST_CERTIFICATES {
            refuse("certificates", u64::from(Self::MOST_CERTIFICATES))
        } else if self.lines > Self::MOST_LINES {
            refuse("lines", Self::MOST_LINES)
        } else if self.operations < 10 && (self.certificates > 0 || self.lines > 0) {
            Err(SampleError::TooFewOperations)
        } else {
            Ok(())
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleSummary {
    /// Every file, in the order in which they were written.
    pub files: Vec<PathBuf>,
    /// Operations that each of [`PUBLICATIONS`] lists.
    pub operations: [u64; 3],
    /// Certificates.
    pub certificates: u64,
    /// Entry lines in JSON lines and CSV.
    pub lines: u64,
    /// Entries of these lines.
    pub entries: u64,
    /// Lines in the ABI file. An entry of which ABI cannot carry a line (a disposition, a treatment, a claim, a
    /// number with dashes of a word processor) is not in it at all.
    pub abi_lines: u64,
    /// How many lines have which mistake.
    pub mistakes: BTreeMap<&'static str, u64>,
}

/// Why the sample could not be made.
#[derive(Debug, Error)]
pub enum SampleError {
    /// More than numbers or a form have room for.
    #[error("at most {most} {what} can be made")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// Certificates need an importer and an exporter.
    #[error("certificates and lines need at least 10 operations: importers and exporters are among them")]
    TooFewOperations,
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A stream could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The workbook could not be written.
    #[error("cannot write the workbook: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The archive could not be written.
    #[error("cannot write the archive: {0}")]
    Archive(#[from] zip::result::ZipError),
}

/// Entries that are written to the ABI file as one transmission.
const ENTRIES_OF_A_TRANSMISSION: usize = 500;
/// What is held of a text file before it is written.
const BUFFER: usize = 1 << 18;

/// Writes the whole sample into a folder, which is made where it is missing.
///
/// The files: `INTEGRITY_Export_20240301.xlsx`, `operations-2024-09-30.zip`, `operations-2026-03-01.json`,
/// `flags.csv`, `certificates.jsonl`, `importer-links.csv`, `entries.jsonl`, `entries.csv`, `entries.abi`. Memory
/// does not grow with the number of lines; it holds 4 bytes an operation that trades.
///
/// # Errors
///
/// When the options ask for more than numbers have room for, or a file cannot be written; files that were begun stay.
pub fn generate(options: &SampleOptions, out_dir: &Path) -> Result<SampleSummary, SampleError> {
    options.check()?;
    std::fs::create_dir_all(out_dir).map_err(|source| SampleError::File {
        path: out_dir.to_owned(),
        source,
    })?;
    let world = World::new(options.seed, options.operations, options.certificates);
    let mut folder = Folder {
        path: out_dir,
        files: Vec::new(),
    };
    let mut summary = SampleSummary::default();
    write_operations(options, &mut folder, &mut summary)?;
    write_flags(&world, &mut folder)?;
    write_certificates(&world, &mut folder, &mut summary)?;
    write_entries(&world, options.lines, &mut folder, &mut summary)?;
    summary.files = folder.files;
    Ok(summary)
}

/// The folder that is written to.
struct Folder<'a> {
    path: &'a Path,
    files: Vec<PathBuf>,
}

impl Folder<'_> {
    fn create(&mut self, name: &str) -> Result<BufWriter<File>, SampleError> {
        let path = self.path.join(name);
        let file = File::create(&path).map_err(|source| SampleError::File {
            path: path.clone(),
            source,
        })?;
        self.files.push(path);
        Ok(BufWriter::with_capacity(BUFFER, file))
    }
}

fn write_operations(
    options: &SampleOptions,
    folder: &mut Folder<'_>,
    summary: &mut SampleSummary,
) -> Result<(), SampleError> {
    let SampleOptions { seed, operations, .. } = *options;
    let name = format!("INTEGRITY_Export_{}.xlsx", PUBLICATIONS[0].format("%Y%m%d"));
    let mut workbook = folder.create(&name)?;
    summary.operations[0] = write_xlsx(&mut workbook, seed, operations, 0)?;
    workbook.flush()?;
    let mut archive = folder.create(&format!("operations-{}.zip", PUBLICATIONS[1]))?;
    summary.operations[1] = write_xml_zip(&mut archive, seed, operations, 1)?;
    archive.flush()?;
    let page = folder.create(&format!("operations-{}.json", PUBLICATIONS[2]))?;
    summary.operations[2] = write_json(page, seed, operations, 2)?;
    Ok(())
}

/// A plain flag table: what ships, and the AM7 codes that lines of the sample have.
fn write_flags(world: &World, folder: &mut Folder<'_>) -> Result<(), SampleError> {
    let mut out = folder.create("flags.csv")?;
    writeln!(out, "hts,flag,from,to")?;
    for (code, intervals) in world.catalogue.table().flagged() {
        for interval in intervals {
            let to = interval.to.map(|to| to.to_string()).unwrap_or_default();
            writeln!(out, "{code},{},{},{to}", interval.flag, interval.from)?;
        }
    }
    for (code, _) in products::AM7 {
        writeln!(out, "{code},AM7,2020-07-01,")?;
    }
    out.flush()?;
    Ok(())
}

fn write_certificates(
    world: &World,
    folder: &mut Folder<'_>,
    summary: &mut SampleSummary,
) -> Result<(), SampleError> {
    let mut out = folder.create("certificates.jsonl")?;
    let mut line = Vec::new();
    let mut importers = FxHashSet::default();
    for SampleCertificate { certificate, draws } in world.certificates() {
        line.clear();
        let draws = (!draws.is_empty()).then_some(draws.as_slice());
        write_certificate(&mut line, &certificate, draws);
        out.write_all(&line)?;
        importers.insert(certificate.importer_nop_id);
        summary.certificates += 1;
    }
    out.flush()?;
    let mut importers: Vec<_> = importers.into_iter().collect();
    importers.sort_unstable();
    let mut out = folder.create("importer-links.csv")?;
    writeln!(out, "importerOfRecord,nopId")?;
    for importer in importers {
        writeln!(out, "{},{importer}", lines::importer_of_record(importer))?;
    }
    out.flush()?;
    Ok(())
}

/// The three files of entries, written side by side.
struct EntryFiles {
    json: BufWriter<File>,
    csv: BufWriter<File>,
    abi: BufWriter<File>,
    /// Lines of entries that wait to be one ABI transmission, and how many entries they are.
    waiting: (Vec<nopic_domain::entry::EntryLine>, usize),
    scratch: Vec<u8>,
}

fn write_entries(
    world: &World,
    count: u64,
    folder: &mut Folder<'_>,
    summary: &mut SampleSummary,
) -> Result<(), SampleError> {
    let mut files = EntryFiles {
        json: folder.create("entries.jsonl")?,
        csv: folder.create("entries.csv")?,
        abi: folder.create("entries.abi")?,
        waiting: (Vec::new(), 0),
        scratch: Vec::new(),
    };
    write_csv_header(&mut files.scratch);
    files.csv.write_all(&files.scratch)?;
    let mut entry = Vec::new();
    for SampleLine { line, mistake } in world.entry_lines(count) {
        if let Some(mistake) = mistake {
            *summary.mistakes.entry(mistake).or_default() += 1;
        }
        if entry
            .first()
            .is_some_and(|first: &nopic_domain::entry::EntryLine| first.entry_number != line.entry_number)
        {
            files.write_entry(&mut entry, summary)?;
        }
        entry.push(line);
    }
    files.write_entry(&mut entry, summary)?;
    files.write_transmission(summary)?;
    for file in [&mut files.json, &mut files.csv, &mut files.abi] {
        file.flush()?;
    }
    Ok(())
}

impl EntryFiles {
    /// Writes the lines of one entry and leaves their list empty.
    fn write_entry(
        &mut self,
        entry: &mut Vec<nopic_domain::entry::EntryLine>,
        summary: &mut SampleSummary,
    ) -> Result<(), SampleError> {
        if entry.is_empty() {
            return Ok(());
        }
        summary.entries += 1;
        summary.lines += entry.len() as u64;
        self.scratch.clear();
        for line in entry.iter() {
            write_jsonl(&mut self.scratch, line);
        }
        self.json.write_all(&self.scratch)?;
        self.scratch.clear();
        for line in entry.iter() {
            // No lot of the sample has a semicolon in it, the one thing that CSV cannot carry.
            let written = write_csv(&mut self.scratch, line);
            debug_assert!(written.is_ok());
        }
        self.csv.write_all(&self.scratch)?;
        self.scratch.clear();
        if write_abi(&mut self.scratch, &AbiTransmission::default(), entry).is_ok() {
            self.waiting.0.append(entry);
            self.waiting.1 += 1;
        }
        entry.clear();
        if self.waiting.1 >= ENTRIES_OF_A_TRANSMISSION {
            self.write_transmission(summary)?;
        }
        Ok(())
    }

    /// Writes the entries that wait as one transmission.
    fn write_transmission(&mut self, summary: &mut SampleSummary) -> Result<(), SampleError> {
        self.scratch.clear();
        let (lines, entries) = &mut self.waiting;
        // Each of these entries was written once before, so none is refused.
        let written = write_abi(&mut self.scratch, &AbiTransmission::default(), lines);
        debug_assert!(written.is_ok());
        if !lines.is_empty() {
            self.abi.write_all(&self.scratch)?;
        }
        summary.abi_lines += lines.len() as u64;
        lines.clear();
        *entries = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
