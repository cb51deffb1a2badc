//! The verdicts on a file as they come: from one call, or from several where servers drain in the middle.

use std::error::Error as _;
use std::time::Duration;

use nopic_chassis::retry::Backoff;
use nopic_proto::common::Reject;
use nopic_proto::entry_validation::{
    Cancellation, DocumentSummary, ResumeAfter, ValidateDocumentResponse, Verdict,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;
use tonic::{Code, Response, Status, Streaming};

use super::before::{Before, Filed};
use super::validated::OfFile;
use super::validated::Validated;
use crate::connection::Services;
use crate::failure::Failure;
use crate::output::Terminal;
use crate::output::listing::printable;
use crate::output::printer::Printer;
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::verdict_record::Tally;
use crate::output::words::counted;
use crate::sync::Retry;
use crate::upload::Interruption;

/// Answers that wait to be printed.
const WAITING: usize = 4;

/// How a server is looked for that goes on where one has stopped: the same one that comes back, or another of its name.
const SEARCH: Retry = Retry {
    attempts: 100,
    pauses: Backoff::new(Duration::from_millis(100), Duration::from_secs(2)),
    most_time: Duration::from_secs(30),
};

/// One message of the answer to a file.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) rejects: Vec<Reject>,
    /// Entries that were on record and are taken back.
    pub(super) cancelled: Vec<Cancellation>,
    /// Entries as they are on record.
    pub(super) filed: Vec<Filed>,
    pub(super) summary: Option<DocumentSummary>,
    /// The server drains: another call goes on there.
    pub(super) resume_after: Option<ResumeAfter>,
}

impl From<ValidateDocumentResponse> for Answer {
    fn from(answer: ValidateDocumentResponse) -> Self {
        Self {
            verdicts: answer.verdicts,
            rejects: answer.rejects,
            cancelled: Vec::new(),
            filed: Vec::new(),
            summary: answer.summary,
            resume_after: answer.resume_after,
        }
    }
}

/// A call that was begun: its answers or why there are none, and what hears of a file that cannot be read.
pub(super) type Begun<A> = (Result<Response<Streaming<A>>, Status>, Interruption);

/// A file whose verdicts are awaited.
pub(super) struct ResumableAnswers<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) services: &'a Services,
    pub(super) rejects: RejectsLog,
    pub(super) progress: Progress,
    /// Keeps what was on record before.
    pub(super) before: Before,
    /// Whether an entry may be refused as a whole whose lines were read: filing takes all of it or nothing.
    pub(super) refuses_entries: bool,
}

/// What was received on the file so far.
#[derive(Default)]
struct Received {
    verdicts: u64,
    cancelled: u64,
    /// Of these, by this command.
    cancelled_now: u64,
    summary: Option<DocumentSummary>,
}

/// How a call ended.
enum Ended {
    Over,
    /// By a server that drains.
    At(ResumeAfter),
    /// Before its first answer, for want of a server.
    Unheard(Status),
}

