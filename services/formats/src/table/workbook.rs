//! Tables as XLSX workbooks: the first worksheet that has a header.
//!
//! A workbook is a ZIP archive, so what it unpacks to is bounded, and so is what its cells come to: many may share one
//! long string.

use std::io::{self, Cursor, Read};

use rustc_hash::FxHashMap;
use thiserror::Error;
use zip::ZipArchive;

use super::header::HeaderError;
use super::number::{is_date_format, shortest_decimal};
use super::{RawRow, Table, TableReader};
use crate::lines::LONGEST_LINE;
use crate::oid::archive::open_entry;
use crate::oid::error::{OidProblem, TooLarge};
use crate::oid::scan::{Scanner, Token, local, unescape};
use crate::oid::sheet::{Sheet, letters};
use crate::oid::strings::SharedStrings;
use crate::reject::{Reject, shown};

/// The most bytes that a workbook may have.
pub(crate) const PACKED_LIMIT: usize = 64 << 20;
/// The most bytes that its parts may come to, and the most that its cells and their places in the rows may.
const UNPACKED_LIMIT: u64 = 512 << 20;
/// How many places in a row without a cell cost nothing.
const FREE_PLACES: usize = 64;
/// What each of the others costs in bytes.
const COST_OF_A_PLACE: usize = 32;
/// The most number formats that are kept.
const MOST_FORMATS: usize = 1 << 16;

/// Why a workbook is not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkbookError {
    /// It is a ZIP archive of something else.
    #[error("the file is {found}: save it as an Excel workbook (.xlsx) or as CSV")]
    NotAWorkbook {
        /// What it is, with its article.
        found: &'static str,
    },
    /// More bytes than are kept.
    #[error("the workbook has more than {} MiB: split it, or give CSV or JSON lines", PACKED_LIMIT >> 20)]
    TooLong,
    /// More bytes than are unpacked.
    #[error("the workbook unpacks to more than {} MiB: split it, or give CSV or JSON lines", UNPACKED_LIMIT >> 20)]
    TooLarge,
    /// A part of it needs a password.
    #[error(
        "{part} of the workbook needs a password, and none can be given here: save it without one, or as CSV"
    )]
    Encrypted {
        /// Name of the part.
        part: String,
    },
    /// A part of it is packed by a method that is not read.
    #[error(
        "{part} of the workbook is packed with {method}, which is not read (Deflate and no packing are): open it in a \
         spreadsheet program and save it as .xlsx again, or as CSV"
    )]
    PackingNotRead {
        /// Name of the part.
        part: String,
        /// The method's name, or its number.
        method: String,
    },
    /// A text in it that is longer than any is read.
    #[error("{place}: a tag or a text is longer than {limit} bytes, which is more than is read: shorten it")]
    LongText {
        /// The cell, or what is known of it.
        place: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// Its parts do not fit together.
    #[error("the workbook cannot be read: {reason}")]
    Damaged {
        /// Which part and why.
        reason: String,
    },
    /// Its header cannot be used.
    #[error("sheet {sheet:?}: {error}")]
    Header {
        /// The name of the sheet, shortened.
        sheet: String,
        /// What is wrong with it.
        #[source]
        error: HeaderError,
    },
    /// No sheet has rows.
    #[error("the workbook is empty: no sheet has a row")]
    Empty,
}

impl From<OidProblem> for WorkbookError {
    fn from(problem: OidProblem) -> Self {
        match problem {
            OidProblem::TooLarge { .. } => Self::TooLarge,
            OidProblem::Encrypted { entry } => Self::Encrypted { part: entry },
            OidProblem::PackingNotRead { entry, method } => Self::PackingNotRead { part: entry, method },
            OidProblem::LongText { place, limit } => Self::LongText { place, limit },
            other => Self::Damaged {
                reason: other.to_string(),
            },
        }
    }
}

/// A reader that fails when more than its budget passes through it.
struct Limited<'b, R> {
    inner: R,
    budget: &'b mut u64,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        *self.budget = self.budget.checked_sub(length as u64).ok_or_else(|| {
            io::Error::other(TooLarge {
                what: "the unpacked content",
                limit: UNPACKED_LIMIT,
            })
        })?;
        Ok(length)
    }
}

/// The parts of a workbook.
struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Places in the archive by lower-case path: some writers are careless with case.
    places: FxHashMap<String, usize>,
    budget: u64,
}

