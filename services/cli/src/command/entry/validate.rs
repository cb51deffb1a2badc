//! `nopic entry validate`: the main job.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nopic_proto::common::Reject;
use nopic_proto::entry_validation::document_options::Form;
use nopic_proto::entry_validation::{
    DocumentOptions, DocumentSummary, ExplainPolicyRequest, Freshness, ValidateDocumentRequest,
    ValidateDocumentResponse, Verdict, validate_document_request,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tonic::Streaming;

use crate::connection::{Need, Services};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::feed::{Requests, Trouble, chunks, feed, size_of};
use crate::output::listing::printable;
use crate::output::printer::{Printed, Printer};
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::verdict_record::Tally;
use crate::output::verdict_table::{Sentences, VerdictTable, outcomes};
use crate::output::words::{count, counted};
use crate::output::{Style, Terminal};

/// Answers that wait to be printed.
const WAITING: usize = 4;

/// Validate a file of entry lines: nothing is recorded
///
/// Reads an ABI transmission (80-character records), a CSV with a header, or JSON lines; which one is found out. A
/// verdict comes for every line that was read, in their order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic entry validate entries.abi\n  \
        nopic entry validate entries.csv --output csv > verdicts.csv\n  \
        produce-lines | nopic entry validate - --format jsonl --output jsonl | jq .verdict\n\n\
        Exit status: 0 every line was read and none is rejected or indeterminate; 1 some are, or were refused; 2 the \
        command could not do its work.")]
pub(crate) struct Arguments {
    /// The file; `-`: standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
    /// Read every certificate anew instead of from a cache of at most 5 seconds
    #[arg(long, env = "NOPIC_LATEST", value_parser = clap::builder::FalseyValueParser::new())]
    latest: bool,
    /// Use this revision of the registry or a later one
    #[arg(long, value_name = "REVISION", env = "NOPIC_AT_LEAST_REVISION")]
    at_least_revision: Option<u32>,
}

/// A form of entry lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Found out from the content
    #[default]
    Auto,
    /// ABI transmission of CATAIR records
    Abi,
    /// CSV with a header of field names
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    pub(super) fn form(self) -> Form {
        match self {
            Self::Auto => Form::Unspecified,
            Self::Abi => Form::Abi,
            Self::Csv => Form::Csv,
            Self::Jsonl => Form::Jsonl,
        }
    }
}

/// What came of a file.
#[derive(Debug, Default)]
pub(crate) struct Validated {
    /// Verdicts and codes, counted.
    pub(crate) tally: Tally,
    /// What could not be read.
    pub(crate) refused: u64,
    /// Entries that were on record and are taken back.
    pub(super) cancelled: u64,
    /// The server's word on the file.
    summary: DocumentSummary,
}

impl Validated {
    /// Verdicts that came with no file.
    pub(super) fn of(verdicts: &[Verdict]) -> Self {
        let mut validated = Self::default();
        validated.tally.add(verdicts);
        validated
    }

    /// How a command ends that had these verdicts.
    pub(super) fn done(&self) -> Done {
        if self.tally.is_clean() && self.refused == 0 {
            Done::Well
        } else {
            Done::WithFindings
        }
    }

    /// Counts another file in.
    pub(crate) fn add(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.refused += other.refused;
        self.summary.lines += other.summary.lines;
        self.summary.rejects += other.summary.rejects;
        self.summary.deleted_entries += other.summary.deleted_entries;
    }
}

/// How a file is to be read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) format: Format,
    pub(crate) freshness: Freshness,
    pub(crate) rejects_file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    size_of(&arguments.file)?;
    let services = context.connect(Need::EntryValidation).await?;
    let printer = printer(context, &services, arguments.output).await?;
    let reading = Reading {
        format: arguments.format,
        freshness: Freshness {
            at_least_revision: arguments.at_least_revision,
            latest_certificates: arguments.latest,
        },
        rejects_file: arguments.rejects_file,
    };
    let terminal = beside_verdicts(context);
    let (validated, printer) = validate(&terminal, &services, &arguments.file, reading, printer).await?;
    context.terminal.note(&summary(&validated, &printer));
    Ok(validated.done())
}

