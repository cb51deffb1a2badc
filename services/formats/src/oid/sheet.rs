//! One sheet of a workbook as a stream of rows.

use std::io::Read;

use super::error::OidProblem;
use super::scan::{Scanner, Tag, Token, local, unescape};
use super::strings::{RichText, SharedStrings, unescape_characters};

/// How a cell is written: the attribute `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellType {
    /// `n`, or none.
    Number,
    /// `s`: the value is the number of a shared string.
    Shared,
    /// `str`, and what else is text: `e` (an error such as `#N/A`), `d` (a date in ISO form).
    Text,
    /// `inlineStr`.
    Inline,
    /// `b`.
    Boolean,
}

/// Stands for what a formula came to where the program that wrote the workbook did not say: never taken for absent.
pub(crate) const FORMULA_WITHOUT_VALUE: &str = "#FORMULA WITHOUT ITS VALUE";

/// One cell; its text was pushed to the text that the reader was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// From 0.
    pub(crate) column: usize,
    /// Written as a number.
    pub(crate) numeric: bool,
    /// Number of its format among those of the workbook, from 0.
    pub(crate) style: usize,
}

/// The rows of one sheet.
pub(crate) struct Sheet<'s, R> {
    scanner: Scanner<R>,
    strings: &'s SharedStrings,
    name: &'s str,
    /// Number of the row, from 1.
    row: u64,
    /// Column of the next cell that does not say where it stands, from 0.
    column: usize,
    in_row: bool,
    in_data: bool,
    /// The value of a cell before it is understood.
    raw: String,
}

impl<'s, R: Read> Sheet<'s, R> {
    pub(crate) fn new(
        input: R,
        path: &str,
        name: &'s str,
        strings: &'s SharedStrings,
    ) -> Result<Self, OidProblem> {
        Ok(Self {
            scanner: Scanner::new(input, path)?,
            strings,
            name,
            row: 0,
            column: 0,
            in_row: false,
            in_data: false,
            raw: String::new(),
        })
    }

    /// Goes to the next row and gives its number. `None`: that was the last.
    pub(crate) fn next_row(&mut self) -> Result<Option<u64>, OidProblem> {
        loop {
            match self.scanner.next()? {
                Token::Start(tag) => match local(tag.name) {
                    b"row" if self.in_data => {
                        let stated = tag
                            .attributes()
                            .find(|(name, _)| *name == b"r")
                            .and_then(|(_, value)| number(value));
                        let is_empty = tag.is_empty;
                        let next = self.row + 1;
                        // Rows rise; a number that does not is worth less than the order.
                        self.row = stated.map_or(next, |stated| (stated as u64).max(next));
                        self.column = 0;
                        self.in_row = !is_empty;
                        return Ok(Some(self.row));
                    }
                    b"sheetData" if tag.is_empty => return Ok(None),
                    b"sheetData" => self.in_data = true,
                    _ => {}
                },
                Token::End(name) => {
                    if local(name) == b"sheetData" {
                        return Ok(None);
                    }
                }
                Token::Eof => return Err(self.cut_off()),
                Token::Text(_) | Token::CData(_) => {}
            }
        }
    }

    /// Goes to the next cell of the row and pushes its text to `out`. `None`: that was the last.
    pub(crate) fn next_cell(&mut self, out: &mut String) -> Result<Option<Cell>, OidProblem> {
        while self.in_row {
            match self.scanner.next()? {
                Token::Start(tag) => {
                    if local(tag.name) == b"c" {
                        let (column, cell_type, style) = place_and_type(&tag);
                        let is_empty = tag.is_empty;
                        let column = column.unwrap_or(self.column);
                        self.column = column + 1;
                        if !is_empty {
                            let numeric = self.read_cell(column, cell_type, out)?;
                            return Ok(Some(Cell {
                                column,
                                numeric,
                                style,
                            }));
                        }
                    }
                }
                Token::End(name) => {
                    if local(name) == b"row" {
                        self.in_row = false;
                    }
                }
                Token::Eof => return Err(self.cut_off()),
                Token::Text(_) | Token::CData(_) => {}
            }
        }
        Ok(None)
    }

