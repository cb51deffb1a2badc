//! The monthly snapshot: a workbook whose sheets are found by their header rows.

use std::io::{Read, Seek};

use rustc_hash::FxHashMap;
use zip::ZipArchive;

use super::archive::open_entry;
use super::columns::known;
use super::error::{Bounded, OidProblem, UNPACKED_LIMIT};
use super::namespaces::{DEEPEST, Element, Namespaces};
use super::record::Record;
use super::scan::{Scanner, Token};
use super::sheet::{Sheet, letters};
use super::strings::SharedStrings;
use super::{Emitter, OidList};

/// How many rows of a sheet are looked at for the header row.
const HEADER_ROWS: usize = 50;
/// The rows under the header that may hold labels and descriptions.
const LABEL_ROWS: u64 = 2;
/// A row with so many technical names was meant as a header row, even without the key.
const ENOUGH_NAMES: usize = 3;
/// The workbook's own properties stand in its root.
const PROPERTIES_DEPTH: usize = 2;

/// The parts of a workbook.
struct Workbook<R> {
    archive: ZipArchive<R>,
    /// Places in the archive by lower-case path: some writers are careless with case.
    entries: FxHashMap<String, usize>,
    /// What may still be unpacked, in bytes.
    budget: u64,
}

impl<R: Read + Seek> Workbook<R> {
    fn open(archive: ZipArchive<R>) -> Result<Self, OidProblem> {
        let mut entries = FxHashMap::default();
        for (index, name) in archive.file_names().enumerate() {
            entries.insert(name?.replace('\\', "/").to_ascii_lowercase(), index);
        }
        Ok(Self {
            archive,
            entries,
            budget: UNPACKED_LIMIT,
        })
    }