/// Prints verdicts to the standard output, in this form.
pub(super) async fn printer(
    context: &Context,
    services: &Services,
    output: Style,
) -> Result<Printer, Failure> {
    let form = match output {
        Style::Jsonl => Printed::Jsonl,
        Style::Csv => Printed::Csv,
        Style::Table => Printed::Table(VerdictTable::new(
            &context.terminal,
            sentences(context, services).await?,
        )),
    };
    Ok(Printer::new(form, io::stdout()))
}

/// Verdicts on the same terminal show the progress themselves, and a bar would run through them.
pub(super) fn beside_verdicts(context: &Context) -> Terminal {
    if context.terminal.columns.is_some() {
        context.terminal.without_progress()
    } else {
        context.terminal
    }
}

/// What the policy in use says about each code.
pub(crate) async fn sentences(context: &Context, services: &Services) -> Result<Sentences, Failure> {
    let request = ExplainPolicyRequest {
        on: context.clock.today().to_string(),
    };
    let answer = services.entry_validation().explain_policy(request).await;
    services.answer(answer).map(Sentences::new)
}

/// One message of the answer to a file.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) rejects: Vec<Reject>,
    /// Entries that were on record and are taken back.
    pub(super) cancelled: Vec<String>,
    pub(super) summary: Option<DocumentSummary>,
}

impl From<ValidateDocumentResponse> for Answer {
    fn from(answer: ValidateDocumentResponse) -> Self {
        Self {
            verdicts: answer.verdicts,
            rejects: answer.rejects,
            cancelled: Vec::new(),
            summary: answer.summary,
        }
    }
}

/// Sends a file and prints its verdicts as they come: reading, decoding and printing each go on for themselves.
pub(crate) async fn validate(
    terminal: &Terminal,
    services: &Services,
    file: &Path,
    reading: Reading,
    printer: Printer,
) -> Result<(Validated, Printer), Failure> {
    let size = size_of(file)?;
    let rejects = RejectsLog::new(reading.rejects_file.as_deref(), file)?;
    let progress = Progress::of_bytes(terminal, size, "validating");
    let (requests, mut trouble) = requests_of(file, &reading, &progress);
    let mut client = services.entry_validation();
    let answers = services.answer(trouble.or(client.validate_document(requests)).await?)?;
    let following = Following {
        terminal,
        services,
        rejects,
        progress,
        trouble,
    };
    following.print(answers, printer).await
}

/// A call under way that answers with verdicts.
pub(super) struct Following<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) services: &'a Services,
    pub(super) rejects: RejectsLog,
    pub(super) progress: Progress,
    pub(super) trouble: Trouble,
}

impl Following<'_> {
    /// Prints the verdicts as they come, and keeps what was refused.
    pub(super) async fn print<A: Into<Answer>>(
        mut self,
        mut answers: Streaming<A>,
        printer: Printer,
    ) -> Result<(Validated, Printer), Failure> {
        let (batches, printing) = start(printer);
        let (mut summary, mut cancelled) = (None, 0);
        let ended = loop {
            let answer: Answer = match self.trouble.or(answers.message()).await {
                Ok(Ok(Some(answer))) => answer.into(),
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(status)) => break Err(self.services.failure(&status)),
                Err(failure) => break Err(failure),
            };
            for reject in &answer.rejects {
                self.rejects.add(reject, &self.progress)?;
            }
            for entry in &answer.cancelled {
                cancelled += 1;
                self.progress.note(&format!(
                    "Entry {} is taken back: what it drew is given back.",
                    printable(entry)
                ));
            }
            summary = answer.summary.or(summary);
            // The printer ends early only with an error of its own, which is read below.
            if !answer.verdicts.is_empty() && batches.send(answer.verdicts).await.is_err() {
                break Ok(());
            }
        };
        drop(batches);
        let printed = printing
            .await
            .unwrap_or_else(|_| Err(Failure::new("The verdicts could not be printed.")));
        self.progress.finish();
        self.rejects.finish(self.terminal)?;
        let (printer, tally) = printed?;
        ended?;
        let validated = Validated {
            tally,
            refused: self.rejects.count(),
            cancelled,
            summary: summary.ok_or_else(broken_off)?,
        };
        if u64::from(validated.summary.lines) != validated.tally.lines() {
            return Err(broken_off());
        }
        Ok((validated, printer))
    }
}

