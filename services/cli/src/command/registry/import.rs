//! `nopic registry import`: a snapshot from files.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use nopic_proto::registry::import_options::Completeness;
use nopic_proto::registry::import_result::Outcome;
use nopic_proto::registry::{
    FileStart, ImportEnd, ImportOptions, ImportResult, ImportSnapshotRequest, ImportSnapshotResponse,
    Snapshot, import_snapshot_request, import_snapshot_response,
};

use crate::command::import_answers::{ImportReporter, Step};
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::words::{count, counted};
use crate::output::{self, Terminal};
use crate::upload::{chunks, size_of, upload};

/// Import a snapshot of the database: whole or not at all
///
/// Reads the monthly XLSX, the bulk download (a ZIP with XML), and pages of the REST interface (JSON). A content that
/// looks wrong beside the last one is held: the old revision goes on serving until `nopic registry release` or
/// `discard`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic registry import INTEGRITY_Export_20260901.xlsx\n  \
        nopic registry import page-1.json page-2.json --full --published 2026-09-01\n\n\
        Exit status: 0 it serves, or was there already; 1 it is held; 2 nothing was imported.")]
pub(crate) struct Arguments {
    /// Files of one snapshot; several only of JSON pages
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) content: ContentArguments,
}

/// How a content is to be read, wherever it comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ContentArguments {
    /// Publication date YYYY-MM-DD, where content and file name do not tell it
    #[arg(long, value_name = "DATE", value_parser = date)]
    published: Option<NaiveDate>,
    /// JSON pages: these are all operations; those that are missing become unlisted
    #[arg(long, conflicts_with = "partial")]
    full: bool,
    /// JSON pages: these are updates only; nothing becomes unlisted
    #[arg(long)]
    partial: bool,
    /// Refused rows in percent of all that abort the import [default: 1]
    #[arg(long, value_name = "PERCENT", env = "NOPIC_MAX_REJECTS", value_parser = percent)]
    max_rejects: Option<String>,
    /// Where refused rows are written [default: FILE.rejects.jsonl in the current folder, when there are any]
    #[arg(long, value_name = "FILE", env = "NOPIC_REJECTS_FILE")]
    rejects_file: Option<PathBuf>,
}

/// Where a content was fetched from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) entity_tag: String,
    pub(crate) last_modified: String,
}

/// A file and what it is called: a download has another name on disk.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

impl Input {
    /// A file under its own name.
    pub(crate) fn named_as_it_is(path: &Path) -> Self {
        let name = path
            .file_name()
            .map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        Self {
            path: path.to_path_buf(),
            name: name.into_owned(),
        }
    }
}

impl Arguments {
    /// Looks at the files before anything is opened.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.files.iter().try_for_each(|file| {
            if file == Path::new("-") {
                return Err(Failure::new("A snapshot is not read from standard input.")
                    .advice("Save it as a file: its name may tell the publication date."));
            }
            size_of(file).map(|_| ())
        })
    }
}

pub(crate) async fn run(
    context: &Context,
    services: &Services,
    arguments: Arguments,
) -> Result<Done, Failure> {
    let files = arguments
        .files
        .iter()
        .map(|path| Input::named_as_it_is(path))
        .collect();
    let result = send(
        &context.terminal,
        services,
        &arguments.content,
        files,
        Source::default(),
    )
    .await?;
    print(&result)
}

/// Sends the files and waits for the result. Refusals and duplicates are said on the way.
pub(crate) async fn send(
    terminal: &Terminal,
    services: &Services,
    content: &ContentArguments,
    files: Vec<Input>,
    source: Source,
) -> Result<ImportResult, Failure> {
    let mut sizes = Vec::with_capacity(files.len());
    for file in &files {
        sizes.push(size_of(&file.path)?);
    }
    let first = files.first().map(|file| file.name.clone()).unwrap_or_default();
    let rejects = RejectsLog::new(content.rejects_file.as_deref(), Path::new(&first))?;
    let total = sizes.iter().copied().sum::<Option<u64>>();
    let progress = Progress::of_bytes(terminal, total, "importing");
    let options = content.options(source);
    let sent = progress.clone();
    let (requests, mut interruption) = upload(move |emit| {
        use import_snapshot_request::Part;
        let mut part = |part| emit(ImportSnapshotRequest { part: Some(part) });
        if part(Part::Options(options)).is_break() {
            return Ok(());
        }
        for (file, size) in files.into_iter().zip(sizes) {
            let start = FileStart {
                name: file.name,
                size_kib: u32::try_from(size.unwrap_or(0).div_ceil(1024)).unwrap_or(0),
            };
            if part(Part::File(start)).is_break() {
                return Ok(());
            }
            if chunks(&file.path, &sent, &mut |chunk| part(Part::Chunk(chunk)))?.is_break() {
                return Ok(());
            }
        }
        // Where the server no longer listens, its answer says why.
        let _ = part(Part::End(ImportEnd {}));
        Ok(())
    });
    let mut registry = services.registry();
    let answers = services.answer(interruption.or(registry.import_snapshot(requests)).await?)?;
    let reporter = ImportReporter {
        services,
        terminal,
        progress,
        rejects,
    };
    let result = reporter.until_result(answers, interruption, step).await?;
    result.ok_or_else(|| {
        Failure::new("The import ended without a result.").advice(
            "See with `nopic registry list` whether it serves; the same import can be repeated safely.",
        )
    })
}

