//! Lists of anything as a table, as JSON lines or as CSV.

use std::io::Write;

use comfy_table::{ContentArrangement, Table};

use super::{Style, Terminal};
use crate::failure::Failure;

/// One column of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Over the column of a table.
    pub(crate) title: &'static str,
    /// In JSON and in the header of CSV.
    pub(crate) name: &'static str,
}

/// A column by its title and its name.
pub(crate) const fn column(title: &'static str, name: &'static str) -> Column {
    Column { title, name }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// An empty one is absent.
    Text(String),
    /// An empty one stands in JSON, too: it says something.
    Name(String),
    /// A count.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Texts.
    List(Vec<String>),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}
impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
impl From<Vec<String>> for Cell {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl Cell {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn words(&self, separator: &str) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(true) => "yes".to_owned(),
            Self::Flag(false) => "no".to_owned(),
            Self::List(list) => list.join(separator),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match self {
            Self::Text(text) | Self::Name(text) => serde_json::to_writer(out, text),
            Self::Number(number) => serde_json::to_writer(out, number),
            Self::Flag(flag) => serde_json::to_writer(out, flag),
            Self::List(list) => serde_json::to_writer(out, list),
        };
    }
}

/// A part of a list, as a server gives it.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// What to ask the next part with; absent: this was the last.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// A part by the fields of an answer.
    pub(crate) fn new(items: Vec<T>, complete: bool, next_page_token: String) -> Self {
        let next = (!complete && !next_page_token.is_empty()).then_some(next_page_token);
        Self { items, next }
    }
}

/// Writes rows as they come; a table is printed by [`Listing::finish`].
#[derive(Debug)]
pub(crate) struct Listing {
    style: Style,
    columns: &'static [Column],
    rows: Vec<Vec<Cell>>,
    count: u64,
    columns_of_terminal: Option<u16>,
}

impl Listing {
    /// An empty list.
    pub(crate) fn new(style: Style, columns: &'static [Column], terminal: &Terminal) -> Self {
        Self {
            style,
            columns,
            rows: Vec::new(),
            count: 0,
            columns_of_terminal: terminal.columns,
        }
    }

    /// One row, a cell for each column.
    pub(crate) fn row(&mut self, out: &mut dyn Write, row: Vec<Cell>) -> Result<(), Failure> {
        debug_assert_eq!(row.len(), self.columns.len());
        self.count += 1;
        match self.style {
            Style::Table => self.rows.push(row),
            Style::Jsonl => out.write_all(&json_line(self.columns, &row))?,
            Style::Csv => {
                if self.count == 1 {
                    self.write_csv_header(out)?;
                }
                write_csv(out, row.iter().map(|cell| guarded(csv_words(cell))))?;
            }
        }
        Ok(())
    }

    /// The rows of page after page, until the last page or so many rows. Says whether the server has more pages.
    pub(crate) async fn pages<T>(
        &mut self,
        out: &mut dyn Write,
        limit: Option<u32>,
        mut ask: impl AsyncFnMut(String) -> Result<Page<T>, Failure>,
        cells: impl Fn(T) -> Vec<Cell>,
    ) -> Result<bool, Failure> {
        let limit = limit.map_or(u64::MAX, u64::from);
        let mut token = String::new();
        loop {
            let page = ask(token).await?;
            for item in page.items {
                if self.count == limit {
                    break;
                }
                self.row(out, cells(item))?;
            }
            match page.next {
                None => return Ok(false),
                Some(_) if self.count >= limit => return Ok(true),
                Some(next) => token = next,
            }
        }
    }

    /// A row for each item.
    pub(crate) fn rows(
        &mut self,
        out: &mut dyn Write,
        rows: impl IntoIterator<Item = Vec<Cell>>,
    ) -> Result<(), Failure> {
        rows.into_iter().try_for_each(|row| self.row(out, row))
    }