/// Verdicts that are missing are no verdicts.
fn broken_off() -> Failure {
    Failure::new("The verdicts broke off before the end of the file.")
        .advice("Run the command again; do not file the lines without a verdict.")
}

fn requests_of(
    file: &Path,
    reading: &Reading,
    progress: &Progress,
) -> (Requests<ValidateDocumentRequest>, Trouble) {
    let (path, sent) = (file.to_path_buf(), progress.clone());
    let options = DocumentOptions {
        form: reading.format.form().into(),
        file_name: path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        freshness: Some(reading.freshness),
    };
    feed(move |emit| {
        use validate_document_request::Part;
        let mut part = |part| emit(ValidateDocumentRequest { part: Some(part) });
        if part(Part::Options(options)).is_continue() {
            let _ended_early = chunks(&path, &sent, &mut |chunk| part(Part::Chunk(chunk)))?;
        }
        Ok(())
    })
}

type Printing = tokio::task::JoinHandle<Result<(Printer, Tally), Failure>>;

/// Starts to print on a thread of its own. What waits is printed together; nothing waits for more to come.
fn start(mut printer: Printer) -> (mpsc::Sender<Vec<Verdict>>, Printing) {
    let (sender, mut batches) = mpsc::channel::<Vec<Verdict>>(WAITING);
    let printing = tokio::task::spawn_blocking(move || {
        let mut tally = Tally::default();
        loop {
            let batch = match batches.try_recv() {
                Ok(batch) => Some(batch),
                Err(TryRecvError::Empty) => {
                    printer.flush()?;
                    batches.blocking_recv()
                }
                Err(TryRecvError::Disconnected) => None,
            };
            let Some(batch) = batch else {
                break;
            };
            tally.add(&batch);
            printer.print(&batch)?;
        }
        printer.flush()?;
        Ok((printer, tally))
    });
    (sender, printing)
}

/// The end of a run in words.
pub(crate) fn summary(validated: &Validated, printer: &Printer) -> String {
    let mut text = format!(
        "\n{}",
        counted(validated.tally.lines(), "line was judged", "lines were judged")
    );
    if validated.refused > 0 {
        text.push_str(&format!(", {} could not be read", count(validated.refused)));
    }
    let cancelled = validated.cancelled;
    if cancelled > 0 {
        text.push_str(&format!(
            ", {} taken back",
            counted(cancelled, "entry was", "entries were")
        ));
    }
    let deleted = u64::from(validated.summary.deleted_entries).saturating_sub(cancelled);
    if deleted > 0 {
        text.push_str(&format!(
            ", {} to be deleted had nothing to judge",
            counted(deleted, "entry", "entries")
        ));
    }
    text.push_str(":\n");
    text.push_str(&match &printer.form {
        Printed::Table(table) => table.summary(&validated.tally),
        Printed::Jsonl | Printed::Csv => outcomes(&validated.tally),
    });
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::verdict_record::tests::rejected;

    #[tokio::test]
    async fn printing_keeps_the_order_and_counts() {
        let (sender, printing) = start(Printer::new(Printed::Jsonl, io::sink()));
        for _ in 0..10 {
            sender.send(vec![rejected(), rejected()]).await.unwrap();
        }
        drop(sender);
        let (printer, tally) = printing.await.unwrap().unwrap();
        assert_eq!(tally.lines(), 20);
        let validated = Validated {
            tally,
            refused: 2,
            cancelled: 0,
            summary: DocumentSummary {
                deleted_entries: 1,
                ..DocumentSummary::default()
            },
        };
        let text = summary(&validated, &printer);
        assert!(
            text.starts_with(
                "\n20 lines were judged, 2 could not be read, 1 entry to be deleted had nothing to judge:\n"
            ),
            "{text}"
        );
        assert!(text.contains("20 REJECT"), "{text}");
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_quietly() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, printing) = start(Printer::new(Printed::Jsonl, Closed));
        let _ = sender.send(vec![rejected()]).await;
        drop(sender);
        assert!(printing.await.unwrap().err().unwrap().is_quiet());
    }
}
