//! Heads outside of the database: a file for each service, one line a head, only added to.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Take, Write as _};
use std::path::{Path, PathBuf};

use super::head::Head;
use super::key::SigningKey;

/// More than the line of a head is long.
const LONGEST_LINE: u64 = 4_096;

/// Where heads go and what signs them.
#[derive(Debug, Clone)]
pub struct Heads {
    folder: PathBuf,
    key: PathBuf,
}

impl Heads {
    /// In the data folder of a deployment: `heads/SERVICE.jsonl`, signed by the key in `audit-signing-key.der`.
    #[must_use]
    pub fn in_data_folder(data: &Path) -> Self {
        Self {
            folder: data.join("heads"),
            key: data.join("audit-signing-key.der"),
        }
    }

    /// The file of a service.
    #[must_use]
    pub fn file(&self, service: &str) -> PathBuf {
        self.folder.join(format!("{service}.jsonl"))
    }

    /// The file of the key.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key
    }

    /// The key; made where there is none.
    pub(super) fn key(&self) -> io::Result<SigningKey> {
        if let Some(folder) = self.key.parent() {
            fs::create_dir_all(folder)?;
        }
        SigningKey::load_or_make(&self.key)
    }

    /// The public half of the key, where there is one.
    pub(super) fn public_key(&self) -> io::Result<Option<Vec<u8>>> {
        if !self.key.try_exists()? {
            return Ok(None);
        }
        Ok(Some(self.key()?.public().to_vec()))
    }

    /// The head that was written last.
    ///
    /// # Errors
    /// The file cannot be read, or its last line is no head.
    pub(super) fn last(&self, service: &str) -> io::Result<Option<Head>> {
        let Some((mut file, length)) = self.open(service)? else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))?;
        let mut tail = Vec::new();
        file.take(length.min(LONGEST_LINE)).read_to_end(&mut tail)?;
        let tail = String::from_utf8_lossy(&tail);
        match tail.trim_end_matches('\n').lines().last() {
            None => Ok(None),
            Some(line) => Head::parse(line)
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// The file and the length of its whole lines: of a line that a crash cut short, nobody was told.
    fn open(&self, service: &str) -> io::Result<Option<(File, u64)>> {
        let mut file = match File::open(self.file(service)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let start = length.saturating_sub(LONGEST_LINE);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&mut file).take(LONGEST_LINE).read_to_end(&mut tail)?;
        let whole = match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => start + u64::try_from(end).unwrap_or(u64::MAX) + 1,
            None if start == 0 => 0,
            None => length,
        };
        file.seek(SeekFrom::Start(0))?;
        Ok(Some((file, whole)))
    }

    /// Adds a head; on the disk when this returns.
    pub(super) fn append(&self, head: &Head) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let whole = self.open(&head.service)?.map(|(_, length)| length);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.file(&head.service))?;
        let is_new = whole.is_none();
        file.set_len(whole.unwrap_or_default())?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(format!("{}\n", head.to_json()).as_bytes())?;
        file.sync_all()?;
        #[cfg(unix)]
        if is_new {
            // The name of the file must be on the disk, too.
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// The heads that were written last, the oldest of them first.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn latest(&self, service: &str, at_most: usize) -> io::Result<Vec<Head>> {
        let mut latest = VecDeque::new();
        for head in self.lines(service)?.into_iter().flatten() {
            let head = head.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            if latest.len() == at_most {
                latest.pop_front();
            }
            latest.push_back(head);
        }
        latest.truncate(at_most);
        Ok(latest.into())
    }

    /// All heads that are there now.
    pub(super) fn lines(&self, service: &str) -> io::Result<Option<HeadLines>> {
        Ok(self.open(service)?.map(|(file, length)| HeadLines {
            lines: BufReader::new(file.take(length)),
            file: self.file(service),
            number: 0,
        }))
    }
}

/// The heads of a file, one after the other.
#[derive(Debug)]
pub(super) struct HeadLines {
    lines: BufReader<Take<File>>,
    file: PathBuf,
    number: u64,
}

impl Iterator for HeadLines {
    /// A head, or what is wrong with the file.
    type Item = Result<Head, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        self.number += 1;
        let read = (&mut self.lines).take(LONGEST_LINE).read_line(&mut line);
        let wrong = |why: &dyn std::fmt::Display| {
            Some(Err(format!(
                "line {} of {} cannot be read: {why}",
                self.number,
                self.file.display()
            )))
        };
        match read {
            Ok(0) => None,
            Ok(_) => match Head::parse(line.trim_end_matches('\n')) {
                Ok(head) => Some(Ok(head)),
                Err(error) => wrong(&error),
            },
            Err(error) => {
                let answer = wrong(&error);
                // Reading on would find the same.
                self.lines.get_mut().set_limit(0);
                self.lines.consume(self.lines.buffer().len());
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Seal;

    fn head(heads: &Heads, number: i64) -> Head {
        let seal = Seal {
            number,
            first: number,
            last: number,
            count: 1,
            record_hashes: vec![0; 32],
            previous_hash: vec![0; 32],
            hash: vec![7; 32],
            sealed_at: chrono::DateTime::from_timestamp(1_760_000_000, 0).unwrap(),
        };
        Head::sign("some_service", &seal, &heads.key().unwrap())
    }

    #[test]
    fn heads_are_added_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let heads = Heads::in_data_folder(folder.path());
        assert_eq!(heads.last("some_service").unwrap(), None);
        for number in 1..=3 {
            heads.append(&head(&heads, number)).unwrap();
        }
        let last = heads.last("some_service").unwrap().unwrap();
        assert_eq!(last.seal, 3);
        assert!(last.is_signed());
        let latest = heads.latest("some_service", 2).unwrap();
        assert_eq!(latest.iter().map(|head| head.seal).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let heads = Heads::in_data_folder(folder.path());
        heads.append(&head(&heads, 1)).unwrap();
        let file = heads.file("some_service");
        let whole = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{whole}{}", &whole[..40])).unwrap();
        assert_eq!(heads.last("some_service").unwrap().unwrap().seal, 1);
        heads.append(&head(&heads, 2)).unwrap();
        assert_eq!(heads.latest("some_service", 9).unwrap().len(), 2);
    }

    #[test]
    fn a_changed_head_is_not_signed() {
        let folder = tempfile::tempdir().unwrap();
        let heads = Heads::in_data_folder(folder.path());
        let mut changed = head(&heads, 1);
        changed.records = 9;
        assert!(!changed.is_signed());
        let read = Head::parse(&head(&heads, 1).to_json()).unwrap();
        assert!(read.is_signed());
        assert!(Head::parse("{}").is_err());
    }
}