    /// How many rows there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Prints what was held back. An empty table prints nothing: its command says so on standard error.
    pub(crate) fn finish(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.style {
            Style::Csv if self.count == 0 => self.write_csv_header(out)?,
            Style::Table if self.count > 0 => {
                let titles: Vec<&str> = self.columns.iter().map(|column| column.title).collect();
                let mut table = plain_table(&titles);
                if let Some(width) = self.columns_of_terminal {
                    table
                        .set_content_arrangement(ContentArrangement::Dynamic)
                        .set_width(width);
                }
                for row in &self.rows {
                    table.add_row(row.iter().map(|cell| printable(&cell.words(", "))));
                }
                writeln!(out, "{}", table.trim_fmt())?;
            }
            Style::Table | Style::Jsonl | Style::Csv => {}
        }
        out.flush()?;
        Ok(())
    }

    fn write_csv_header(&self, out: &mut dyn Write) -> Result<(), Failure> {
        write_csv(out, self.columns.iter().map(|column| column.name.to_owned()))
    }
}

/// A table without lines but one under its header, so that rows can be searched and cut.
pub(crate) fn plain_table(titles: &[&str]) -> Table {
    use comfy_table::{LineStyle, TableStyle};
    const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table.load_style(STYLE).force_no_tty().set_header(titles);
    for column in table.column_iter_mut() {
        // With the gap between columns that is two spaces.
        column.set_padding((0, 1));
    }
    table
}

/// A text as it may reach a terminal: control characters, with which a file could steer it, are replaced.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

fn json_line(columns: &[Column], row: &[Cell]) -> Vec<u8> {
    let mut line = vec![b'{'];
    for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.is_absent()) {
        if line.len() > 1 {
            line.push(b',');
        }
        line.push(b'"');
        line.extend_from_slice(column.name.as_bytes());
        line.extend_from_slice(b"\":");
        cell.write_json(&mut line);
    }
    line.extend_from_slice(b"}\n");
    line
}

fn csv_words(cell: &Cell) -> String {
    match cell {
        Cell::Flag(flag) => flag.to_string(),
        other => other.words(";"),
    }
}

/// No spreadsheet shall take what stood in a file for a formula. A negative number is none.
fn guarded(text: String) -> String {
    let is_number = text.parse::<f64>().is_ok();
    if !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

fn write_csv(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> Result<(), Failure> {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        column("NOP id", "nopId"),
        column("name", "name"),
        column("names", "otherNames"),
        column("rows", "rows"),
        column("full", "full"),
    ];

    fn printed(style: Style) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(style, COLUMNS, &Terminal::none());
        let row = |id: &str, name: &str| {
            vec![
                id.into(),
                name.into(),
                Cell::List(vec!["a".into(), "b".into()]),
                7_u32.into(),
                true.into(),
            ]
        };
        listing.row(&mut out, row("0150000001", "=Fin, \"Q\"")).unwrap();
        listing.row(&mut out, row("", "\u{1b}[31m")).unwrap();
        listing.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_leaves_out_what_is_absent() {
        assert_eq!(
            printed(Style::Jsonl).lines().nth(1).unwrap(),
            r#"{"name":"\u001b[31m","otherNames":["a","b"],"rows":7,"full":true}"#
        );
    }

    #[test]
    fn csv_is_quoted_and_holds_no_formula() {
        let text = printed(Style::Csv);
        assert_eq!(
            text.lines().take(2).collect::<Vec<_>>(),
            [
                "nopId,name,otherNames,rows,full",
                "0150000001,\"'=Fin, \"\"Q\"\"\",a;b,7,true"
            ]
        );
    }

    #[test]
    fn a_table_has_titles_and_no_control_characters() {
        let text = printed(Style::Table);
        assert!(text.lines().next().unwrap().contains("NOP id"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[test]
    fn an_empty_csv_still_has_its_header() {
        let mut out = Vec::new();
        Listing::new(Style::Csv, COLUMNS, &Terminal::none())
            .finish(&mut out)
            .unwrap();
        assert_eq!(out, b"nopId,name,otherNames,rows,full\n");
    }
}