impl<'a> Parts<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, WorkbookError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(OidProblem::from)?;
        let mut places = FxHashMap::default();
        for (index, name) in archive.file_names().enumerate() {
            let name = name.map_err(OidProblem::from)?;
            places.insert(name.replace('\\', "/").to_ascii_lowercase(), index);
        }
        let has = |name: &str| places.contains_key(name);
        if !has("xl/workbook.xml") {
            let found = if has("xl/workbook.bin") {
                "a binary Excel workbook (.xlsb)"
            } else if has("content.xml") {
                "an OpenDocument file"
            } else if has("word/document.xml") {
                "a Word document"
            } else {
                "a ZIP archive without a workbook in it"
            };
            return Err(WorkbookError::NotAWorkbook { found });
        }
        Ok(Self {
            archive,
            places,
            budget: UNPACKED_LIMIT,
        })
    }

    fn part(&mut self, path: &str) -> Result<Option<impl Read>, OidProblem> {
        let Some(place) = self.places.get(&path.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let inner = open_entry(&mut self.archive, *place)?;
        Ok(Some(Limited {
            inner,
            budget: &mut self.budget,
        }))
    }

    /// Calls back with each start tag of a part: how many elements it stands in, its whole name, its attributes.
    fn each_tag(
        &mut self,
        path: &str,
        mut visit: impl FnMut(usize, &[u8], &FxHashMap<Vec<u8>, String>),
    ) -> Result<(), OidProblem> {
        let Some(input) = self.part(path)? else {
            return Ok(());
        };
        let mut scanner = Scanner::new(input, path)?;
        let mut depth = 0usize;
        loop {
            match scanner.next()? {
                Token::Start(tag) => {
                    let mut attributes = FxHashMap::default();
                    for (name, raw) in tag.attributes() {
                        let mut value = String::new();
                        // What cannot be read here cannot be what is looked for.
                        if unescape(raw, &mut value).is_ok() {
                            attributes.insert(name.to_vec(), value);
                        }
                    }
                    visit(depth, tag.name, &attributes);
                    depth += usize::from(!tag.is_empty);
                }
                Token::End(_) => depth = depth.saturating_sub(1),
                Token::Eof => return Ok(()),
                Token::Text(_) | Token::CData(_) => {}
            }
        }
    }
}

/// What stands before the colon of a name.
fn prefix(name: &[u8]) -> &[u8] {
    &name[..name.len() - local(name).len()]
}

/// Whether a namespace that an element declares for itself is the main one; empty where it declares none.
fn is_main(namespace: &str) -> bool {
    namespace.is_empty()
        || namespace.ends_with("/spreadsheetml/2006/main")
        || namespace.ends_with("/ooxml/spreadsheetml/main")
}

/// What is known of a workbook before its sheets.
struct Layout {
    /// Names and paths in their order.
    sheets: Vec<(String, String)>,
    strings: SharedStrings,
    /// For each format of cells whether it shows a date.
    shows_date: Vec<bool>,
    is_1904: bool,
}

impl Layout {
    fn read(parts: &mut Parts<'_>) -> Result<Self, OidProblem> {
        let mut ids: Vec<(String, String)> = Vec::new();
        let mut is_1904 = false;
        let mut root = Vec::new();
        parts.each_tag("xl/workbook.xml", |depth, name, attributes| {
            let get = |name: &[u8]| attributes.get(name).map_or("", String::as_str);
            match local(name) {
                _ if depth == 0 => root = prefix(name).to_vec(),
                b"sheet" => ids.push((get(b"name").to_owned(), get(b"id").to_owned())),
                // An element of another namespace says nothing.
                b"workbookPr" if depth == 1 && prefix(name) == root && is_main(get(b"xmlns")) => {
                    is_1904 = matches!(get(b"date1904"), "1" | "true" | "on");
                }
                _ => {}
            }
        })?;
        let mut targets: FxHashMap<String, String> = FxHashMap::default();
        let mut strings_path = "xl/sharedStrings.xml".to_owned();
        let mut styles_path = "xl/styles.xml".to_owned();
        parts.each_tag("xl/_rels/workbook.xml.rels", |_, name, attributes| {
            if local(name) != b"Relationship" {
                return;
            }
            let get = |name: &[u8]| attributes.get(name).map_or("", String::as_str);
            let target = crate::oid::resolve_target(get(b"Target"));
            match get(b"Type").rsplit('/').next() {
                Some("sharedStrings") => strings_path = target,
                Some("styles") => styles_path = target,
                Some("worksheet") => {
                    targets.insert(get(b"Id").to_owned(), target);
                }
                _ => {}
            }
        })?;
        let sheets = ids
            .into_iter()
            .enumerate()
            .filter_map(|(index, (name, id))| {
                let path = if targets.is_empty() {
                    // A workbook without relationships: its sheets have their usual names.
                    Some(format!("xl/worksheets/sheet{}.xml", index + 1))
                } else {
                    // Charts and the like are sheets too, but no worksheets.
                    targets.get(&id).cloned()
                };
                path.map(|path| (name, path))
            })
            .collect();
        let shows_date = read_formats(parts, &styles_path)?;
        let strings = match parts.part(&strings_path)? {
            Some(input) => SharedStrings::read(input, 0)?,
            None => SharedStrings::default(),
        };
        Ok(Self {
            sheets,
            strings,
            shows_date,
            is_1904,
        })
    }

