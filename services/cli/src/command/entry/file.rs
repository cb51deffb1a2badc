//! `nopic entry file` and `nopic entry import`: decisions on record.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use nopic_proto::entry_validation::{
    Decision, FileDocumentEnd, FileDocumentOptions, FileDocumentRequest, FileDocumentResponse, FileOptions,
    ResumeAfter, file_document_request,
};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::before::{Before, Filed};
use super::resuming::{Answer, Begun, ResumableAnswers};
use super::validate::{Format, beside_verdicts, each, note_what_is_missing, printer};
use super::validated::OfFile;
use crate::command::several::Several;
use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::printer::Printer;
use crate::output::progress::Progress;
use crate::output::rejects::RejectsFiles;
use crate::output::{Style, Terminal};
use crate::upload::{Interruption, Requests, file_name, size_of, upload_file};

/// By how much the clock of a server may differ from ours.
const DIFFERENCE_OF_CLOCKS: TimeDelta = TimeDelta::minutes(5);

/// File entry lines: the decisions are recorded, and what may be filed draws on its certificate
///
/// Reads the same files as `validate`. Lines that are neither rejected nor indeterminate draw on their certificate,
/// entry by entry; a line without weight draws zero, which counts as use; a line filed again gives back what it drew
/// before. The same file again gives the same answers and draws nothing more: --refile files it anew. A file that
/// cannot be read does not keep the others from being filed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic entry file entries.abi\n  \
        nopic entry file entries.jsonl --output jsonl > verdicts.jsonl\n  \
        nopic entry file june/*.xlsx\n\n\
        Exit status: 0 every line was read and none is rejected or indeterminate; 1 some are, or were refused; 2 the \
        command could not do its work, or not that of every file: run it again, what is on record already is not recorded twice.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// File it anew, even if this very file was filed before
    #[arg(long)]
    refile: bool,
}

/// Bring entries of the past on record, as filed on a day
///
/// As `file`, but the entries count as filed on that day, and nobody is told.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic entry import march.jsonl --filed-at 2025-03-31")]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    options: Options,
    /// The day on which they were filed, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    filed_at: String,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// The files; `-`: standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Form of the file
    #[arg(long, value_enum, default_value_t, env = "NOPIC_FORMAT")]
    format: Format,
    /// How verdicts are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
    /// Where lines that could not be read are written [default: FILE.rejects.jsonl in the current folder, when there
    /// are any]
    #[arg(long, value_name = "FILE", env = "NOPIC_REJECTS_FILE")]
    rejects_file: Option<PathBuf>,
    /// Use this revision of the registry or a later one
    #[arg(long, value_name = "REVISION", env = "NOPIC_AT_LEAST_REVISION")]
    at_least_revision: Option<u32>,
}

impl From<FileDocumentResponse> for Answer {
    fn from(answer: FileDocumentResponse) -> Self {
        let filed = Filed::of(&answer.decisions);
        let verdict = |decision: Decision| decision.verdict;
        Self {
            filed,
            verdicts: answer.decisions.into_iter().filter_map(verdict).collect(),
            rejects: answer.rejects,
            cancelled: answer.cancellations,
            summary: answer.summary,
            resume_after: answer.resume_after,
        }
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let anew = arguments
        .refile
        .then(|| context.clock.now().timestamp_micros().to_string());
    file(context, arguments.options, String::new(), anew).await
}

pub(super) async fn import(context: &Context, arguments: ImportArguments) -> Result<Done, Failure> {
    file(context, arguments.options, arguments.filed_at, None).await
}

async fn file(
    context: &Context,
    options: Options,
    filed_on: String,
    anew: Option<String>,
) -> Result<Done, Failure> {
    Several::check(&options.files)?;
    // The content names the request, so all of it is there before any of it is sent.
    let copy = if options.files.iter().any(|file| file == Path::new("-")) {
        Some(copy_of_input()?)
    } else {
        None
    };
    let services = context.connect(need::ALL).await?;
    note_what_is_missing(context, &services).await;
    let printer = printer(context, &services, options.output).await?;
    let filing = Filing {
        context,
        terminal: beside_verdicts(context),
        services: &services,
        rejects: RejectsFiles::new(options.rejects_file.clone(), &options.files),
        options: &options,
        filed_on,
        anew,
        copy,
    };
    let one = async |file: &Path, printer| filing.file(file, printer).await;
    let (done, lines) = each(context, &services, &options.files, printer, one).await?;
    if lines > 0 {
        context
            .terminal
            .note("The decisions are on record: `nopic entry decisions` lists them.");
    }
    Ok(done)
}

/// Files a document, and prints nothing of it; the decisions.
pub(crate) async fn file_quietly(
    terminal: &Terminal,
    services: &Services,
    path: &Path,
) -> Result<Vec<Decision>, Failure> {
    let progress = Progress::of_bytes(terminal, size_of(path)?, "filing");
    let options = FileDocumentOptions {
        filing: Some(FileOptions {
            request_id: request_id(path, "", None)?,
            ..FileOptions::default()
        }),
        form: Format::default().form().into(),
        file_name: file_name(path),
    };
    let (requests, mut interruption) = requests_of(path, options, None, &progress);
    let mut client = services.records();
    let mut answers = services.answer(interruption.or(client.file_document(requests)).await?)?;
    let mut decisions = Vec::new();
    while let Some(answer) = services.answer(answers.message().await.map(tonic::Response::new))? {
        decisions.extend(answer.decisions);
    }
    Ok(decisions)
}

/// What the files of a command have in common.
struct Filing<'a> {
    context: &'a Context,
    terminal: Terminal,
    services: &'a Services,
    rejects: RejectsFiles,
    options: &'a Options,
    filed_on: String,
    anew: Option<String>,
    /// Of the standard input.
    copy: Option<NamedTempFile>,
}

impl Filing<'_> {
    async fn file(&self, file: &Path, printer: Printer) -> Result<OfFile, Failure> {
        let path = match &self.copy {
            Some(copy) if file == Path::new("-") => copy.path(),
            _ => file,
        };
        let request_id = || request_id(path, &self.filed_on, self.anew.as_deref());
        let opened = size_of(path).and_then(|size| Ok((size, self.rejects.log(file)?, request_id()?)));
        let (size, rejects, request_id) = match opened {
            Ok(opened) => opened,
            Err(failure) => return Ok((Err(failure), printer)),
        };
        let progress = Progress::of_bytes(&self.terminal, size, "filing");
        let first = FileDocumentOptions {
            filing: Some(FileOptions {
                request_id,
                filed_on: self.filed_on.clone(),
                at_least_revision: self.options.at_least_revision,
                resume_after: None,
            }),
            form: self.options.format.form().into(),
            file_name: file_name(file),
        };
        let begin = async |place: Option<ResumeAfter>| -> Result<Begun<_>, Failure> {
            let (requests, mut interruption) = requests_of(path, first.clone(), place, &progress);
            let mut client = self.services.records();
            let answers = interruption.or(client.file_document(requests)).await?;
            Ok((answers, interruption))
        };
        let difference = if self.services.is_in_this_process() {
            TimeDelta::zero()
        } else {
            DIFFERENCE_OF_CLOCKS
        };
        let resumable = ResumableAnswers {
            terminal: &self.terminal,
            services: self.services,
            rejects,
            progress: progress.clone(),
            before: Before::new(self.context.clock.now(), difference, self.filed_on.is_empty()),
            refuses_entries: true,
        };
        resumable.print(begin, printer).await
    }
}

fn requests_of(
    path: &Path,
    mut options: FileDocumentOptions,
    place: Option<ResumeAfter>,
    progress: &Progress,
) -> (Requests<FileDocumentRequest>, Interruption) {
    if let Some(filing) = &mut options.filing {
        filing.resume_after = place;
    }
    let part = |part| FileDocumentRequest { part: Some(part) };
    upload_file(
        path,
        progress,
        part(file_document_request::Part::Options(options)),
        move |chunk| part(file_document_request::Part::Chunk(chunk)),
        part(file_document_request::Part::End(FileDocumentEnd {})),
    )
}

fn copy_of_input() -> Result<NamedTempFile, Failure> {
    let failed = |error: io::Error| Failure::new(format!("The standard input cannot be kept: {error}."));
    let mut copy = NamedTempFile::new().map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut copy).map_err(failed)?;
    Ok(copy)
}

/// The same content names the same request.
fn request_id(path: &Path, filed_on: &str, anew: Option<&str>) -> Result<String, Failure> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    io::copy(&mut file, &mut hasher).map_err(|error| Failure::reading(path, &error))?;
    let mut id = hex::encode(&hasher.finalize()[..16]);
    for part in [Some(filed_on).filter(|day| !day.is_empty()), anew]
        .into_iter()
        .flatten()
    {
        id.push('-');
        id.push_str(part);
    }
    Ok(id)
}
