//! `nopic sample`: realistic data of any size in every form.

use std::io::Write as _;
use std::path::PathBuf;

use nopic_formats::sample::{PUBLICATIONS, SampleOptions, SampleSummary, generate};

use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::words::{count, counted};
use crate::output::{self};

/// Write realistic data of any size in every form of file
///
/// Three snapshots of the registry (XLSX, XML ZIP, JSON), certificates, flags, importer links, and entry lines (ABI,
/// CSV, JSON lines). The same seed gives the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  \
        nopic sample --operations 76000 --certificates 50000 --lines 1000000 --seed 1 --out ./sample")]
pub(crate) struct Arguments {
    /// Operations of the registry
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    operations: u32,
    /// Certificates
    #[arg(long, value_name = "N", default_value_t = 500)]
    certificates: u32,
    /// Entry lines
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    lines: u64,
    /// Another seed gives other data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder for the files; it is made where there is none
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Done, Failure> {
    let options = SampleOptions {
        operations: arguments.operations,
        certificates: arguments.certificates,
        lines: arguments.lines,
        seed: arguments.seed,
    };
    let made = generate(&options, &arguments.out)
        .map_err(|error| Failure::new(format!("The sample could not be made: {error}.")))?;
    let mut out = output::results();
    for file in &made.files {
        writeln!(out, "{}", file.display())?;
    }
    out.flush()?;
    context.terminal.note(&describe(&made));
    Ok(Done::Well)
}

/// What was made and how to use it.
fn describe(made: &SampleSummary) -> String {
    let mut text = String::new();
    for (operations, published) in made.operations.iter().zip(PUBLICATIONS) {
        text.push_str(&format!(
            "{} published {published}\n",
            counted(*operations, "operation", "operations")
        ));
    }
    text.push_str(&format!(
        "{}, {} in {} ({} of them in ABI)\n",
        counted(made.certificates, "certificate", "certificates"),
        counted(made.lines, "entry line", "entry lines"),
        counted(made.entries, "entry", "entries"),
        count(made.abi_lines)
    ));
    text.push_str(
        "Import the snapshots oldest first, the JSON one with --full, then flags, certificates and links.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_there_and_the_same_for_the_same_seed() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = SampleOptions {
            operations: 20,
            certificates: 5,
            lines: 10,
            seed: 7,
        };
        let made = generate(&options, first.path()).unwrap();
        generate(&options, second.path()).unwrap();
        assert!(describe(&made).contains("5 certificates, 10 entry lines"));
        for file in &made.files {
            let other = second.path().join(file.file_name().unwrap());
            assert_eq!(std::fs::read(file).unwrap(), std::fs::read(other).unwrap());
        }
    }
}
