//! What could not be read: the first of it on standard error, all of it in a rejects file.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nopic_formats::reject::shown;
use nopic_proto::common::Reject;
use serde::Serialize;

use super::Terminal;
use super::naming::name_of;
use super::progress::Progress;
use super::words::counted;
use crate::failure::Failure;

/// So many are shown; the rest is counted and stands in the file.
const SHOWN: u64 = 20;

/// Where the refusals of the files of one command go.
#[derive(Debug, Clone, Default)]
pub(crate) struct RejectsFiles {
    /// The user's path for all of them; absent: a file for each input, called after it.
    named: Option<PathBuf>,
    inputs: Vec<OneInput>,
    /// Those that this command has begun: what comes later is added.
    begun: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl RejectsFiles {
    /// For the files of a command.
    pub(crate) fn new(named: Option<PathBuf>, inputs: &[PathBuf]) -> Self {
        Self {
            named,
            inputs: tell_apart(inputs),
            begun: Arc::default(),
        }
    }

    /// The log for one of them.
    pub(crate) fn log(&self, input: &Path) -> Result<RejectsLog, Failure> {
        RejectsLog::begin(self, input)
    }
}

/// A file of a command.
#[derive(Debug, Clone)]
struct OneInput {
    file: PathBuf,
    /// Where its refusals go without the user's word.
    rejects: PathBuf,
    /// What tells it from another of the same name.
    told_by: Option<String>,
}

/// The files with what tells each from the others.
fn tell_apart(files: &[PathBuf]) -> Vec<OneInput> {
    let mut inputs: Vec<OneInput> = Vec::with_capacity(files.len());
    for file in files {
        if inputs.iter().any(|input| input.file == *file) {
            continue;
        }
        let is_shared = |other: &PathBuf| other != file && other.file_name() == file.file_name();
        let told_by = files.iter().any(is_shared).then(|| name_of(file));
        let mut rejects = match told_by {
            Some(_) => rejects_of(&names_along(file)),
            None => default_path(file),
        };
        let mut number = 1;
        while inputs.iter().any(|input| input.rejects == rejects) {
            number += 1;
            rejects = rejects_of(&format!("{}-{number}", names_along(file)));
        }
        inputs.push(OneInput {
            file: file.clone(),
            rejects,
            told_by,
        });
    }
    inputs
}

/// The names of the folders that lead to a file and its own: `june-entries.csv` for `june/entries.csv`.
fn names_along(file: &Path) -> String {
    let names = file.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    names.collect::<Vec<_>>().join("-")
}

/// Collects refusals.
#[derive(Debug)]
pub(crate) struct RejectsLog {
    path: PathBuf,
    /// What the file is called in place of its name, which another has too.
    told_by: Option<String>,
    begun: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Whether the user named the path: then a file that cannot be written is an error.
    named: bool,
    file: Option<BufWriter<File>>,
    /// The file could not be written; said once, at the end.
    lost: Option<Failure>,
    count: u64,
}

/// One line of a rejects file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    record: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    reason: &'a str,
}

impl RejectsLog {
    /// A log that writes to `named` from the start, or, when something is refused, to a file in the current folder
    /// that is called after the input.
    pub(crate) fn new(named: Option<&Path>, input: &Path) -> Result<Self, Failure> {
        RejectsFiles::new(named.map(Path::to_path_buf), &[input.to_path_buf()]).log(input)
    }

    fn begin(files: &RejectsFiles, input: &Path) -> Result<Self, Failure> {
        let known = files.inputs.iter().find(|known| known.file == input);
        let path = files
            .named
            .clone()
            .unwrap_or_else(|| known.map_or_else(|| default_path(input), |known| known.rejects.clone()));
        // A pattern such as `*` names the rejects of an earlier run as well.
        if files.inputs.iter().any(|known| known.file == path) {
            return Err(Failure::new(format!("{} is a file to be read.", path.display()))
                .advice("Refused lines are not written over it: name another file with --rejects-file."));
        }
        let mut log = Self {
            path,
            told_by: known.and_then(|known| known.told_by.clone()),
            begun: files.begun.clone(),
            named: files.named.is_some(),
            file: None,
            lost: None,
            count: 0,
        };
        if log.named {
            log.file = Some(log.create()?);
        }
        Ok(log)
    }

    /// Records one refusal.
    pub(crate) fn add(&mut self, reject: &Reject, progress: &Progress) -> Result<(), Failure> {
        let renamed = self.told_by.as_ref().map(|name| Reject {
            file: name.clone(),
            ..reject.clone()
        });
        let reject = renamed.as_ref().unwrap_or(reject);
        self.count += 1;
        if self.count <= SHOWN {
            progress.say(&format!("refused: {}", describe(reject)));
        } else if self.count == SHOWN + 1 {
            progress.say("refused: more; the rejects file has all of them");
        }
        if let Err(failure) = self.write(reject) {
            if self.named {
                return Err(failure);
            }
            // The work goes on: what was read must not be lost because the current folder is read-only.
            self.lost = Some(failure);
        }
        Ok(())
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Completes the file and says where it is.
    pub(crate) fn finish(&mut self, terminal: &Terminal) -> Result<(), Failure> {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            let failure = Failure::writing(&self.path, &error);
            if self.named {
                return Err(failure);
            }
            self.lost = Some(failure);
        }
        if self.count == 0 {
            return Ok(());
        }
        let refused = counted(self.count, "was refused", "were refused");
        match &self.lost {
            None => terminal.note(&format!(
                "{refused}; what and why stands in {}",
                self.path.display()
            )),
            Some(failure) => super::say(&format!("{refused}; no rejects file: {failure}")),
        }
        Ok(())
    }