impl ResumableAnswers<'_> {
    /// Prints the verdicts as they come, and keeps what was refused. `begin` sends the file, anew for each call.
    pub(super) async fn print<A: Into<Answer>>(
        mut self,
        begin: impl AsyncFnMut(Option<ResumeAfter>) -> Result<Begun<A>, Failure>,
        printer: Printer,
    ) -> Result<OfFile, Failure> {
        let (batches, printing) = start(printer);
        let followed = self.follow(begin, &batches).await;
        drop(batches);
        let printed = printing
            .await
            .unwrap_or_else(|_| Err(Failure::new("The verdicts could not be printed.")));
        self.progress.finish();
        let (printer, tally) = printed?;
        let validated = self.validated(followed, tally);
        Ok((validated, printer))
    }

    fn validated(mut self, followed: Result<Received, Failure>, tally: Tally) -> Result<Validated, Failure> {
        self.rejects.finish(self.terminal)?;
        let received = followed?;
        let mut summary = received.summary.ok_or_else(broken_off)?;
        if self.refuses_entries {
            // Each was taken back or refused.
            summary.deleted_entries = 0;
        }
        let validated = Validated {
            tally,
            refused: self.rejects.count(),
            cancelled: received.cancelled,
            cancelled_now: received.cancelled_now,
            before: self.before,
            summary,
        };
        let (read, judged) = (u64::from(validated.summary.lines), validated.tally.lines());
        let may_be_fewer = self.refuses_entries && validated.refused > 0;
        if judged > read || (judged < read && !may_be_fewer) {
            return Err(broken_off());
        }
        Ok(validated)
    }

    /// Goes from call to call until the file is answered.
    async fn follow<A: Into<Answer>>(
        &mut self,
        mut begin: impl AsyncFnMut(Option<ResumeAfter>) -> Result<Begun<A>, Failure>,
        batches: &mpsc::Sender<Vec<Verdict>>,
    ) -> Result<Received, Failure> {
        let mut received = Received::default();
        let mut place = None;
        let (mut attempt, mut searching_since) = (0, Instant::now());
        loop {
            let begun = begin(place).await?;
            let ended = self.follow_one(begun, place, batches, &mut received).await?;
            match ended {
                Ended::Over => return Ok(received),
                Ended::Unheard(status) if place.is_none() => return Err(self.services.failure(&status)),
                Ended::At(reached) if place != Some(reached) => {
                    tracing::info!(records = reached.records, "the server drains: going on elsewhere");
                    place = Some(reached);
                    (attempt, searching_since) = (0, Instant::now());
                }
                Ended::At(_) => {}
                Ended::Unheard(status) => tracing::debug!(%status, "no server goes on yet"),
            }
            attempt += 1;
            let Some(pause) = SEARCH.pause(attempt, None, searching_since.elapsed()) else {
                return Err(left(received.verdicts));
            };
            tokio::time::sleep(pause).await;
            self.progress.restart();
        }
    }

    async fn follow_one<A: Into<Answer>>(
        &mut self,
        (answers, mut interruption): Begun<A>,
        place: Option<ResumeAfter>,
        batches: &mpsc::Sender<Vec<Verdict>>,
        received: &mut Received,
    ) -> Result<Ended, Failure> {
        let mut answers = match answers {
            Ok(answers) => answers.into_inner(),
            Err(status) if is_unheard(&status) => return Ok(Ended::Unheard(status)),
            Err(status) => return Err(self.services.failure(&status)),
        };
        // Printed already: verdicts on an entry that the call before did not complete.
        let mut repeated = place.map_or(0, |place| received.verdicts.saturating_sub(place.lines));
        let mut is_first = true;
        loop {
            let answer: Answer = match interruption.or(answers.message()).await? {
                Ok(Some(answer)) => answer.into(),
                Ok(None) => return Ok(Ended::Over),
                Err(status) if is_first && is_unheard(&status) => return Ok(Ended::Unheard(status)),
                Err(status) => return Err(self.services.failure(&status)),
            };
            is_first = false;
            for reject in &answer.rejects {
                self.rejects.add(reject, &self.progress)?;
            }
            for cancellation in answer.cancelled {
                received.cancelled += 1;
                let entry = printable(&cancellation.entry_number);
                if !self.before.note_cancelled(cancellation) {
                    received.cancelled_now += 1;
                    self.progress.note(&format!(
                        "Entry {entry} is taken back: what it drew is given back."
                    ));
                }
            }
            if let Some(place) = answer.resume_after {
                return Ok(Ended::At(place));
            }
            self.before.note(answer.filed);
            received.summary = answer.summary.or(received.summary);
            let mut verdicts = answer.verdicts;
            let skipped = verdicts
                .len()
                .min(usize::try_from(repeated).unwrap_or(usize::MAX));
            verdicts.drain(..skipped);
            repeated -= skipped as u64;
            received.verdicts += verdicts.len() as u64;
            // The printer ends early only with an error of its own, which is read at the end.
            if !verdicts.is_empty() && batches.send(verdicts).await.is_err() {
                return Ok(Ended::Over);
            }
        }
    }
}

/// Whether a call may not have come to a server at all, or only to one that stops: it is our own side that says so.
fn is_unheard(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

/// A server has stopped, and no other has gone on.
fn left(verdicts: u64) -> Failure {
    Failure::new(format!(
        "The server stopped in the middle of the file, and for {} s none has gone on. {} printed, and {}.",
        SEARCH.most_time.as_secs(),
        counted(verdicts, "verdict was", "verdicts were"),
        if verdicts == 1 { "it stands" } else { "they stand" },
    ))
    .advice("Run the command again when a server is back: what is on record already is not recorded twice.")
}

/// Verdicts that are missing are no verdicts.
fn broken_off() -> Failure {
    Failure::new("The verdicts broke off before the end of the file.")
        .advice("Run the command again; do not file the lines without a verdict.")
}

type Printing = tokio::task::JoinHandle<Result<(Printer, Tally), Failure>>;

/// Starts to print on a thread of its own. What waits is printed together; nothing waits for more to come.
pub(super) fn start(mut printer: Printer) -> (mpsc::Sender<Vec<Verdict>>, Printing) {
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::output::printer::Printed;
    use crate::output::verdict_record::tests::rejected;

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