    /// Reads to the end of the cell; gives whether it is a number.
    fn read_cell(
        &mut self,
        column: usize,
        cell_type: CellType,
        out: &mut String,
    ) -> Result<bool, OidProblem> {
        let start = out.len();
        // `<f>`, the formula, is passed over: the value beside it is what it came to. Some programs write none.
        let (mut in_value, mut has_formula, mut has_value) = (false, false, false);
        let mut rich = RichText::default();
        self.raw.clear();
        loop {
            let (name, row) = (self.name, self.row);
            let token = self.scanner.next().map_err(|problem| match problem {
                OidProblem::LongText { limit, .. } => OidProblem::LongText {
                    place: format!("sheet {name:?}, cell {}{row}", letters(column)),
                    limit,
                },
                other => other,
            })?;
            match token {
                Token::Start(tag) => match local(tag.name) {
                    b"v" => {
                        in_value = !tag.is_empty;
                        has_value = true;
                    }
                    b"f" => has_formula = true,
                    name if !tag.is_empty => rich.start(name),
                    _ => {}
                },
                Token::End(name) => match local(name) {
                    b"c" => break,
                    b"v" => in_value = false,
                    name => rich.end(name),
                },
                Token::Text(text) if in_value => {
                    // Most cells are shared strings, and their numbers come in one piece.
                    if cell_type == CellType::Shared
                        && self.raw.is_empty()
                        && let Some(string) = number(text).and_then(|index| self.strings.get(index))
                    {
                        out.push_str(string);
                        continue;
                    }
                    let target = if cell_type == CellType::Text {
                        &mut *out
                    } else {
                        &mut self.raw
                    };
                    if let Err(reason) = unescape(text, target) {
                        return Err(self.scanner.error(reason));
                    }
                }
                Token::Text(text) if rich.is_text() => {
                    if let Err(reason) = unescape(text, out) {
                        return Err(self.scanner.error(reason));
                    }
                }
                Token::CData(text) if in_value || rich.is_text() => {
                    let Ok(text) = std::str::from_utf8(text) else {
                        return Err(self.scanner.error("is not UTF-8; download it again"));
                    };
                    if rich.is_text() || cell_type == CellType::Text {
                        out.push_str(text);
                    } else {
                        self.raw.push_str(text);
                    }
                }
                Token::Text(_) | Token::CData(_) => {}
                Token::Eof => return Err(self.cut_off()),
            }
        }
        // An empty text is a value; what a number or a boolean came to is not known where nothing stands.
        let has_come_to = has_value && cell_type == CellType::Text;
        if has_formula && !has_come_to && out.len() == start && self.raw.trim().is_empty() {
            out.push_str(FORMULA_WITHOUT_VALUE);
            return Ok(false);
        }
        match cell_type {
            CellType::Number => {
                push_number(self.raw.trim(), out);
                Ok(out.len() > start && self.raw.trim().parse::<f64>().is_ok())
            }
            CellType::Shared if self.raw.trim().is_empty() => Ok(false),
            CellType::Shared => {
                let index = self.raw.trim().parse().ok();
                match index.and_then(|index| self.strings.get(index)) {
                    Some(string) if out.len() == start => {
                        out.push_str(string);
                        Ok(false)
                    }
                    _ => Err(OidProblem::Workbook {
                        part: format!("sheet {:?}, cell {}{}", self.name, letters(column), self.row),
                        reason: format!(
                            "shared string {:?} of {} does not exist",
                            crate::reject::shown(&self.raw),
                            self.strings.len()
                        ),
                    }),
                }
            }
            CellType::Boolean => {
                out.push_str(match self.raw.trim() {
                    "1" | "true" => "True",
                    "0" | "false" => "False",
                    other => other,
                });
                Ok(false)
            }
            CellType::Text | CellType::Inline => {
                out.push_str(&self.raw);
                unescape_characters(out, start);
                Ok(false)
            }
        }
    }

    fn cut_off(&self) -> OidProblem {
        self.scanner.error(format!(
            "the sheet {:?} is cut off in row {}; download the workbook again",
            self.name, self.row
        ))
    }

    /// Reads what stands behind the rows, so that the checksum is compared.
    pub(crate) fn drain(&mut self) -> Result<(), OidProblem> {
        self.scanner.drain()
    }
}

/// The attributes `r`, `t` and `s` of a cell.
fn place_and_type(tag: &Tag<'_>) -> (Option<usize>, CellType, usize) {
    let mut column = None;
    let mut style = 0;
    let mut cell_type = CellType::Number;
    for (name, value) in tag.attributes() {
        match name {
            b"r" => column = column_of(value),
            b"s" => style = number(value).unwrap_or(0),
            b"t" => {
                cell_type = match value {
                    b"s" => CellType::Shared,
                    b"inlineStr" => CellType::Inline,
                    b"b" => CellType::Boolean,
                    b"n" => CellType::Number,
                    _ => CellType::Text,
                }
            }
            _ => {}
        }
    }
    (column, cell_type, style)
}