fn step(answer: ImportSnapshotResponse) -> Option<Step<ImportResult>> {
    use import_snapshot_response::Part;
    Some(match answer.part? {
        Part::Progress(reached) => Step::Progress(counted(reached.rows, "row", "rows")),
        Part::Reject(reject) => Step::Reject(reject),
        Part::Duplicate(duplicate) => Step::Warning(format!(
            "operation {} stands in rows {} and {}: row {} counts",
            duplicate.nop_id, duplicate.lost_record, duplicate.won_record, duplicate.won_record
        )),
        Part::Result(finished) => Step::Result(finished),
    })
}

impl ContentArguments {
    fn options(&self, source: Source) -> ImportOptions {
        let completeness = match (self.full, self.partial) {
            (true, _) => Completeness::Full,
            (_, true) => Completeness::Partial,
            _ => Completeness::Unspecified,
        };
        ImportOptions {
            published_on: self.published.map(|date| date.to_string()).unwrap_or_default(),
            completeness: completeness.into(),
            max_rejects_percent: self.max_rejects.clone().unwrap_or_default(),
            source_url: source.url,
            entity_tag: source.entity_tag,
            last_modified: source.last_modified,
        }
    }

    /// With this publication date, complete: for the demonstration.
    pub(crate) fn complete(full: bool) -> Self {
        Self {
            full,
            ..Self::default()
        }
    }
}

/// Prints a result and says how the command ends.
pub(crate) fn print(result: &ImportResult) -> Result<Done, Failure> {
    use std::io::Write as _;
    let mut out = output::results();
    out.write_all(text(result).as_bytes())?;
    out.flush()?;
    Ok(match Outcome::try_from(result.outcome).unwrap_or_default() {
        Outcome::Imported | Outcome::Unchanged => Done::Well,
        Outcome::Held | Outcome::Unspecified => Done::WithFindings,
    })
}

/// The result in words.
pub(crate) fn text(result: &ImportResult) -> String {
    let snapshot = result.snapshot.clone().unwrap_or_default();
    match Outcome::try_from(result.outcome).unwrap_or_default() {
        Outcome::Imported => format!(
            "Revision {} serves: {}.\n{} added, {} changed, {} unlisted, {} refused, {} in several rows.\n",
            snapshot.revision,
            describe(&snapshot),
            count(result.added),
            count(result.changed),
            count(result.unlisted),
            count(snapshot.rejected_rows),
            count(result.duplicates),
        ),
        Outcome::Unchanged => format!(
            "Nothing changed: revision {} has this content already ({}).\n",
            snapshot.revision,
            describe(&snapshot)
        ),
        Outcome::Held => {
            let mut text = format!(
                "Held, and not serving: {}. It looks wrong:\n",
                describe(&snapshot)
            );
            for reason in &result.held_because {
                text.push_str(&format!("  - {reason}\n"));
            }
            text.push_str(
                "The revision before goes on serving, and no other import is taken meanwhile. Look at the file; then\n  \
                 nopic registry release   lets it serve\n  \
                 nopic registry discard   throws it away\n",
            );
            text
        }
        Outcome::Unspecified => {
            "The server's answer is of another version: see `nopic registry list`.\n".to_owned()
        }
    }
}

/// What a snapshot is, in words.
pub(crate) fn describe(snapshot: &Snapshot) -> String {
    let mut text = format!(
        "{} snapshot published {}, {}",
        if snapshot.full { "full" } else { "partial" },
        snapshot.published_on,
        counted(snapshot.rows, "operation", "operations")
    );
    if snapshot.items > 0 {
        text.push_str(&format!(", {}", counted(snapshot.items, "item", "items")));
    }
    text
}

fn percent(text: &str) -> Result<String, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| "expected a percentage such as 2 or 0.5".to_owned())?;
    if (0.0..=100.0).contains(&number) {
        Ok(text.trim_end_matches('%').to_owned())
    } else {
        Err("expected a percentage from 0 to 100".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(outcome: Outcome) -> ImportResult {
        ImportResult {
            outcome: outcome.into(),
            snapshot: Some(Snapshot {
                revision: 3,
                published_on: "2026-09-01".into(),
                full: true,
                rows: 76_000,
                items: 1,
                rejected_rows: 2,
                ..Snapshot::default()
            }),
            held_because: vec!["21 % fewer rows than revision 2".into()],
            added: 1_500,
            changed: 2,
            unlisted: 3,
            duplicates: 1,
        }
    }

    #[test]
    fn results_are_told_in_words() {
        assert_eq!(
            text(&result(Outcome::Imported)),
            "Revision 3 serves: full snapshot published 2026-09-01, 76,000 operations, 1 item.\n\
             1,500 added, 2 changed, 3 unlisted, 2 refused, 1 in several rows.\n"
        );
        assert!(text(&result(Outcome::Unchanged)).contains("revision 3 has this content already"));
        let held = text(&result(Outcome::Held));
        assert!(held.contains("  - 21 % fewer rows than revision 2\n"), "{held}");
        assert!(held.contains("nopic registry release") && held.contains("nopic registry discard"));
    }

    #[test]
    fn percentages_are_decimal_numbers() {
        assert_eq!(percent("0.5").unwrap(), "0.5");
        assert_eq!(percent("2%").unwrap(), "2");
        for wrong in ["-1", "101", "many", "NaN"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
