//! Requests made from files on a thread of their own, as fast as the server takes them and no faster.
//!
//! A server takes the end of the requests for the end of the file. So when a file cannot be read to its end, the
//! requests must not end: they stop, and the call is given up.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::output::progress::Progress;

/// Bytes of one message; the contract allows 1 MiB.
const CHUNK: usize = 512 << 10;
/// Messages that wait for the server.
const WAITING: usize = 4;

/// The requests of a call.
#[derive(Debug)]
pub(crate) struct Requests<M> {
    messages: mpsc::Receiver<Part<M>>,
    stopped: bool,
    ended: bool,
    interruption: Option<oneshot::Sender<Failure>>,
}

#[derive(Debug)]
enum Part<M> {
    Message(M),
    Interruption(Failure),
    End,
}

/// Hears when the requests cannot be made any more.
#[derive(Debug)]
pub(crate) struct Interruption(Option<oneshot::Receiver<Failure>>);

/// Takes requests; says when the server wants no more.
pub(crate) type Emit<'a, M> = dyn FnMut(M) -> ControlFlow<()> + 'a;

/// Starts to make requests.
pub(crate) fn upload<M, F>(produce: F) -> (Requests<M>, Interruption)
where
    M: Send + 'static,
    F: FnOnce(&mut Emit<'_, M>) -> Result<(), Failure> + Send + 'static,
{
    let (sender, messages) = mpsc::channel(WAITING);
    let (interruption, heard) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut emit = |message| match sender.blocking_send(Part::Message(message)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let last = match produce(&mut emit) {
            Ok(()) => Part::End,
            Err(failure) => Part::Interruption(failure),
        };
        // Where nobody listens any more, the call has ended and has said why.
        let _ = sender.blocking_send(last);
    });
    (
        Requests {
            messages,
            stopped: false,
            ended: false,
            interruption: Some(interruption),
        },
        Interruption(Some(heard)),
    )
}

/// Starts to send a file: the options, its bytes, its end.
pub(crate) fn upload_file<M: Send + 'static>(
    path: &Path,
    progress: &Progress,
    options: M,
    chunk: impl Fn(Bytes) -> M + Send + 'static,
    end: M,
) -> (Requests<M>, Interruption) {
    let (path, progress) = (path.to_path_buf(), progress.clone());
    upload(move |emit| {
        if emit(options).is_continue()
            && chunks(&path, &progress, &mut |bytes| emit(chunk(bytes)))?.is_continue()
        {
            // Where the server no longer listens, its answer says why.
            let _ended_early = emit(end);
        }
        Ok(())
    })
}

/// The name of a file without its folder, as a server is told it.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

impl<M> Stream for Requests<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<M>> {
        if self.stopped {
            return Poll::Pending;
        }
        if self.ended {
            return Poll::Ready(None);
        }
        match std::task::ready!(self.messages.poll_recv(context)) {
            Some(Part::Message(message)) => Poll::Ready(Some(message)),
            Some(Part::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            other => {
                let failure = match other {
                    Some(Part::Interruption(failure)) => failure,
                    // The thread ended without a word: it panicked.
                    _ => Failure::new("The file was not read to its end."),
                };
                self.stopped = true;
                if let Some(interruption) = self.interruption.take() {
                    // Where nobody hears it, the call is over.
                    let _ = interruption.send(failure);
                }
                Poll::Pending
            }
        }
    }
}

impl Interruption {
    /// Waits for a step of the call, unless its requests stop.
    pub(crate) async fn or<T>(&mut self, step: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(step);
        while let Some(heard) = &mut self.0 {
            tokio::select! {
                biased;
                failure = heard => match failure {
                    Ok(failure) => return Err(failure),
                    // All requests were made.
                    Err(_) => self.0 = None,
                },
                done = &mut step => return Ok(done),
            }
        }
        Ok(step.await)
    }
}

/// Reads a file or, for `-`, standard input, in pieces that fit a message.
pub(crate) fn chunks(
    path: &Path,
    progress: &Progress,
    emit: &mut dyn FnMut(Bytes) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    if path == Path::new("-") {
        return chunks_of(std::io::stdin().lock(), path, progress, emit);
    }
    let file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    chunks_of(file, path, progress, emit)
}

/// The same of what is open already.
pub(crate) fn chunks_of(
    mut file: impl Read,
    path: &Path,
    progress: &Progress,
    emit: &mut dyn FnMut(Bytes) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Failure> {
    let mut buffer = vec![0; CHUNK];
    loop {
        // What a pipe holds now is passed on now: verdicts on the first lines need not wait for the last.
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok(ControlFlow::Continue(())),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::reading(path, &error)),
        };
        progress.add(read);
        if emit(Bytes::copy_from_slice(&buffer[..read])).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Checks before anything is sent that a file can be opened; gives its size.
pub(crate) fn size_of(path: &Path) -> Result<Option<u64>, Failure> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let about = std::fs::metadata(path).map_err(|error| Failure::reading(path, &error))?;
    if about.is_file() {
        // A pipe can be opened once only.
        File::open(path).map_err(|error| Failure::reading(path, &error))?;
    }
    if about.is_dir() {
        return Err(Failure::new(format!("{} is a folder.", path.display())).advice("Name the files in it."));
    }
    Ok(about.is_file().then_some(about.len()))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::output::Terminal;

    #[tokio::test]
    async fn requests_come_in_order_and_end() {
        let (requests, mut interruption) = upload(|emit| {
            for number in 0..100 {
                if emit(number).is_break() {
                    break;
                }
            }
            Ok(())
        });
        let all = interruption.or(requests.collect::<Vec<i32>>()).await.unwrap();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_never_looks_complete() {
        let (mut requests, mut interruption) = upload(|emit| {
            let _ = emit(1);
            Err(Failure::new("the disk is gone"))
        });
        assert_eq!(requests.next().await, Some(1));
        let failure = interruption.or(requests.next()).await.unwrap_err();
        assert_eq!(failure.to_string(), "the disk is gone");
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), requests.next()).await;
        assert!(waited.is_err(), "the requests must not end");
    }

    #[tokio::test]
    async fn a_panicking_reader_never_looks_like_the_end() {
        let (mut requests, mut interruption) = upload::<u8, _>(|_| panic!("on purpose"));
        assert!(interruption.or(requests.next()).await.is_err());
    }

    #[test]
    fn a_file_is_cut_into_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..=250).cycle().take(CHUNK * 2 + 7).collect();
        std::fs::write(&path, &content).unwrap();
        let mut read = Vec::new();
        let mut sizes = Vec::new();
        let progress = Progress::of_bytes(&Terminal::none(), None, "");
        let flow = chunks(&path, &progress, &mut |chunk| {
            sizes.push(chunk.len());
            read.extend_from_slice(&chunk);
            ControlFlow::Continue(())
        });
        assert!(flow.unwrap().is_continue());
        assert_eq!(sizes, [CHUNK, CHUNK, 7]);
        assert!(read == content);
        assert_eq!(size_of(&path).unwrap(), Some(content.len() as u64));
        assert!(size_of(folder.path()).is_err());
    }
}