/// The column of a reference such as `AB12`, from 0. XLSX ends at `XFD`.
fn column_of(reference: &[u8]) -> Option<usize> {
    let mut column = 0;
    for byte in reference.iter().take_while(|byte| byte.is_ascii_alphabetic()) {
        column = column * 26 + usize::from(byte.to_ascii_uppercase() - b'A') + 1;
        if column > 16_384 {
            return None;
        }
    }
    column.checked_sub(1)
}

/// The letters of a column, from 0.
pub(crate) fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        // Below 26.
        letters.push(char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// A whole number of at most nine digits, and nothing else.
fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + usize::from(byte - b'0'))
    })
}

/// Pushes a number as people write it: `2788547079`, not `2.788547079E9`.
fn push_number(raw: &str, out: &mut String) {
    if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        out.push_str(raw);
        return;
    }
    match raw.parse::<f64>() {
        // Larger ones would become a row of digits that nobody wrote.
        Ok(number) if number.abs() < 1e15 => out.push_str(&number.to_string()),
        _ => out.push_str(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(row: &str) -> Vec<(usize, String, bool)> {
        let strings =
            SharedStrings::read(&b"<sst><si><t>zero</t></si><si><t>one</t></si></sst>"[..], 0).unwrap();
        let xml = format!("<worksheet><cols><col/></cols><sheetData>{row}</sheetData></worksheet>");
        let mut sheet = Sheet::new(xml.as_bytes(), "sheet1.xml", "S", &strings).unwrap();
        let mut found = Vec::new();
        while sheet.next_row().unwrap().is_some() {
            let mut text = String::new();
            while let Some(cell) = sheet.next_cell(&mut text).unwrap() {
                found.push((cell.column, std::mem::take(&mut text), cell.numeric));
            }
        }
        found
    }

    #[test]
    fn every_type_of_cell() {
        let row = "<row r=\"3\"><c r=\"B3\" t=\"s\"><v>1</v></c><c><v>42571</v></c><c/>\
            <c t=\"str\"><f>HYPERLINK(\"a&gt;b\",\"Show\")</f><v>Sh_x006F_w &amp; go</v></c>\
            <c r='AA3' t='inlineStr'><is><r><t>rich </t></r><r><t xml:space=\"preserve\">text </t></r>\
            <rPh><t>no</t></rPh></is></c><c t=\"b\"><v>1</v></c><c t=\"e\"><v>#N/A</v></c>\
            <c t=\"n\"><v>2.788547079E9</v></c><c><v>0.10000000000000001</v></c><c t=\"s\"><v></v></c></row>";
        let text = |column, text: &str| (column, text.to_owned(), false);
        let number = |column, text: &str| (column, text.to_owned(), true);
        assert_eq!(
            cells(row),
            [
                text(1, "one"),
                number(2, "42571"),
                text(4, "Show & go"),
                text(26, "rich text "),
                text(27, "True"),
                text(28, "#N/A"),
                number(29, "2788547079"),
                number(30, "0.1"),
                text(31, ""),
            ]
        );
    }

    #[test]
    fn rows_without_numbers_and_a_missing_string() {
        let strings = SharedStrings::default();
        let xml =
            "<worksheet><sheetData><row/><row r=\"5\"><c t=\"s\"><v>7</v></c></row></sheetData></worksheet>";
        let mut sheet = Sheet::new(xml.as_bytes(), "sheet1.xml", "S", &strings).unwrap();
        assert_eq!(sheet.next_row().unwrap(), Some(1));
        assert_eq!(sheet.next_cell(&mut String::new()).unwrap(), None);
        assert_eq!(sheet.next_row().unwrap(), Some(5));
        let error = sheet.next_cell(&mut String::new()).unwrap_err().to_string();
        assert!(error.contains("cell A5"), "{error}");
    }

    #[test]
    fn columns_and_their_letters() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (16_383, "XFD")] {
            assert_eq!(letters(column), name);
            assert_eq!(column_of(format!("{name}1").as_bytes()), Some(column));
        }
        assert_eq!(column_of(b"XFE1"), None);
        assert_eq!(column_of(b"1"), None);
    }
}
