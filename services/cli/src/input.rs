//! Input that may have to be sent again: a file is read anew; what can be read once only, such as standard input, is kept
//! in a temporary file while it is read, up to a bound.

use std::fs::File;
use std::io::{Read, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::output::progress::Progress;
use crate::upload::{chunks, chunks_of};

/// Bytes that are kept at most.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes that can be had as often as they are wanted.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A file, or what will be read once.
    Plain(PathBuf),
    /// What can be read only once.
    Copied(Arc<Copied>),
}

/// What was read of an input, and the rest of it.
#[derive(Debug)]
pub(crate) struct Copied {
    path: PathBuf,
    file: NamedTempFile,
    /// The input is larger than what is kept.
    is_too_large: AtomicBool,
    most: u64,
    /// Held by whoever reads on.
    rest: Mutex<Rest>,
}

struct Rest {
    reader: Option<Box<dyn Read + Send>>,
    kept: u64,
    is_over: bool,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest")
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// A file; `again`: whether it may be wanted again, so that what is no plain file must be kept.
    pub(crate) fn new(path: &Path, again: bool) -> Result<Self, Failure> {
        let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file());
        if is_file || !again {
            return Ok(Self::Plain(path.to_path_buf()));
        }
        Ok(Self::Copied(Arc::new(Copied::new(path, None, MOST_BYTES)?)))
    }

    /// All of it from its beginning, in pieces that fit a message.
    pub(crate) fn chunks(
        &self,
        progress: &Progress,
        emit: &mut dyn FnMut(Bytes) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Failure> {
        match self {
            Self::Plain(path) => chunks(path, progress, emit),
            Self::Copied(copied) => copied.chunks(progress, emit),
        }
    }
}

impl Copied {
    fn new(path: &Path, reader: Option<Box<dyn Read + Send>>, most: u64) -> Result<Self, Failure> {
        Ok(Self {
            path: path.to_path_buf(),
            file: NamedTempFile::new().map_err(|error| Failure::writing(&std::env::temp_dir(), &error))?,
            is_too_large: AtomicBool::new(false),
            most,
            rest: Mutex::new(Rest {
                reader,
                kept: 0,
                is_over: false,
            }),
        })
    }

    fn chunks(
        &self,
        progress: &Progress,
        emit: &mut dyn FnMut(Bytes) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Failure> {
        let unkept = |error: std::io::Error| Failure::writing(self.file.path(), &error);
        let mut before = self.file.reopen().map_err(unkept)?;
        // Whoever read before may still wait for the next bytes: what there is goes on its way meanwhile.
        if chunks_of(&mut before, self.file.path(), progress, emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // A reader that panicked has left whole chunks in the file.
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_too_large.load(Ordering::Relaxed) {
            return Err(self.too_large());
        }
        if chunks_of(&mut before, self.file.path(), progress, emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if rest.is_over {
            return Ok(ControlFlow::Continue(()));
        }
        let mut reader = match rest.reader.take() {
            Some(reader) => reader,
            None => open(&self.path)?,
        };
        let mut unwritten = None;
        let flow = chunks_of(&mut reader, &self.path, progress, &mut |chunk| {
            if let Err(error) = self.keep(&mut rest, &chunk) {
                unwritten = Some(unkept(error));
                return ControlFlow::Break(());
            }
            emit(chunk)
        })?;
        rest.reader = Some(reader);
        rest.is_over = flow.is_continue();
        unwritten.map_or(Ok(flow), Err)
    }

    fn keep(&self, rest: &mut Rest, chunk: &[u8]) -> std::io::Result<()> {
        if self.is_too_large.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut file = self.file.as_file();
        rest.kept += chunk.len() as u64;
        if rest.kept <= self.most {
            return file.write_all(chunk);
        }
        self.is_too_large.store(true, Ordering::Relaxed);
        file.set_len(0)
    }

    fn too_large(&self) -> Failure {
        let what = if self.path == Path::new("-") {
            "the standard input".to_owned()
        } else {
            self.path.display().to_string()
        };
        Failure::new(format!(
            "The server stopped, and {what} is too long to be sent to another one from its beginning."
        ))
        .advice("The verdicts that were printed stand. Send the lines behind them again, or name a file.")
    }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::mpsc;

    use super::*;
    use crate::output::Terminal;

    fn read(kept: &Copied, most: usize) -> Result<(Vec<u8>, ControlFlow<()>), Failure> {
        let mut all = Vec::new();
        let progress = Progress::of_bytes(&Terminal::none(), None, "");
        let flow = kept.chunks(&progress, &mut |chunk| {
            if all.len() >= most {
                return ControlFlow::Break(());
            }
            all.extend(chunk);
            ControlFlow::Continue(())
        })?;
        Ok((all, flow))
    }

    #[test]
    fn what_was_read_once_is_read_again_with_the_rest() {
        let content: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let input = Box::new(Cursor::new(content.clone()));
        let kept = Copied::new(Path::new("-"), Some(input), MOST_BYTES).unwrap();
        let (part, flow) = read(&kept, 1_000_000).unwrap();
        assert!(flow.is_break() && part.len() < content.len() && content.starts_with(&part));
        for _ in 0..2 {
            let (all, flow) = read(&kept, usize::MAX).unwrap();
            assert!(flow.is_continue() && all == content);
        }
    }

    #[test]
    fn what_is_there_need_not_wait_for_the_rest() {
        struct Slow(mpsc::Receiver<u8>);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0.recv().map_or(Ok(0), |byte| {
                    buffer[0] = byte;
                    Ok(1)
                })
            }
        }
        let (bytes, slow) = mpsc::channel();
        let kept = Copied::new(Path::new("-"), Some(Box::new(Slow(slow))), MOST_BYTES).unwrap();
        bytes.send(1).unwrap();
        std::thread::scope(|scope| {
            let (seen, first) = mpsc::channel();
            scope.spawn({
                let kept = &kept;
                move || {
                    let progress = Progress::of_bytes(&Terminal::none(), None, "");
                    let _ = kept.chunks(&progress, &mut |chunk| {
                        seen.send(chunk)
                            .map_or(ControlFlow::Break(()), ControlFlow::Continue)
                    });
                }
            });
            assert_eq!(&first.recv().unwrap()[..], [1]);
            drop(first);
            let (seen, second) = mpsc::channel();
            scope.spawn({
                let kept = &kept;
                move || {
                    let progress = Progress::of_bytes(&Terminal::none(), None, "");
                    let _ = kept.chunks(&progress, &mut |chunk| {
                        seen.send(chunk)
                            .map_or(ControlFlow::Break(()), ControlFlow::Continue)
                    });
                }
            });
            // The first reader still waits for the second byte.
            assert_eq!(&second.recv().unwrap()[..], [1]);
            bytes.send(2).unwrap();
            assert_eq!(&second.recv().unwrap()[..], [2]);
            drop(bytes);
            assert!(second.recv().is_err());
        });
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_it_is_said() {
        let kept = Copied::new(Path::new("-"), Some(Box::new(Cursor::new(vec![7; 100]))), 99).unwrap();
        assert_eq!(read(&kept, usize::MAX).unwrap().0.len(), 100);
        let said = read(&kept, usize::MAX).unwrap_err().to_string();
        assert!(said.contains("standard input is too long"), "{said}");
    }
}
