//! How much a tenant may ask a second: calls when they come, and kilobytes as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use nopic_cache::Limiter;
use nopic_cache::limiter::{Account, Taken};
use nopic_chassis::metrics::{Count, Metrics};
use nopic_chassis::refusal::over_limit;
use nopic_domain::principal::Principal;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::Layer;

use crate::answer::Answer;
use crate::limits::{Limit, Limits};
use crate::received::Received;
use crate::{Request, Response, json};

/// Charges calls and bytes to their tenants.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    limiter: Limiter,
    limits: Limits,
    refused: Arc<Count>,
}

impl Charge {
    /// To these accounts.
    pub(crate) fn new(limiter: Limiter, limits: Limits, metrics: &Metrics) -> Self {
        let refused = Arc::<Count>::default();
        let read = Arc::clone(&refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "gateway_calls_over_rate",
                "Calls that were refused because their tenants had made too many",
                &[(&[], read.get())],
            )
        });
        Self {
            limiter,
            limits,
            refused,
        }
    }
}

impl<S> Layer<S> for Charge {
    type Service = Charged<S>;

    fn layer(&self, inner: S) -> Charged<S> {
        Charged {
            inner,
            charge: self.clone(),
        }
    }
}

/// Calls behind [`Charge`].
#[derive(Debug)]
pub(crate) struct Charged<S> {
    inner: S,
    charge: Charge,
}

impl<S: Answer> Answer for Charged<S> {
    async fn answer(&self, request: Request) -> Response {
        // Without a caller it is a call that is open to everybody.
        let caller = request.extensions().get::<Principal>();
        let Some(tenant) = caller.map(|caller| caller.tenant.clone()) else {
            return self.inner.answer(request).await;
        };
        let account = Account::new(Limit::Requests.name(), &tenant);
        let rate = self.charge.limits.requests;
        if let Taken::Refused { retry_after } = self.charge.limiter.take(&account, rate, 1).await {
            self.charge.refused.add();
            let bound = format_args!("{} a second, {} at once", rate.per_second(), rate.burst());
            return over_limit(Limit::Requests.name(), &tenant, bound, retry_after).into_http();
        }
        let waits = json::sends_a_stream(request.uri().path());
        let received = request
            .extensions()
            .get::<Received>()
            .cloned()
            .unwrap_or_default();
        let request = request.map(|body| {
            if http_body::Body::is_end_stream(&body) {
                return body;
            }
            Body::new(Metered {
                body,
                charge: self.charge.clone(),
                account: Account::new(Limit::Kilobytes.name(), &tenant),
                received,
                waits,
                uncharged: 0,
                waiting: None,
                ready: None,
            })
        });
        self.inner.answer(request).await
    }
}

/// What is charged at once: a round of the limiter for each of it.
const CHARGED: usize = 64 << 10;
/// The longest that a body waits for its tenant's next bytes before it looks again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A request's body whose bytes are charged as they come. Where there are too many it waits, so that the sender does.
struct Metered {
    body: Body,
    charge: Charge,
    account: Account,
    received: Received,
    /// Whether it waits for room: a stream does, a single message is refused.
    waits: bool,
    uncharged: usize,
    waiting: Option<Waiting>,
    /// What is handed on when that which came with it is charged.
    ready: Option<Next>,
}

/// What comes of a body: a piece, or its end.
type Next = Option<Result<Frame<Bytes>, Status>>;

enum Waiting {
    /// For the limiter's answer.
    Answer(BoxFuture<'static, Taken>),
    /// Until there is room again.
    Room(Pin<Box<Sleep>>),
}

impl Metered {
    /// Charges what has come, to the next whole kilobyte.
    fn take(&self) -> impl Future<Output = Taken> + Send + use<> {
        let kilobytes = u32::try_from(self.uncharged.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let (charge, account) = (self.charge.clone(), self.account.clone());
        async move {
            let rate = charge.limits.kilobytes;
            charge.limiter.take(&account, rate, kilobytes).await
        }
    }

    fn over(&self, retry_after: Duration) -> Status {
        self.charge.refused.add();
        let rate = self.charge.limits.kilobytes;
        let bound = format_args!(
            "{} kilobytes a second, {} at once",
            rate.per_second(),
            rate.burst()
        );
        over_limit(Limit::Kilobytes.name(), self.account.tenant(), bound, retry_after)
    }

    /// Waits until what has come is charged.
    ///
    /// # Errors
    /// There is no room for it, and it does not wait.
    fn poll_charged(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        loop {
            self.waiting = match &mut self.waiting {
                None => return Poll::Ready(Ok(())),
                Some(Waiting::Answer(answer)) => match ready!(answer.as_mut().poll(context)) {
                    Taken::Allowed { .. } => {
                        self.uncharged = 0;
                        None
                    }
                    Taken::Refused { retry_after } if !self.waits => {
                        self.uncharged = 0;
                        self.waiting = None;
                        return Poll::Ready(Err(self.over(retry_after)));
                    }
                    Taken::Refused { retry_after } => {
                        Some(Waiting::Room(Box::pin(sleep(retry_after.min(LONGEST_WAIT)))))
                    }
                },
                Some(Waiting::Room(until)) => {
                    ready!(until.as_mut().poll(context));
                    Some(Waiting::Answer(Box::pin(self.take())))
                }
            };
        }
    }
}

/// What is left of a body that nobody read to its end is charged, too, as far as there is room for it.
impl Drop for Metered {
    fn drop(&mut self) {
        self.uncharged += self.received.take();
        if self.uncharged > 0 {
            let _ = self.take().now_or_never();
        }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ready.is_none() {
            let next = ready!(Pin::new(&mut this.body).poll_frame(context));
            let data = match &next {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                None | Some(Err(_)) => 0,
            };
            // What was put into another form came before: all of it, where it was one message. It may be that nothing comes
            // of it here but that it is wrong.
            let received = this.received.take();
            this.uncharged += data.max(received);
            let is_last = match &next {
                Some(Ok(_)) => (received > 0 && !this.waits) || this.body.is_end_stream(),
                None | Some(Err(_)) => true,
            };
            if this.uncharged == 0 || (this.uncharged < CHARGED && !is_last) {
                return Poll::Ready(next);
            }
            this.ready = Some(next);
            this.waiting = Some(Waiting::Answer(Box::pin(this.take())));
        }
        if let Err(status) = ready!(this.poll_charged(context)) {
            this.ready = None;
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Ready(this.ready.take().flatten())
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && self.uncharged == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.ready {
            None => self.body.size_hint(),
            // As long as it was.
            Some(_) => SizeHint::default(),
        }
    }
}