    /// A number as its cell shows it: a date, or its shortest decimal.
    fn number(&self, text: &str, style: usize) -> Option<String> {
        let number: f64 = text.parse().ok()?;
        if self.shows_date.get(style) == Some(&true)
            && let Some(date) = crate::oid::date_from_serial(number, self.is_1904)
        {
            return Some(date.to_string());
        }
        shortest_decimal(number)
    }
}

/// For each format of cells whether it shows a date.
fn read_formats(parts: &mut Parts<'_>, path: &str) -> Result<Vec<bool>, OidProblem> {
    let mut own: FxHashMap<u32, bool> = FxHashMap::default();
    let mut shows_date = Vec::new();
    let mut is_within = false;
    parts.each_tag(path, |_, name, attributes| {
        let get = |name: &[u8]| attributes.get(name).map_or("", String::as_str);
        let id = || get(b"numFmtId").parse().unwrap_or(0);
        match local(name) {
            b"numFmt" if own.len() < MOST_FORMATS => {
                own.insert(id(), is_date_format(get(b"formatCode")));
            }
            b"xf" if is_within && shows_date.len() < MOST_FORMATS => {
                let id = id();
                shows_date.push(match own.get(&id) {
                    Some(shows_date) => *shows_date,
                    // The formats that every workbook has.
                    None => matches!(id, 14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58),
                });
            }
            b"cellXfs" => is_within = true,
            b"cellStyleXfs" | b"cellStyles" | b"dxfs" => is_within = false,
            _ => {}
        }
    })?;
    Ok(shows_date)
}

/// One row as it is collected.
#[derive(Default)]
struct Collected {
    text: String,
    ends: Vec<usize>,
}

impl Collected {
    fn row(&self) -> RawRow<'_> {
        RawRow {
            text: self.text.as_bytes(),
            ends: &self.ends,
            gap: 0,
            may_be_short: true,
        }
    }
}

/// How long a row is.
#[derive(Default)]
struct Length {
    bytes: usize,
    /// The place of its longest cell, from 0, and how many bytes that has.
    longest: (usize, usize),
}

/// Reads the rows of the first sheet that has a header.
pub(crate) fn read<T: Table>(bytes: &[u8], out: &mut Vec<T::Event>) -> Result<(), WorkbookError> {
    let mut parts = Parts::open(bytes)?;
    let layout = Layout::read(&mut parts)?;
    let mut cells_budget = UNPACKED_LIMIT;
    let mut without_header: Option<WorkbookError> = None;
    let mut has_table = false;
    for (name, path) in &layout.sheets {
        let Some(input) = parts.part(path)? else {
            return Err(WorkbookError::Damaged {
                reason: format!("the part {path} of the sheet {:?} is missing", shown(name)),
            });
        };
        let mut sheet = Sheet::new(input, path, name, &layout.strings)?;
        let mut reader = SheetReader::<T> {
            layout: &layout,
            table: TableReader::default(),
            row: Collected::default(),
            cells_budget: &mut cells_budget,
        };
        if has_table {
            // Two tables in one file would have two rows of one number.
            if let Some((record, problem)) = reader.second_table(&mut sheet)? {
                let reason = format!("the sheet {:?} is not read: {problem}", shown(name));
                out.push(T::refused(Reject::new(record, reason)));
            }
            continue;
        }
        match reader.read(&mut sheet, out) {
            Ok(found) => has_table = found,
            // Notes may stand on a sheet before the one with the table.
            Err(WorkbookError::Header {
                error: error @ (HeaderError::NoHeader { .. } | HeaderError::HumanTitles { .. }),
                ..
            }) => {
                without_header.get_or_insert(WorkbookError::Header {
                    sheet: shown(name),
                    error,
                });
            }
            Err(WorkbookError::Header { error, .. }) => {
                return Err(WorkbookError::Header {
                    sheet: shown(name),
                    error,
                });
            }
            Err(error) => return Err(error),
        }
    }
    if has_table {
        // A sheet before it whose rows are meant to be read, by its titles.
        if let Some(
            error @ WorkbookError::Header {
                error: HeaderError::HumanTitles { row, .. },
                ..
            },
        ) = &without_header
        {
            out.push(T::refused(Reject::new(*row, error.to_string())));
        }
        return Ok(());
    }
    Err(without_header.unwrap_or(WorkbookError::Empty))
}

