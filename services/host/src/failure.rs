//! Why a process could not do its work: what happened, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

/// A command or a server ended without its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    advice: String,
    quiet: bool,
}

impl Failure {
    /// A failure that says what happened and where.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: String::new(),
            quiet: false,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The reader of our output went away: nobody is there to be told.
    #[must_use]
    pub fn broken_pipe() -> Self {
        Self {
            quiet: true,
            ..Self::new("nobody reads the output any more")
        }
    }

    /// Whether nothing is to be said.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A file that could not be read.
    #[must_use]
    pub fn reading(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{} cannot be read: {}", path.display(), reason(error)))
    }

    /// A file or folder that could not be written.
    #[must_use]
    pub fn writing(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{} cannot be written: {}", path.display(), reason(error)))
            .advice("Check that the folder exists, is writable and has room.")
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

#[cfg(test)]
mod tests {
    use super::*;

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
