//! Calls of a caller whose server drains after some of its messages, told apart by seeds.

use nopic_chassis::draining::Draining;
use nopic_proto::entry_validation::{EntryLine, ResumeAfter};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

/// Numbers that a seed decides.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to below `bound` (splitmix64).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }

    /// Cuts into pieces of up to so many.
    pub(crate) fn pieces<'a, T>(&mut self, mut all: &'a [T], longest: usize) -> Vec<&'a [T]> {
        let mut pieces = Vec::new();
        while !all.is_empty() {
            let (piece, rest) = all.split_at((1 + self.below(longest)).min(all.len()));
            pieces.push(piece);
            all = rest;
        }
        pieces
    }
}

/// The seeds of a property: `NOPIC_DRAINING_SEED` names one.
pub(crate) fn seeds(short: u64, full: u64) -> Vec<u64> {
    match std::env::var("NOPIC_DRAINING_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) if std::env::var_os("NOPIC_TESTS_FULL").is_some() => (0..full).collect(),
        Err(_) => (0..short).collect(),
    }
}

/// How a caller sends its messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// So many messages are sent when the server begins to drain; more than there are: it never does.
    pub(crate) drain_after: usize,
    /// Whether the answers to a message are awaited before the next one is sent.
    pub(crate) waits: bool,
    /// Whether nothing is sent any more once the server drains.
    pub(crate) falls_silent: bool,
}

/// So many servers drain under one caller; then one serves on.
pub(crate) const MOST_DRAINS: usize = 3;

impl Manner {
    /// Neither drains nor waits.
    pub(crate) const UNDISTURBED: Self = Self {
        drain_after: usize::MAX,
        waits: false,
        falls_silent: false,
    };
}

/// What came of a call.
pub(crate) struct Ended<A> {
    pub(crate) answers: Vec<A>,
    pub(crate) resume_after: Option<ResumeAfter>,
}

/// Sends messages, each with the number of answers that a waiting caller awaits behind it, and reads to the end. `count`
/// says how many answers a message brings, and where the stream is to be resumed.
pub(crate) async fn call<M, A>(
    messages: Vec<(M, usize)>,
    manner: Manner,
    draining: &Draining,
    open: impl AsyncFnOnce(ReceiverStream<M>) -> Result<Response<Streaming<A>>, Status>,
    mut count: impl FnMut(&A) -> (usize, Option<ResumeAfter>) + Send + 'static,
) -> Ended<A>
where
    M: Send + 'static,
    A: Send + 'static,
{
    let (requests, receiver) = mpsc::channel(1);
    let (told, mut telling) = tokio::sync::watch::channel(0);
    let sending = tokio::spawn({
        let draining = draining.clone();
        async move {
            for (index, (message, awaited)) in messages.into_iter().enumerate() {
                if index == manner.drain_after {
                    draining.begin();
                    if manner.falls_silent {
                        // Until the server ends the stream: the requests must not.
                        requests.closed().await;
                        return;
                    }
                }
                // The server may have ended the stream.
                if requests.send(message).await.is_err() {
                    return;
                }
                if manner.waits && telling.wait_for(|told| *told >= awaited).await.is_err() {
                    return;
                }
            }
        }
    });
    let mut stream = open(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let mut ended = Ended {
        answers: Vec::new(),
        resume_after: None,
    };
    while let Some(answer) = stream.message().await.unwrap() {
        assert_eq!(ended.resume_after, None, "nothing comes behind it");
        let (answers, resume_after) = count(&answer);
        told.send_modify(|told| *told += answers);
        ended.resume_after = resume_after;
        ended.answers.push(answer);
    }
    drop((told, stream));
    sending.await.unwrap();
    ended
}

/// Whether an entry ends before this line.
pub(crate) fn is_boundary(lines: &[EntryLine], place: usize) -> bool {
    place == 0 || place == lines.len() || lines[place - 1].entry_number != lines[place].entry_number
}