struct SheetReader<'a, T: Table> {
    layout: &'a Layout,
    table: TableReader<T>,
    row: Collected,
    cells_budget: &'a mut u64,
}

impl<T: Table> SheetReader<'_, T> {
    /// Reads the whole sheet; whether it had a row.
    fn read<R: Read>(
        &mut self,
        sheet: &mut Sheet<'_, R>,
        out: &mut Vec<T::Event>,
    ) -> Result<bool, WorkbookError> {
        let mut has_rows = false;
        while let Some(number) = sheet.next_row()? {
            let Length { bytes, longest } = self.collect(sheet)?;
            has_rows |= !self.row.row().is_blank();
            if bytes > LONGEST_LINE && self.table.has_header() {
                let reason = format!(
                    "the row has {bytes} bytes, more than the {LONGEST_LINE} that are read, and {} of them stand in \
                     cell {}{number}: shorten it",
                    longest.1,
                    letters(longest.0)
                );
                out.push(T::refused(Reject::new(number, reason)));
                continue;
            }
            self.table
                .row(number, self.row.row(), out)
                .map_err(Self::header_error)?;
        }
        sheet.drain()?;
        if has_rows {
            self.table.finish().map_err(Self::header_error)?;
        }
        Ok(has_rows)
    }

    /// The row of a header with rows under it, or of what looks like one, on a sheet that is not read, and what to do.
    fn second_table<R: Read>(
        &mut self,
        sheet: &mut Sheet<'_, R>,
    ) -> Result<Option<(u64, String)>, WorkbookError> {
        let mut header = None;
        let mut first = None;
        let mut ignored = Vec::new();
        while let Some(number) = sheet.next_row()? {
            self.collect(sheet)?;
            if self.row.row().is_blank() {
                continue;
            }
            first.get_or_insert(number);
            if header.is_some() {
                let problem = format!(
                    "it has the columns of {} too, and only the first such sheet is: give it in a file of its own",
                    T::KIND.found
                );
                return Ok(header.map(|header| (header, problem)));
            }
            match self.table.row(number, self.row.row(), &mut ignored) {
                Ok(()) if self.table.has_header() => header = Some(number),
                Ok(()) => {}
                // Notes, totals and the like.
                Err(HeaderError::NoHeader { .. }) => return Ok(None),
                Err(error) => return Ok(Some((number, error.to_string()))),
            }
        }
        match self.table.finish() {
            Ok(()) | Err(HeaderError::NoHeader { .. }) => Ok(None),
            Err(error) => Ok(Some((first.unwrap_or(1), error.to_string()))),
        }
    }

    /// The sheet is named by the caller.
    fn header_error(error: HeaderError) -> WorkbookError {
        WorkbookError::Header {
            sheet: String::new(),
            error,
        }
    }

    /// Collects the cells of a row.
    fn collect<R: Read>(&mut self, sheet: &mut Sheet<'_, R>) -> Result<Length, WorkbookError> {
        let Collected { text, ends } = &mut self.row;
        text.clear();
        ends.clear();
        let mut length = Length::default();
        loop {
            let start = text.len();
            let Some(cell) = sheet.next_cell(text)? else {
                break;
            };
            let added = text.len() - start;
            length.bytes += added;
            if added > length.longest.1 {
                length.longest = (cell.column, added);
            }
            // A cell far to the right costs the places before it.
            let passed = cell.column.saturating_sub(ends.len());
            let cost = added + passed.saturating_sub(FREE_PLACES) * COST_OF_A_PLACE;
            *self.cells_budget = self
                .cells_budget
                .checked_sub(cost as u64)
                .ok_or(WorkbookError::TooLarge)?;
            if length.bytes > LONGEST_LINE || cell.column < ends.len() {
                // A row that is too long is refused; of two cells in one place the first counts.
                text.truncate(start);
                continue;
            }
            if cell.numeric
                && let Some(number) = self.layout.number(&text[start..], cell.style)
            {
                text.truncate(start);
                text.push_str(&number);
            }
            ends.resize(cell.column, start);
            ends.push(text.len());
        }
        Ok(length)
    }
}
