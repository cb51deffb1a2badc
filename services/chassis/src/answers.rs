//! The answers of a stream: made by a task of their own, a few ahead of the caller.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::Status;

use crate::deadline;

/// The caller has left: nobody hears the answers any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the caller has left")]
pub struct CallerGone;

impl From<CallerGone> for Status {
    fn from(gone: CallerGone) -> Self {
        Self::cancelled(gone.to_string())
    }
}

/// Takes the answers of a call.
#[derive(Debug)]
pub struct Answers<T>(mpsc::Sender<Result<T, Status>>);

impl<T> Answers<T> {
    /// Sends one, when the caller has taken those before it.
    ///
    /// # Errors
    /// The caller has left.
    pub async fn send(&self, answer: T) -> Result<(), CallerGone> {
        self.0.send(Ok(answer)).await.map_err(|_| CallerGone)
    }

    /// Whether the caller has left.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.0.is_closed()
    }
}

/// Answers a call by a task of its own, which has the call's deadline and trace, and at most so many answers ahead of the
/// caller. An error ends the stream. The task goes on where its caller has left, until it sends: what it does may be worth
/// finishing.
pub fn answer<T, W, F, E>(ahead: usize, work: W) -> AnswerStream<T>
where
    T: Send + 'static,
    W: FnOnce(Answers<T>) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Status> + Send + 'static,
{
    let (answers, receiver) = mpsc::channel(ahead);
    let last = answers.clone();
    let work = work(Answers(answers));
    let task = deadline::spawn(async move {
        if let Err(error) = work.await {
            let status = error.into();
            // Where the caller has left there is nobody to tell.
            let _ = last.send(Err(status)).await;
        }
    });
    AnswerStream {
        receiver,
        task: Some(task),
        ends_with_caller: false,
    }
}

/// Bytes of the items of one message, of a stream of them: few enough for every client, enough to cost little each.
pub const BYTES_PER_MESSAGE: usize = 1 << 20;

/// Cuts items into messages of at most so many, and of about a mebibyte; an item that is larger has one of its own.
pub fn in_messages<T: prost::Message>(
    items: impl IntoIterator<Item = T>,
    most: usize,
) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    let mut next = items.next();
    std::iter::from_fn(move || {
        let mut message = vec![next.take()?];
        let mut bytes = message[0].encoded_len();
        for item in items.by_ref() {
            bytes += item.encoded_len();
            if message.len() == most || bytes > BYTES_PER_MESSAGE {
                next = Some(item);
                break;
            }
            message.push(item);
        }
        Some(message)
    })
}

/// The answers on their way.
#[derive(Debug)]
pub struct AnswerStream<T> {
    receiver: mpsc::Receiver<Result<T, Status>>,
    /// Until its end is known.
    task: Option<JoinHandle<()>>,
    ends_with_caller: bool,
}

impl<T> AnswerStream<T> {
    /// The same with a task that ends, wherever it is, when its caller leaves.
    #[must_use]
    pub fn ending_with_caller(mut self) -> Self {
        self.ends_with_caller = true;
        self
    }
}

impl<T> Drop for AnswerStream<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take().filter(|_| self.ends_with_caller) {
            task.abort();
        }
    }
}

impl<T> Stream for AnswerStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(answer) = ready!(self.receiver.poll_recv(context)) {
            return Poll::Ready(Some(answer));
        }
        // The task has dropped its end. Where it did not come to its own end, the answers are not whole.
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(task).poll(context));
        self.task = None;
        Poll::Ready(ended.err().map(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a call ended before its work was done"
            );
            Err(Status::internal("internal error; the log has the details"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn an_error_or_a_panic_is_the_last_answer() {
        let failing = answer(1, |answers| async move {
            answers.send(1).await?;
            answers.send(2).await?;
            Err::<(), _>(Status::not_found("no more"))
        });
        let answers: Vec<_> = failing
            .map(|answer| answer.map_err(|status| status.code()))
            .collect()
            .await;
        assert_eq!(answers, [Ok(1), Ok(2), Err(Code::NotFound)]);
        let panicking = answer(1, |answers| async move {
            answers.send(1).await?;
            assert!(answers.is_unheard(), "a defect");
            Ok::<_, Status>(())
        });
        let answers: Vec<_> = panicking
            .map(|answer| answer.map_err(|status| status.code()))
            .collect()
            .await;
        assert_eq!(answers, [Ok(1), Err(Code::Internal)]);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_is_noticed_and_may_end_the_work() {
        for ends in [false, true] {
            let (said, mut heard) = mpsc::channel(1);
            let mut stream = answer(1, |answers| async move {
                answers.send(1).await?;
                answers.0.closed().await;
                // Work that is finished all the same.
                tokio::task::yield_now().await;
                let _ = said.send(answers.send(2).await).await;
                Ok::<_, Status>(())
            });
            if ends {
                stream = stream.ending_with_caller();
            }
            assert!(stream.next().await.unwrap().is_ok());
            drop(stream);
            assert_eq!(heard.recv().await, (!ends).then_some(Err(CallerGone)));
        }
    }

    #[test]
    fn messages_are_bounded_by_items_and_by_bytes() {
        let lengths = |sizes: &[usize], most| -> Vec<usize> {
            let items = sizes.iter().map(|size| "x".repeat(*size));
            in_messages(items, most).map(|message| message.len()).collect()
        };
        assert!(lengths(&[], 3).is_empty());
        assert_eq!(lengths(&[1; 7], 3), [3, 3, 1]);
        let half = BYTES_PER_MESSAGE / 2;
        assert_eq!(
            lengths(&[half, half, 2 * BYTES_PER_MESSAGE, 1, 1], 9),
            [1, 1, 1, 2]
        );
    }
}
