//! What every command is given.

use std::sync::Arc;

use nopic_chassis::clock::{Clock, SystemClock};

use crate::arguments::GlobalOptions;
use crate::connection::{Need, Services};
use crate::failure::Failure;
use crate::output::Terminal;

/// Settings, the clock and the terminal.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) options: GlobalOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) terminal: Terminal,
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Status 0.
    Well,
    /// Status 1: something was found or refused.
    WithFindings,
}

impl Context {
    /// The context of a run of the program.
    pub(crate) fn new(options: GlobalOptions) -> Self {
        let terminal = Terminal::detect(options.quiet);
        Self {
            options,
            clock: Arc::new(SystemClock),
            terminal,
        }
    }

    /// The services that a command needs: those of a running server, or opened here.
    pub(crate) async fn connect(&self, need: Need) -> Result<Services, Failure> {
        Services::connect(self, need).await
    }
}
