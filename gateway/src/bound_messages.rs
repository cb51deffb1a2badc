//! What a call may send at once, by the bounds that every server of the house has.

use futures::FutureExt as _;
use nopic_chassis::messages;
use tower::Layer;

use crate::answer::Answer;
use crate::{Request, Response};

/// Bounds the messages of calls.
#[derive(Debug, Clone)]
pub(crate) struct BoundMessages(pub(crate) messages::BoundMessages);

impl<S> Layer<S> for BoundMessages {
    type Service = MessagesBounded<S>;

    fn layer(&self, inner: S) -> MessagesBounded<S> {
        MessagesBounded {
            inner,
            messages: self.0.clone(),
        }
    }
}

/// Calls behind [`BoundMessages`].
#[derive(Debug)]
pub(crate) struct MessagesBounded<S> {
    inner: S,
    messages: messages::BoundMessages,
}

impl<S: Answer> Answer for MessagesBounded<S> {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send {
        let (request, bounded) = self.messages.bound(request);
        self.inner.answer(request).map(|response| match bounded {
            Some(bounded) => bounded.answered(response),
            None => response,
        })
    }
}
