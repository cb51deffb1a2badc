//! What every command is given.

use std::sync::{Arc, Mutex, PoisonError};

use nopic_chassis::clock::{Clock, SystemClock};
use nopic_sql::audit::Audit;

use crate::lock::DataLock;
use crate::options::GlobalOptions;
use crate::output::{self, Terminal};

/// Settings, the clock and the terminal.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) options: GlobalOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) terminal: Terminal,
    at_end: Arc<Mutex<AtEnd>>,
}

/// What is left to do when a command is done.
#[derive(Default)]
struct AtEnd {
    /// Logs to seal.
    audits: Vec<Audit>,
    /// Held until then.
    lock: Option<Arc<DataLock>>,
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Status 0.
    Well,
    /// Status 1: something was found or refused.
    WithFindings,
    /// Status 2: of several files some could not be done, which was said of each.
    InPart,
}

impl Context {
    /// The context of a run of the program.
    pub(crate) fn new(options: GlobalOptions) -> Self {
        let terminal = Terminal::detect(options.quiet);
        Self {
            options,
            clock: Arc::new(SystemClock),
            terminal,
            at_end: Arc::default(),
        }
    }

    /// The same with other options.
    pub(crate) fn with_options(&self, options: GlobalOptions) -> Self {
        Self {
            options,
            ..self.clone()
        }
    }

    /// Lets these logs be sealed when the command is done, and the folder be held until then.
    pub(crate) fn seal_at_end(&self, audits: Vec<Audit>, lock: Arc<DataLock>) {
        let mut at_end = self.at_end.lock().unwrap_or_else(PoisonError::into_inner);
        at_end.audits.extend(audits);
        at_end.lock = Some(lock);
    }

    /// Seals what the command noted: no server does it later.
    pub(crate) async fn seal(&self) {
        let AtEnd { audits, lock } =
            std::mem::take(&mut *self.at_end.lock().unwrap_or_else(PoisonError::into_inner));
        for audit in audits {
            match audit.seal(self.clock.now()).await {
                Ok(_) => audit.release().await,
                Err(error) => output::say(&format!("nopic: the audit log was not sealed: {error}")),
            }
        }
        drop(lock);
    }
}
