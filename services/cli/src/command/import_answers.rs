//! What a service says while it imports a file, whatever the file holds.

use nopic_proto::common::Reject;
use tonic::Streaming;

use crate::connection::Services;
use crate::failure::Failure;
use crate::output::Terminal;
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::warnings::Warnings;
use crate::upload::Interruption;

/// One message of the answer.
pub(crate) enum Step<R> {
    /// How far it is, in words.
    Progress(String),
    /// A row that was refused.
    Reject(Reject),
    /// What is to be said of a row that was taken, or lost against another.
    Warning(String),
    /// The end.
    Result(R),
}

/// Where the words on an import go.
pub(crate) struct ImportReporter<'a> {
    pub(crate) services: &'a Services,
    pub(crate) terminal: &'a Terminal,
    pub(crate) progress: Progress,
    pub(crate) rejects: RejectsLog,
}

impl ImportReporter<'_> {
    /// Says what comes until the result, which is given; `None`: the answer ended without one.
    pub(crate) async fn until_result<A, R>(
        mut self,
        mut answers: Streaming<A>,
        mut interruption: Interruption,
        step: impl Fn(A) -> Option<Step<R>>,
    ) -> Result<Option<R>, Failure> {
        let mut warnings = Warnings::new(self.terminal);
        let mut result = None;
        loop {
            let answer = match interruption.or(answers.message()).await? {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(status) => {
                    self.progress.finish();
                    // What was refused often is why.
                    self.rejects.finish(self.terminal)?;
                    return Err(self.services.failure(&status));
                }
            };
            match step(answer) {
                Some(Step::Progress(reached)) => self.progress.message(reached),
                Some(Step::Reject(reject)) => self.rejects.add(&reject, &self.progress)?,
                Some(Step::Warning(text)) => warnings.add(|| text, &self.progress),
                Some(Step::Result(finished)) => result = Some(finished),
                // An empty message: of a newer server.
                None => {}
            }
        }
        self.progress.finish();
        warnings.finish();
        self.rejects.finish(self.terminal)?;
        Ok(result)
    }
}
