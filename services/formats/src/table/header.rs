//! Finds the header of a table: the row that names its columns.

use thiserror::Error;

use super::Table;
use crate::kind::nearest;
use crate::kind::{self, folded};
use crate::reject::shown;

/// How many rows are looked at for the header.
const WITHIN_ROWS: u32 = 20;

/// Why the header of a table cannot be used. Nothing of the table was read then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// No row names a column.
    #[error("no header: the first row must name the columns. They are {columns}")]
    NoHeader {
        /// The columns that exist.
        columns: String,
    },
    /// Column titles for people.
    #[error(
        "row {row} has titles for people ({title:?}) in place of the names of the columns: write {name:?} for \
         {title:?}, and so on. The columns are {columns}"
    )]
    HumanTitles {
        /// The row, from 1.
        row: u64,
        /// One of the titles, shortened.
        title: String,
        /// The name of its column.
        name: &'static str,
        /// The columns that exist.
        columns: String,
    },
    /// Something stands above the header.
    #[error(
        "row {row} looks like the header, and something stands above it: delete the rows above row {row}"
    )]
    TitleAbove {
        /// The row that looks like the header, from 1.
        row: u64,
    },
    /// A header with another sign between its names.
    #[error("the columns are separated by {separator}: save the file with commas between them")]
    Separator {
        /// The sign in words.
        separator: &'static str,
    },
    /// The header of another kind of content.
    #[error("the columns are those of {found}, not of {wanted}: give the file to `{command}`")]
    OtherKind {
        /// What the file holds.
        found: &'static str,
        /// What is read here.
        wanted: &'static str,
        /// The command that reads it.
        command: &'static str,
    },
    /// A column that does not exist.
    #[error("unknown column {name:?}: {}. The columns are {columns}", advice(*nearest))]
    UnknownColumn {
        /// The name as it stands, shortened.
        name: String,
        /// The known name that may be meant.
        nearest: Option<&'static str>,
        /// The columns that exist.
        columns: String,
    },
    /// A column that stands twice, in one spelling or in both.
    #[error("the column {name} stands twice: keep one of them")]
    RepeatedColumn {
        /// Its name.
        name: &'static str,
    },
    /// A column without which no row is whole.
    #[error("the column {name} is missing from the header: every row needs its {name}")]
    MissingColumn {
        /// Its name.
        name: &'static str,
    },
}

fn advice(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "take it out or correct its name".to_owned(),
        |nearest| format!("was {nearest} meant?"),
    )
}

/// The names of all columns, for messages.
fn listed<T: Table>() -> String {
    let names: Vec<&str> = T::columns().into_iter().map(T::name).collect();
    names.join(", ")
}

/// The column that a title for people means: its name with spaces and signs between the words.
fn meant<T: Table>(title: &str) -> Option<T::Column> {
    let letters: String = title
        .chars()
        .filter(|character| character.is_alphanumeric())
        .collect();
    T::column(&letters)
}

/// The search for the header.
#[derive(Debug, Default)]
pub(super) struct HeaderSearch {
    rows: u32,
    /// What to say of the first row if no row is the header.
    first: Option<HeaderError>,
}

impl HeaderSearch {
    /// Looks at one more row that is not blank; the columns if it is the header.
    pub(super) fn row<T: Table>(
        &mut self,
        row: u64,
        cells: &[&str],
    ) -> Result<Option<Vec<Option<T::Column>>>, HeaderError> {
        if let Some(kind) = kind::of_names(cells.iter().copied()).filter(|kind| *kind != T::KIND) {
            return Err(HeaderError::OtherKind {
                found: kind.found,
                wanted: T::KIND.found,
                command: kind.command,
            });
        }
        let named = cells.iter().filter(|cell| T::column(cell).is_some()).count();
        if self.rows > 0 && named >= 2 {
            return Err(HeaderError::TitleAbove { row });
        }
        if self.rows == 0 && named > 0 {
            return columns::<T>(cells).map(Some);
        }
        if self.rows == 0 {
            self.first = Some(Self::fault_of::<T>(row, cells));
        }
        self.rows += 1;
        if self.rows >= WITHIN_ROWS {
            return Err(self.not_found::<T>());
        }
        Ok(None)
    }

    /// What to say where no row is the header.
    pub(super) fn not_found<T: Table>(&mut self) -> HeaderError {
        self.first.clone().unwrap_or_else(|| HeaderError::NoHeader {
            columns: listed::<T>(),
        })
    }

    /// What is wrong with a first row that names no column. Nothing of it is shown but titles of columns: it may be an
    /// ABI batch header with its password.
    fn fault_of<T: Table>(row: u64, cells: &[&str]) -> HeaderError {
        if cells.iter().any(|cell| {
            cell.split('|')
                .filter(|name| T::column(name.trim()).is_some())
                .count()
                >= 2
        }) {
            return HeaderError::Separator {
                separator: "vertical bars",
            };
        }
        let title = cells
            .iter()
            .find_map(|cell| meant::<T>(cell).map(|column| (shown(cell), T::name(column))));
        match title {
            Some((title, name)) => HeaderError::HumanTitles {
                row,
                title,
                name,
                columns: listed::<T>(),
            },
            None => HeaderError::NoHeader {
                columns: listed::<T>(),
            },
        }
    }
}

fn columns<T: Table>(cells: &[&str]) -> Result<Vec<Option<T::Column>>, HeaderError> {
    let mut columns: Vec<Option<T::Column>> = Vec::with_capacity(cells.len());
    for cell in cells {
        if cell.is_empty() {
            columns.push(None);
            continue;
        }
        let Some(column) = T::column(cell) else {
            let known = T::columns().into_iter().map(T::name);
            return Err(HeaderError::UnknownColumn {
                name: shown(cell),
                nearest: nearest(cell, known),
                columns: listed::<T>(),
            });
        };
        if columns.contains(&Some(column)) {
            return Err(HeaderError::RepeatedColumn {
                name: T::name(column),
            });
        }
        columns.push(Some(column));
    }
    match T::needed()
        .iter()
        .find(|needed| !columns.contains(&Some(**needed)))
    {
        Some(needed) => Err(HeaderError::MissingColumn {
            name: T::name(*needed),
        }),
        None => Ok(columns),
    }
}

/// Finds a column by its name in any case, with or without underscores, among columns with their names.
pub(crate) fn find<C: Copy>(name: &str, columns: impl IntoIterator<Item = (C, &'static str)>) -> Option<C> {
    // Longer than any name; most cells of a file without a header are no names.
    if name.len() > 64 || !name.is_ascii() {
        return None;
    }
    let wanted = folded(name);
    columns
        .into_iter()
        .find(|(_, name)| wanted.eq_ignore_ascii_case(name))
        .map(|(column, _)| column)
}