    fn write(&mut self, reject: &Reject) -> Result<(), Failure> {
        if self.lost.is_some() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(self.create()?);
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let line = Line {
            file: &reject.file,
            record: reject.record,
            position: reject.position,
            key: &reject.key,
            field: &reject.field,
            value: &reject.value,
            reason: &reject.reason,
        };
        serde_json::to_writer(&mut *file, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|error| Failure::writing(&self.path, &error))
    }

    fn create(&self) -> Result<BufWriter<File>, Failure> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = if begun.contains(&self.path) {
            OpenOptions::new().append(true).open(&self.path)
        } else {
            File::create(&self.path)
        };
        let file = opened.map_err(|error| Failure::writing(&self.path, &error))?;
        begun.insert(self.path.clone());
        Ok(BufWriter::new(file))
    }
}

/// A refusal as one line of text.
pub(crate) fn describe(reject: &Reject) -> String {
    let mut text = String::new();
    if !reject.file.is_empty() {
        text.push_str(&reject.file);
        text.push_str(", ");
    }
    text.push_str(&format!("record {}", reject.record));
    if let Some(position) = reject.position {
        text.push_str(&format!(", position {position}"));
    }
    if !reject.field.is_empty() {
        text.push_str(&format!(", {}", reject.field));
    }
    if !reject.key.is_empty() {
        text.push_str(&format!(" ({})", shown(&reject.key)));
    }
    if !reject.value.is_empty() {
        text.push_str(&format!(": {:?}", reject.value));
    }
    text.push_str(": ");
    text.push_str(&reject.reason);
    text
}

/// `<name of the input>.rejects.jsonl` in the current folder.
fn default_path(input: &Path) -> PathBuf {
    let name = match input.file_name() {
        Some(name) if input != Path::new("-") => name.to_string_lossy().into_owned(),
        _ => "standard-input".to_owned(),
    };
    rejects_of(&name)
}

fn rejects_of(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}.rejects.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject() -> Reject {
        Reject {
            file: "entries.abi".into(),
            record: 7,
            position: Some(81),
            key: "B7603245278".into(),
            field: String::new(),
            value: "x\u{1}".into(),
            reason: "the record has 81 characters, not 80".into(),
        }
    }

    #[test]
    fn the_default_file_is_called_after_the_input() {
        assert_eq!(
            default_path(Path::new("/data/in/entries.abi")),
            Path::new("entries.abi.rejects.jsonl")
        );
        assert_eq!(
            default_path(Path::new("-")),
            Path::new("standard-input.rejects.jsonl")
        );
    }

    #[test]
    fn a_named_file_holds_every_refusal_as_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused.jsonl");
        let terminal = Terminal::none();
        let progress = Progress::of_bytes(&terminal, None, "");
        let mut log = RejectsLog::new(Some(&path), Path::new("entries.abi")).unwrap();
        assert!(path.exists());
        log.add(&reject(), &progress).unwrap();
        log.finish(&terminal).unwrap();
        assert_eq!(log.count(), 1);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"file\":\"entries.abi\",\"record\":7,\"position\":81,\"key\":\"B7603245278\",\"value\":\"x\\u0001\",\
             \"reason\":\"the record has 81 characters, not 80\"}\n"
        );
    }

    #[test]
    fn the_input_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("entries.csv");
        std::fs::write(&input, "x").unwrap();
        assert!(RejectsLog::new(Some(&input), &input).is_err());
        assert_eq!(std::fs::read_to_string(&input).unwrap(), "x");
    }

    #[test]
    fn files_of_one_command_share_what_is_called_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused.jsonl");
        std::fs::write(&path, "of an earlier run\n").unwrap();
        let inputs = [PathBuf::from("a/e.csv"), PathBuf::from("b/e.csv")];
        let files = RejectsFiles::new(Some(path.clone()), &inputs);
        let terminal = Terminal::none();
        let progress = Progress::of_bytes(&terminal, None, "");
        for input in &inputs {
            let mut log = files.log(input).unwrap();
            log.add(&reject(), &progress).unwrap();
            log.finish(&terminal).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().count(), 2, "{written}");
        assert!(!written.contains("earlier"), "{written}");
        let inputs = [PathBuf::from("e.csv"), PathBuf::from("e.csv.rejects.jsonl")];
        let files = RejectsFiles::new(None, &inputs);
        assert!(files.log(&inputs[0]).is_err() && files.log(&inputs[1]).is_ok());
    }

    #[test]
    fn files_of_one_name_are_told_apart() {
        let files: Vec<PathBuf> = [
            "e.csv",
            "a/e.csv",
            "a/b/e.csv",
            "a-b/e.csv",
            "f.csv",
            "a/e.csv",
            "a-e.csv",
        ]
        .iter()
        .map(PathBuf::from)
        .collect();
        let told: Vec<(String, Option<String>)> = tell_apart(&files)
            .into_iter()
            .map(|input| (input.rejects.to_string_lossy().into_owned(), input.told_by))
            .collect();
        let shared = |rejects: &str, file: &str| (rejects.to_owned(), Some(file.to_owned()));
        assert_eq!(
            told,
            [
                shared("e.csv.rejects.jsonl", "e.csv"),
                shared("a-e.csv.rejects.jsonl", "a/e.csv"),
                shared("a-b-e.csv.rejects.jsonl", "a/b/e.csv"),
                shared("a-b-e.csv-2.rejects.jsonl", "a-b/e.csv"),
                ("f.csv.rejects.jsonl".to_owned(), None),
                ("a-e.csv-2.rejects.jsonl".to_owned(), None),
            ]
        );
    }

    #[test]
    fn a_refusal_is_said_with_its_place() {
        assert_eq!(
            describe(&reject()),
            "entries.abi, record 7, position 81 (B7603245278): \"x\\u{1}\": the record has 81 characters, not 80"
        );
    }
}
