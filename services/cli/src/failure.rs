//! Why a command could not do its work: what happened, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use tonic::{Code, Status};

/// A command ended without its result. Always exit status 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    what: String,
    advice: String,
    quiet: bool,
}

impl Failure {
    /// A failure that says what happened and where.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: String::new(),
            quiet: false,
        }
    }

    /// The same with what to do about it.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The reader of our output went away: nobody is there to be told.
    pub(crate) fn broken_pipe() -> Self {
        Self {
            quiet: true,
            ..Self::new("nobody reads the output any more")
        }
    }

    /// Whether nothing is to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A file that could not be read.
    pub(crate) fn reading(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{} cannot be read: {}", path.display(), reason(error)))
    }

    /// A file or folder that could not be written.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{} cannot be written: {}", path.display(), reason(error)))
            .advice("Check that the folder exists, is writable and has room.")
    }

    /// The answer of a service. `target` names it in words.
    pub(crate) fn from_status(status: &Status, target: &str) -> Self {
        let said = sentence(status.message());
        match status.code() {
            // The services word these for people.
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::Aborted => Self::new(said),
            Code::Unavailable => Self::new(format!("{target} cannot be reached, or is about to stop.")).advice(
                "Check the address and that `nopic serve all` runs there, or leave out --endpoint to work on a \
                 folder of your own.",
            ),
            Code::Unauthenticated => Self::new(format!("{target} does not know who is calling.")).advice(
                "Put the API key into the environment variable NOPIC_API_KEY, or the path of a file that holds it \
                 into NOPIC_API_KEY_FILE.",
            ),
            Code::PermissionDenied => {
                Self::new(format!("{target} does not allow this to the caller: {}", status.message().trim()))
                    .advice("Act in the right role: with a key that has it, or with --as-certifier or --as-exporter.")
            }
            Code::ResourceExhausted => Self::new(format!("{target} is asked for too much at once: {said}"))
                .advice("Try again later, or with less at a time."),
            Code::DeadlineExceeded => {
                Self::new(format!("{target} did not answer in time.")).advice("Try again later.")
            }
            Code::Unimplemented => Self::new(format!("{target} does not offer this."))
                .advice("It may be an older version, or another service: check the address."),
            Code::Cancelled => Self::new(format!("{target} ended the call before its end.")).advice("Try again."),
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
                Self::new(format!("Something failed inside {target}: {said}"))
                    .advice("Run it again with NOPIC_LOG=debug in the environment to see more.")
            }
        }
    }
}

impl From<io::Error> for Failure {
    /// Of writing results: everything else has a place to name.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::broken_pipe()
        } else {
            Self::new(format!("The output cannot be written: {}", reason(&error)))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.advice.is_empty() {
            write!(f, "\n{}", self.advice)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// What the operating system said, without its error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is not a folder".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

/// Makes a service's message a sentence: a capital first, a full stop last.
fn sentence(message: &str) -> String {
    let message = message.trim();
    let Some(first) = message.chars().next() else {
        return "no reason was given.".to_owned();
    };
    // Names of fields and files keep their spelling: only a plain word is capitalised.
    let word = message.split([' ', ':', ',']).next().unwrap_or_default();
    let mut sentence = if word.chars().all(|character| character.is_ascii_lowercase()) {
        first.to_uppercase().collect::<String>() + &message[first.len_utf8()..]
    } else {
        message.to_owned()
    };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_a_sentence_with_advice() {
        let said = |status: Status| Failure::from_status(&status, "The server at http://x").to_string();
        assert_eq!(
            said(Status::invalid_argument("no date: give --published")),
            "No date: give --published."
        );
        assert_eq!(
            said(Status::not_found("netWeightKg is odd")),
            "netWeightKg is odd."
        );
        let unreachable = said(Status::unavailable("tcp connect error"));
        assert!(unreachable.starts_with("The server at http://x cannot be reached"));
        assert!(!unreachable.contains("tcp"));
        assert!(said(Status::unauthenticated("")).contains("NOPIC_API_KEY"));
        for code in 1..17 {
            let text = said(Status::new(Code::from(code), ""));
            assert!(text.len() > 10 && !text.contains("status"), "{text}");
        }
    }

    #[test]
    fn a_broken_pipe_is_not_worth_a_word() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_quiet());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).is_quiet());
    }

    #[test]
    fn errors_of_files_name_the_file_and_no_numbers() {
        let error = std::fs::read("/no/such/file").unwrap_err();
        assert_eq!(
            Failure::reading(Path::new("/no/such/file"), &error).to_string(),
            "/no/such/file cannot be read: it does not exist"
        );
    }
}
