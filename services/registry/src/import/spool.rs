//! The temporary copy of an upload: the forms are read back and forth, and a copy that is whole is checked once.

use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};
use tokio::io::AsyncWriteExt as _;

use super::Place;
use crate::error::Error;

/// The largest upload, all files together, in bytes: ten times the largest file that is known.
const UPLOAD_LIMIT: u64 = 2 << 30;
/// Files of one content.
const FILE_LIMIT: usize = 10_000;

/// Folders of copies begin so.
const PREFIX: &str = "import-";

/// Removes the copies that a process left which was killed: nobody else uses the folder.
pub(crate) fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a temporary copy of an earlier import was not removed"
            );
        }
    }
}

/// One uploaded file.
#[derive(Debug)]
pub(super) struct SpooledFile {
    /// As the caller named it.
    pub(super) name: String,
    file: NamedTempFile,
}

impl SpooledFile {
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Takes files as they come. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Spool {
    folder: TempDir,
    files: Vec<SpooledFile>,
    open: Option<tokio::fs::File>,
    bytes: u64,
    place: Place,
}

/// The files of an upload.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) files: Vec<SpooledFile>,
    // Removed after the files.
    _folder: TempDir,
    // Freed after the folder: threads that read the copy may outlive their import for a moment.
    _place: Place,
}

impl Spooled {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path().to_owned()).collect()
    }
}

impl Spool {
    /// A spool in a folder of its own below this one. The import's place is held until the folder is gone.
    pub(super) fn new(folder: &Path, place: Place) -> Result<Self, Error> {
        Ok(Self {
            folder: tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(folder)
                .map_err(Error::Spool)?,
            files: Vec::new(),
            open: None,
            bytes: 0,
            place,
        })
    }

    /// Begins the next file.
    pub(super) async fn start(&mut self, name: String) -> Result<(), Error> {
        self.flush().await?;
        if self.files.len() >= FILE_LIMIT {
            return Err(Error::TooLarge(format!(
                "one import takes at most {FILE_LIMIT} files: put the pages into fewer files"
            )));
        }
        let file = NamedTempFile::new_in(self.folder.path()).map_err(Error::Spool)?;
        let handle = file.reopen().map_err(Error::Spool)?;
        self.open = Some(tokio::fs::File::from_std(handle));
        let name = if name.is_empty() {
            "unnamed file".to_owned()
        } else {
            name
        };
        self.files.push(SpooledFile { name, file });
        Ok(())
    }

    /// Adds bytes to the file last started.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Err(Error::Invalid(
                "bytes came before a file was started: send `file`, then its chunks".to_owned(),
            ));
        };
        self.bytes += bytes.len() as u64;
        if self.bytes > UPLOAD_LIMIT {
            return Err(Error::TooLarge(format!(
                "the upload is larger than {} MiB: this is no snapshot of the database",
                UPLOAD_LIMIT >> 20
            )));
        }
        open.write_all(bytes).await.map_err(Error::Spool)
    }

    /// Ends the upload.
    pub(super) async fn finish(mut self) -> Result<Spooled, Error> {
        self.flush().await?;
        if self.files.is_empty() {
            return Err(Error::Invalid(
                "no file came: send `file`, then its bytes as chunks".to_owned(),
            ));
        }
        Ok(Spooled {
            files: self.files,
            _folder: self.folder,
            _place: self.place,
        })
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if let Some(mut open) = self.open.take() {
            open.flush().await.map_err(Error::Spool)?;
        }
        Ok(())
    }
}
