//! The columns of files that are read: their meaning, an example, and a file to fill in.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use nopic_formats::columns::{Column as FileColumn, template_csv, template_xlsx};

use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("COLUMN", "name"),
    column("NEEDED", "isNeeded"),
    column("MEANING", "meaning"),
    column("EXAMPLE", "example"),
];

/// How columns are told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Write a file to fill in instead, with the columns as its header: .csv or .xlsx (whose cells keep leading zeros);
    /// a file that exists is left alone
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Write the template over a file that exists
    #[arg(long, requires = "template")]
    overwrite: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// Prints the columns, or writes the template.
pub(crate) fn list(context: &Context, options: &Options, columns: &[FileColumn]) -> Result<Done, Failure> {
    if let Some(path) = &options.template {
        write_template(path, &template(path, columns)?, options.overwrite)?;
        context.terminal.note(&format!(
            "{} has a header with {} columns: fill in a row for each line",
            path.display(),
            columns.len()
        ));
        return Ok(Done::Well);
    }
    let mut out = output::results();
    let mut listing = Listing::new(options.output, COLUMNS, &context.terminal);
    for column in columns {
        let row = vec![
            column.name.into(),
            column.is_needed.into(),
            column.meaning.into(),
            column.example.into(),
        ];
        listing.row(&mut out, row)?;
    }
    listing.finish(&mut out)?;
    out.flush()?;
    Ok(Done::Well)
}

fn template(path: &Path, columns: &[FileColumn]) -> Result<Vec<u8>, Failure> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv") => Ok(template_csv(columns)),
        Some("xlsx") => template_xlsx(columns)
            .map_err(|error| Failure::new(format!("{} was not written: {error}.", path.display()))),
        _ => Err(Failure::new(format!(
            "{} was not written: a template is a CSV or a workbook.",
            path.display()
        ))
        .advice("Name a file that ends in .csv or .xlsx.")),
    }
}

fn write_template(path: &Path, content: &[u8], overwrite: bool) -> Result<(), Failure> {
    let mut opening = OpenOptions::new();
    opening.write(true);
    if overwrite {
        opening.create(true).truncate(true);
    } else {
        opening.create_new(true);
    }
    let mut file = opening.open(path).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            Failure::new(format!(
                "{} was not written: it exists, and may be filled in.",
                path.display()
            ))
            .advice("Name another file, or add --overwrite to lose what it holds.")
        } else {
            Failure::writing(path, &error)
        }
    })?;
    file.write_all(content)
        .map_err(|error| Failure::writing(path, &error))
}
