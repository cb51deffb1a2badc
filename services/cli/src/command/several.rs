//! Several files in one command: each is done for itself, and said by name.

use std::path::{Path, PathBuf};

use crate::context::Done;
use crate::failure::Failure;
use crate::output;
use crate::output::naming::{is_input, name_of};
use crate::output::words::counted;
use crate::upload::size_of;

/// What came of the files of a command so far.
#[derive(Debug, Default)]
pub(crate) struct Several {
    count: u64,
    undone: u64,
    has_findings: bool,
}

impl Several {
    /// Looks at the files before anything is opened: fails where none of them can be read.
    pub(crate) fn check(files: &[PathBuf]) -> Result<(), Failure> {
        if files.iter().filter(|file| is_input(file)).count() > 1 {
            return Err(
                Failure::new("`-` stands for the standard input, which can be read only once.")
                    .advice("Name it once."),
            );
        }
        let unreadable: Vec<Failure> = files.iter().filter_map(|file| size_of(file).err()).collect();
        match (unreadable.len() == files.len(), unreadable.split_last()) {
            (true, Some((last, before))) => {
                for failure in before {
                    output::say(&format!("nopic: {failure}"));
                }
                Err(last.clone())
            }
            _ => Ok(()),
        }
    }

    /// One that was done.
    pub(crate) fn done(&mut self, done: Done) {
        self.count += 1;
        self.has_findings |= done != Done::Well;
    }

    /// One that could not be done, which is said.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.count += 1;
        self.undone += 1;
        output::say(&format!("nopic: {failure}"));
    }

    /// Of all of them in words: `3 files, of which 1 could not be done`.
    pub(crate) fn words(&self) -> String {
        let files = counted(self.count, "file", "files");
        if self.undone == 0 {
            return files;
        }
        format!("{files}, of which {} could not be done", self.undone)
    }

    /// How the command ends.
    pub(crate) fn end(&self) -> Done {
        match (self.undone, self.has_findings) {
            (0, false) => Done::Well,
            (0, true) => Done::WithFindings,
            _ => Done::InPart,
        }
    }
}

/// The failure with the name of the file before it, unless it says that itself.
pub(crate) fn named(failure: Failure, file: &Path) -> Failure {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let said = failure.to_string();
    // A server knows it by its name alone, which another file of the command may have too.
    let behind = name
        .as_ref()
        .and_then(|name| said.strip_prefix(&format!("{name}: ")));
    if let Some(behind) = behind.filter(|_| !failure.is_quiet()) {
        return Failure::new(format!("{}: {behind}", name_of(file)));
    }
    if failure.is_quiet() || name.is_some_and(|name| !is_input(file) && said.contains(&name)) {
        return failure;
    }
    Failure::new(format!("{}: {said}", name_of(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_the_files_is_how_it_ends() {
        let mut several = Several::default();
        several.done(Done::Well);
        assert_eq!(several.end(), Done::Well);
        several.done(Done::WithFindings);
        assert_eq!(several.end(), Done::WithFindings);
        several.failed(&Failure::new("x"));
        several.done(Done::Well);
        assert_eq!(several.end(), Done::InPart);
        assert_eq!(several.words(), "4 files, of which 1 could not be done");
    }

    #[test]
    fn a_failure_names_its_file_once() {
        let file = Path::new("in/e.csv");
        assert_eq!(
            named(Failure::new("It is empty."), file).to_string(),
            "in/e.csv: It is empty."
        );
        assert_eq!(
            named(Failure::new("e.csv: empty."), file).to_string(),
            "in/e.csv: empty."
        );
        assert_eq!(
            named(Failure::new("It is empty."), Path::new("-")).to_string(),
            "the standard input: It is empty."
        );
    }

    #[test]
    fn the_standard_input_is_read_once() {
        let twice = [PathBuf::from("-"), PathBuf::from("-")];
        assert!(Several::check(&twice).is_err());
        assert!(Several::check(&twice[..1]).is_ok());
        assert!(Several::check(&[PathBuf::from("/no/such"), PathBuf::from("-")]).is_ok());
        assert!(Several::check(&[PathBuf::from("/no/such")]).is_err());
    }
}
