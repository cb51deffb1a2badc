//! One process at a time works on a data folder: `DIR/lock`.
//!
//! The lock is the operating system's, so a crash leaves none behind. Its holder writes into the file who it is and,
//! when it serves gRPC, where: another command can then ask it instead.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Name of the file in the data folder.
const FILE_NAME: &str = "lock";
/// More than a holder ever writes.
const MOST_BYTES: u64 = 4096;

/// The right to work on a data folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    file: File,
}

/// Who else works on the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holder {
    /// Its process, where it could be read.
    pub(crate) process: Option<u32>,
    /// Where it serves gRPC, if it does.
    pub(crate) endpoint: Option<String>,
    /// On which server's database it works, if not on the folder's files; without password.
    pub(crate) database: Option<String>,
    /// What shows it that it is asked by whoever can read the folder.
    pub(crate) owner: Option<OwnerText>,
}

/// A secret, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OwnerText(pub(crate) String);

impl std::fmt::Debug for OwnerText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerText")
    }
}

/// What came of trying.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// The folder is ours.
    Held(DataLock),
    /// Another process has it.
    Busy(Holder),
}

/// Tries to take the folder, which must exist.
pub(crate) fn acquire(folder: &Path) -> io::Result<Acquired> {
    let path = folder.join(FILE_NAME);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            // One of an earlier version may be open to others.
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            let lock = DataLock { file };
            lock.write(None, None, None)?;
            Ok(Acquired::Held(lock))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            (&mut file).take(MOST_BYTES).read_to_string(&mut text)?;
            Ok(Acquired::Busy(parse(&text)))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl DataLock {
    /// Tells other commands where this process can be asked, and how they show that they may read this.
    pub(crate) fn announce(&self, endpoint: &str, database: Option<&str>, owner: &str) -> io::Result<()> {
        self.write(Some(endpoint), database, Some(owner))
    }

    fn write(&self, endpoint: Option<&str>, database: Option<&str>, owner: Option<&str>) -> io::Result<()> {
        let mut text = format!("process {}\n", std::process::id());
        for (name, value) in [("endpoint", endpoint), ("database", database), ("owner", owner)] {
            if let Some(value) = value {
                text.push_str(&format!("{name} {value}\n"));
            }
        }
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        // Nobody shall be sent to an endpoint that is gone; the lock itself goes with the file handle.
        let _ = self.file.set_len(0);
    }
}

fn parse(text: &str) -> Holder {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    Holder {
        process: value("process ").and_then(|number| number.parse().ok()),
        endpoint: value("endpoint ").map(ToOwned::to_owned),
        database: value("database ").map(ToOwned::to_owned),
        owner: value("owner ").map(|secret| OwnerText(secret.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(folder: &Path) -> Holder {
        match acquire(folder).unwrap() {
            Acquired::Busy(holder) => holder,
            Acquired::Held(_) => panic!("the folder is free"),
        }
    }

    fn held(folder: &Path) -> DataLock {
        match acquire(folder).unwrap() {
            Acquired::Held(lock) => lock,
            Acquired::Busy(holder) => panic!("the folder is taken by {holder:?}"),
        }
    }

    #[test]
    fn a_second_taker_learns_who_holds_the_folder_and_where_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let lock = held(folder.path());
        let process = Some(std::process::id());
        assert_eq!(
            holder(folder.path()),
            Holder {
                process,
                endpoint: None,
                database: None,
                owner: None,
            }
        );
        let database = Some("PostgreSQL database nopic on localhost:5432");
        lock.announce("http://127.0.0.1:50051", database, "secret")
            .unwrap();
        assert_eq!(
            holder(folder.path()),
            Holder {
                process,
                endpoint: Some("http://127.0.0.1:50051".into()),
                database: database.map(ToOwned::to_owned),
                owner: Some(OwnerText("secret".into())),
            }
        );
    }

    #[test]
    fn what_an_ended_holder_wrote_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let lock = held(folder.path());
        lock.announce("http://127.0.0.1:1", None, "secret").unwrap();
        drop(lock);
        // As a crash leaves it behind: text, but no lock.
        std::fs::write(
            folder.path().join(FILE_NAME),
            "process 1\nendpoint http://127.0.0.1:2\n",
        )
        .unwrap();
        let _lock = held(folder.path());
        assert_eq!(holder(folder.path()).endpoint, None);
    }

    #[test]
    fn a_lock_file_of_nonsense_names_nobody() {
        assert_eq!(parse("\u{0}garbage\nprocess x\n"), Holder::default());
    }
}
