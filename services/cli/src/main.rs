//! The binary `nopic`: every service and the command line.

mod acting;
mod arguments;
mod command;
mod connection;
mod context;
mod failure;
mod input;
mod lock;
mod logging;
mod options;
mod output;
mod sync;
mod upload;

use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::context::{Context, Done};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A reader of standard input may wait for ever for a line that nobody wants any more.
const PATIENCE_WITH_THREADS: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output, errors to standard error; where neither can be written, nobody is there.
            let _ = error.print();
            return exit_code(error.exit_code());
        }
    };
    let context = Context::new(arguments.global);
    // A server has a log of its own, by its configuration.
    if !matches!(arguments.command, command::Command::Serve(_)) {
        logging::start(&context.terminal);
    }
    let ended = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(command::run(&context, arguments.command));
            runtime.shutdown_timeout(PATIENCE_WITH_THREADS);
            ended
        }
        Err(error) => Err(Failure::new(format!(
            "The system gives no threads to work with: {error}"
        ))),
    };
    exit_code(status(&ended))
}

/// The exit status of a command; says what went wrong.
fn status(ended: &Result<Done, Failure>) -> i32 {
    match ended {
        Ok(Done::Well) => 0,
        Ok(Done::WithFindings) => 1,
        Ok(Done::InPart) => 2,
        Err(failure) => {
            if !failure.is_quiet() {
                output::say(&format!("nopic: {failure}"));
            }
            2
        }
    }
}

fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_specification() {
        assert_eq!(status(&Ok(Done::Well)), 0);
        assert_eq!(status(&Ok(Done::WithFindings)), 1);
        assert_eq!(status(&Ok(Done::InPart)), 2);
        assert_eq!(status(&Err(Failure::broken_pipe())), 2);
        let usage = Arguments::read(["nopic", "entry", "validate"]).unwrap_err();
        assert_eq!(usage.exit_code(), 2);
        let help = Arguments::read(["nopic", "--help"]).unwrap_err();
        assert_eq!(help.exit_code(), 0);
    }
}
