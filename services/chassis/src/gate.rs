//! How many connections a server takes: of all, and of one address. Where there is no room for another, those that have
//! been idle longest make it; so whoever opens connections and says nothing shuts nobody out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::draining::Draining;

/// Of so many places one is kept free, by those who are idle.
const KEPT_FREE: usize = 64;
/// How long a server waits for those who go to have gone.
const LINGER: Duration = Duration::from_secs(2);

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// In all.
    pub most: usize,
    /// Of one address; of IPv6 of one network of 64 bits, which one caller has.
    pub of_an_address: usize,
}

/// What a connection is used for.
#[derive(Debug)]
pub struct Usage {
    born: Instant,
    calls: AtomicUsize,
    has_called: AtomicBool,
    /// Milliseconds after its birth.
    last_call_ended: AtomicU64,
    must_end: AtomicBool,
    waker: AtomicWaker,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            calls: AtomicUsize::new(0),
            has_called: AtomicBool::new(false),
            last_call_ended: AtomicU64::new(0),
            must_end: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }
}

impl Usage {
    /// Calls that are open.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    /// Whether there ever was one.
    #[must_use]
    pub fn has_called(&self) -> bool {
        self.has_called.load(Ordering::Relaxed)
    }

    /// Since when there is none.
    #[must_use]
    pub fn idle_since(&self) -> Instant {
        self.born + Duration::from_millis(self.last_call_ended.load(Ordering::Relaxed))
    }

    /// Ready once the connection must make room for another.
    pub fn poll_must_end(&self, context: &Context<'_>) -> Poll<()> {
        if self.must_end.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.waker.register(context.waker());
        // It may have been told in between.
        if self.must_end.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    pub(crate) fn must_end(&self) -> bool {
        self.must_end.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.must_end.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Those who never called go first, then those whose last call is over longest; never one with a call.
    fn rank(&self) -> Option<(bool, Instant)> {
        (self.calls() == 0 && !self.must_end()).then(|| (self.has_called(), self.idle_since()))
    }
}

/// A call that is open, until it is dropped.
#[derive(Debug)]
pub struct OpenCall(Arc<Usage>);

impl OpenCall {
    /// One more on this connection.
    #[must_use]
    pub fn begin(usage: &Arc<Usage>) -> Self {
        usage.calls.fetch_add(1, Ordering::AcqRel);
        usage.has_called.store(true, Ordering::Relaxed);
        Self(Arc::clone(usage))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        // A connection does not live for 500 million years.
        let now = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_call_ended.store(now, Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The open connections of an address.
type OfAnAddress = HashMap<u64, Arc<Usage>>;

/// How many connections a server takes, and whether it still takes any. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    bounds: ConnectionBounds,
    places: Arc<Semaphore>,
    open: Arc<Mutex<Open>>,
    pub(crate) closing: Draining,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    addresses: HashMap<IpAddr, OfAnAddress>,
}

/// A place among the connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    address: IpAddr,
    pub(crate) usage: Arc<Usage>,
    open: Arc<Mutex<Open>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(connections) = open.addresses.get_mut(&self.address) {
            connections.remove(&self.number);
            if connections.is_empty() {
                open.addresses.remove(&self.address);
            }
        }
    }
}

/// A panic elsewhere leaves a table that is whole.
fn lock(open: &Mutex<Open>) -> std::sync::MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// Open, for so many connections at a time.
    #[must_use]
    pub fn new(bounds: ConnectionBounds) -> Self {
        Self {
            bounds,
            places: Arc::new(Semaphore::new(bounds.most)),
            open: Arc::default(),
            closing: Draining::default(),
        }
    }

    /// Lets nobody in any more who has not begun to show a certificate.
    pub fn close(&self) {
        self.closing.begin();
    }

    /// Ends when all connections are over, and all that was said on them has been heard.
    pub async fn all_over(&self) {
        let most = u32::try_from(self.bounds.most).unwrap_or(u32::MAX);
        // A place is free when its connection is over. The semaphore is never closed.
        let _ = tokio::time::timeout(LINGER, self.places.acquire_many(most)).await;
    }

    /// A place for a connection from there, once there is one; `None`: it has too many, and each of them has a call.
    pub(crate) async fn admit(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        {
            let open = lock(&self.open);
            if let Some(connections) = open.addresses.get(&address)
                && connections.len() >= self.bounds.of_an_address
                && !end_idle(
                    connections.values(),
                    connections.len() + 1 - self.bounds.of_an_address,
                )
            {
                return None;
            }
        }
        if self.places.available_permits() <= self.bounds.most / KEPT_FREE {
            let open = lock(&self.open);
            let all = open.addresses.values().flat_map(HashMap::values);
            end_idle(all, self.bounds.most.div_ceil(KEPT_FREE));
        }
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let usage = Arc::<Usage>::default();
        let mut open = lock(&self.open);
        open.last += 1;
        let number = open.last;
        let connections = open.addresses.entry(address).or_default();
        connections.insert(number, Arc::clone(&usage));
        Some(Place {
            number,
            address,
            usage,
            open: Arc::clone(&self.open),
            _permit: permit,
        })
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

/// Tells so many of these that they must end, the longest idle; whether there were any, or some are going already.
fn end_idle<'c>(connections: impl Iterator<Item = &'c Arc<Usage>>, most: usize) -> bool {
    let mut going = 0;
    let mut idle: Vec<_> = connections
        .filter(|usage| {
            going += usize::from(usage.must_end());
            true
        })
        .filter_map(|usage| Some((usage.rank()?, usage)))
        .collect();
    let more = most.saturating_sub(going).min(idle.len());
    if more > 0 {
        idle.select_nth_unstable_by_key(more - 1, |(rank, _)| *rank);
        for (_, usage) in &idle[..more] {
            usage.end();
        }
    }
    going + more > 0
}

/// What one caller has: an address, or a network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const BOUNDS: ConnectionBounds = ConnectionBounds {
        most: 6,
        of_an_address: 3,
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn admitted(gate: &Gate, last: u8) -> Place {
        gate.admit(address(last)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_called_makes_room_first_and_whoever_calls_never() {
        let gate = Gate::new(BOUNDS);
        let (first, second, third) = (
            admitted(&gate, 1).await,
            admitted(&gate, 1).await,
            admitted(&gate, 1).await,
        );
        drop(OpenCall::begin(&first.usage));
        let open = OpenCall::begin(&second.usage);
        // The same address once more: the one that never called must go.
        let fourth = admitted(&gate, 1).await;
        assert!(!first.usage.must_end() && !second.usage.must_end() && third.usage.must_end());
        drop(third);
        tokio::time::advance(Duration::from_secs(1)).await;
        let calls = [OpenCall::begin(&fourth.usage), OpenCall::begin(&first.usage)];
        assert!(gate.admit(address(1)).await.is_none(), "all of them call");
        drop(calls);
        drop(admitted(&gate, 1).await);
        assert!(first.usage.must_end() != fourth.usage.must_end());
        assert!(!second.usage.must_end());
        drop(open);
    }

    #[tokio::test]
    async fn a_full_server_makes_room_for_whoever_comes() {
        let gate = Gate::new(BOUNDS);
        let mut places = Vec::new();
        for last in 0..6 {
            places.push(admitted(&gate, last).await);
        }
        assert_eq!(gate.free(), 0);
        let mut next = Box::pin(gate.admit(address(9)));
        assert!(next.as_mut().now_or_never().is_none());
        let going = places.iter().position(|place| place.usage.must_end());
        drop(places.swap_remove(going.expect("one of them goes")));
        assert!(next.await.is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