    /// The unpacked part and about how many bytes it has.
    fn part(&mut self, path: &str) -> Result<Option<(impl Read, u64)>, OidProblem> {
        let Some(index) = self.entries.get(&path.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let entry = open_entry(&mut self.archive, *index)?;
        // The size that the archive states may be a lie; deflate packs at most 1,032 to 1.
        let size = entry.size().min(entry.compressed_size().saturating_mul(1032));
        Ok(Some((Bounded::new(entry, &mut self.budget), size)))
    }

    /// Calls back with each start tag of a small part. Gives whether there is such a part.
    fn each_element(&mut self, path: &str, mut visit: impl FnMut(&Element<'_>)) -> Result<bool, OidProblem> {
        let Some((input, _)) = self.part(path)? else {
            return Ok(false);
        };
        let mut scanner = Scanner::new(input, path)?;
        let mut namespaces = Namespaces::default();
        loop {
            let is_too_deep = match scanner.next()? {
                Token::Start(tag) => {
                    namespaces.open(&tag);
                    visit(&Element {
                        tag,
                        namespaces: &namespaces,
                    });
                    if tag.is_empty {
                        namespaces.close();
                    }
                    namespaces.depth > DEEPEST
                }
                Token::End(_) => {
                    namespaces.close();
                    false
                }
                Token::Eof => return Ok(true),
                _ => false,
            };
            if is_too_deep {
                return Err(scanner.error(format!(
                    "elements are nested more than {DEEPEST} deep; this is no workbook of a spreadsheet program"
                )));
            }
        }
    }
}

/// One sheet: its name and the path of its part.
struct SheetPlace {
    name: String,
    path: String,
}

/// The path of a relationship's target, which is relative to `xl/` or begins at the root.
pub(crate) fn resolve(target: &str) -> String {
    let target = target.replace('\\', "/");
    let absolute = match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("xl/{target}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// Reads a workbook.
pub(crate) fn read<R: Read + Seek>(
    archive: ZipArchive<R>,
    emitter: &mut Emitter<'_>,
) -> Result<(), OidProblem> {
    let mut workbook = Workbook::open(archive)?;
    let mut sheet_ids: Vec<(String, String)> = Vec::new();
    let mut is_1904 = None;
    workbook.each_element("xl/workbook.xml", |element| {
        // What extensions of other namespaces call by the same names says nothing.
        if !element.is_of_spreadsheets() {
            return;
        }
        match element.name() {
            b"sheet" => sheet_ids.push((
                element.attribute(b"name").unwrap_or_default(),
                element.relationship_id().unwrap_or_default(),
            )),
            b"workbookPr" if element.depth() == PROPERTIES_DEPTH && is_1904.is_none() => {
                let value = element.attribute(b"date1904").unwrap_or_default();
                is_1904 = Some(matches!(value.trim(), "1" | "true"));
            }
            _ => {}
        }
    })?;
    let is_1904 = is_1904.unwrap_or(false);
    let mut targets: FxHashMap<String, String> = FxHashMap::default();
    let mut strings_path = "xl/sharedStrings.xml".to_owned();
    workbook.each_element("xl/_rels/workbook.xml.rels", |element| {
        if element.name() != b"Relationship" {
            return;
        }
        let get = |name: &[u8]| element.attribute(name).unwrap_or_default();
        let kind = get(b"Type");
        if kind.ends_with("/sharedStrings") {
            strings_path = resolve(&get(b"Target"));
        } else if kind.ends_with("/worksheet") {
            targets.insert(get(b"Id"), resolve(&get(b"Target")));
        }
    })?;
    let sheets: Vec<SheetPlace> = sheet_ids
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
            path.map(|path| SheetPlace { name, path })
        })
        .collect();
    let strings = match workbook.part(&strings_path)? {
        Some((input, size)) => SharedStrings::read(input, size)?,
        None => SharedStrings::default(),
    };
    let mut outcome = Outcome::default();
    for place in &sheets {
        read_sheet(&mut workbook, place, &strings, is_1904, emitter, &mut outcome)?;
    }
    if outcome.has_operations {
        return Ok(());
    }
    Err(outcome.missing.unwrap_or_else(|| OidProblem::NoHeaderRow {
        rows: HEADER_ROWS,
        sheets: sheets
            .iter()
            .map(|sheet| format!("{:?}", sheet.name))
            .collect::<Vec<_>>()
            .join(", "),
    }))
}

/// What the sheets read so far came to.
#[derive(Default)]
struct Outcome {
    has_operations: bool,
    /// The first header row that lacks a column, to be reported if no other sheet has the operations.
    missing: Option<OidProblem>,
}

/// Reads a sheet, if it holds one of the two lists.
fn read_sheet<R: Read + Seek>(
    workbook: &mut Workbook<R>,
    place: &SheetPlace,
    strings: &SharedStrings,
    is_1904: bool,
    emitter: &mut Emitter<'_>,
    outcome: &mut Outcome,
) -> Result<(), OidProblem> {
    let Some((input, _)) = workbook.part(&place.path)? else {
        return Err(OidProblem::Workbook {
            part: format!("sheet {:?}", place.name),
            reason: format!("its part {} is missing", place.path),
        });
    };
    let mut sheet = Sheet::new(input, &place.path, &place.name, strings)?;
    let Some(header) = find_header(&mut sheet, place, outcome)? else {
        emitter.summary.other_sheets.push(place.name.clone());
        return Ok(());
    };
    let mut record = Record::with_epoch(is_1904);
    let positions = header.positions(place, &mut record)?;
    if header.list == OidList::Operations {
        outcome.has_operations = true;
        emitter.note_columns(&record.columns);
    }
    while let Some(number) = sheet.next_row()? {
        record.clear();
        while let Some(cell) = sheet.next_cell(record.open())? {
            // A cell under no technical name has no name to be kept by.
            if let Some(Some(column)) = positions.get(cell.column) {
                record.close(*column, cell.numeric)?;
            }
        }
        if number <= header.row + LABEL_ROWS && record.nop_id().is_none() {
            continue;
        }
        emitter.finish(header.list, &record, number)?;
    }
    sheet.drain()
}

/// The row of technical names.
struct Header {
    row: u64,
    list: OidList,
    /// Column and name as they stand.
    names: Vec<(usize, String)>,
}

impl Header {
    /// For each column of the sheet, the position of its name in the record.
    fn positions(&self, place: &SheetPlace, record: &mut Record) -> Result<Vec<Option<usize>>, OidProblem> {
        let mut positions = Vec::new();
        let mut owners: Vec<usize> = Vec::new();
        for (column, name) in &self.names {
            let position = record.column(name)?;
            if let Some(first) = owners.get(position) {
                return Err(OidProblem::DuplicateColumn {
                    sheet: place.name.clone(),
                    row: self.row,
                    column: record.columns.list()[position].name.to_string(),
                    first: letters(*first),
                    second: letters(*column),
                });
            }
            // New names are numbered in the order in which they are met.
            owners.push(*column);
            if positions.len() <= *column {
                positions.resize(*column + 1, None);
            }
            positions[*column] = Some(position);
        }
        Ok(positions)
    }
}

/// Looks for the header row; the sheet then stands behind it. A row above it that has some technical names, but lacks
/// the key or the status, is reported only if no other row will do.
fn find_header<R: Read>(
    sheet: &mut Sheet<'_, R>,
    place: &SheetPlace,
    outcome: &mut Outcome,
) -> Result<Option<Header>, OidProblem> {
    for _ in 0..HEADER_ROWS {
        let Some(row) = sheet.next_row()? else {
            return Ok(None);
        };
        let mut names = Vec::new();
        let mut text = String::new();
        while let Some(cell) = sheet.next_cell(&mut text)? {
            let name = std::mem::take(&mut text);
            if !name.trim().is_empty() {
                names.push((cell.column, name));
            }
        }
        let has = |name: &str| {
            names
                .iter()
                .any(|(_, found)| found.trim().eq_ignore_ascii_case(name))
        };
        let mut missing = |column| {
            let found: Vec<&str> = names.iter().map(|(_, name)| name.trim()).collect();
            outcome.missing.get_or_insert_with(|| OidProblem::MissingColumn {
                sheet: place.name.clone(),
                row,
                column,
                found: found.join(", "),
            });
        };
        if has("ci_nopOpID") {
            let list = OidList::Items;
            return Ok(Some(Header { row, list, names }));
        }
        if has("op_nopOpID") {
            if has("op_status") {
                let list = OidList::Operations;
                return Ok(Some(Header { row, list, names }));
            }
            missing("op_status");
            continue;
        }
        if names
            .iter()
            .filter(|(_, name)| known(name.trim()).is_some())
            .count()
            >= ENOUGH_NAMES
        {
            missing("op_nopOpID");
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_relationships() {
        assert_eq!(resolve("worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("./../xl/a.xml"), "xl/a.xml");
    }
}
