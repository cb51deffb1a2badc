//! How many connections a server takes: of all, and of one address. Where there is no room for another, those that have
//! been idle longest make it; so whoever opens connections and says nothing shuts nobody out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
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
/// How often a full server looks for those who are idle. Not when a call ends: it would look at all connections then, as
/// often as calls end.
const LOOK: Duration = Duration::from_millis(100);
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
    /// A [`CALL`] for each that is open, and whether it [`MUST_END`]: one number, so that none with a call is told to.
    state: AtomicUsize,
    has_called: AtomicBool,
    /// Milliseconds after its birth.
    last_call_ended: AtomicU64,
    waker: AtomicWaker,
}

/// The connection must make room for another; a call that begins nevertheless takes that back.
const MUST_END: usize = 1;
/// A call that is open.
const CALL: usize = 2;

impl Default for Usage {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            state: AtomicUsize::new(0),
            has_called: AtomicBool::new(false),
            last_call_ended: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        }
    }
}

impl Usage {
    /// Calls that are open.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state.load(Ordering::Acquire) / CALL
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

    /// Ready while the connection, which has no call, must make room for another. Wakes when that changes.
    pub fn poll_must_end(&self, context: &Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.must_end() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    pub(crate) fn must_end(&self) -> bool {
        self.state.load(Ordering::Acquire) == MUST_END
    }

    /// Tells it to end, unless it has a call by now.
    fn end(&self) -> bool {
        let is_told = self
            .state
            .compare_exchange(0, MUST_END, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if is_told {
            self.waker.wake();
        }
        is_told
    }

    /// Those who never called go first, then those whose last call is over longest; never one with a call, nor one that goes.
    fn rank(&self) -> Option<(bool, Instant)> {
        let is_idle = self.state.load(Ordering::Acquire) == 0;
        is_idle.then(|| (self.has_called(), self.idle_since()))
    }
}

/// A call that is open, until it is dropped.
#[derive(Debug)]
pub struct OpenCall(Arc<Usage>);

impl OpenCall {
    /// One more on this connection.
    #[must_use]
    pub fn begin(usage: &Arc<Usage>) -> Self {
        let before = usage.state.fetch_add(CALL, Ordering::AcqRel);
        if before & MUST_END != 0 {
            // While this call is open nobody tells it anew.
            usage.state.fetch_and(!MUST_END, Ordering::AcqRel);
            usage.waker.wake();
        }
        usage.has_called.store(true, Ordering::Relaxed);
        Self(Arc::clone(usage))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        // A connection does not live for 500 million years.
        let now = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_call_ended.store(now, Ordering::Relaxed);
        self.0.state.fetch_sub(CALL, Ordering::AcqRel);
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
        let permit = self.permit().await?;
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

    /// One of the places, once there is one; the semaphore is never closed.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let mut permit = pin!(Arc::clone(&self.places).acquire_owned());
        loop {
            if self.places.available_permits() <= self.bounds.most / KEPT_FREE {
                let open = lock(&self.open);
                let all = open.addresses.values().flat_map(HashMap::values);
                end_idle(all, self.bounds.most.div_ceil(KEPT_FREE));
            }
            // Where all had calls at that moment, some will be idle at another.
            if let Ok(permit) = tokio::time::timeout(LOOK, permit.as_mut()).await {
                return permit.ok();
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

/// Tells so many of these that they must end, the longest idle, less those that are going already; whether so many go.
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
        going += idle[..more].iter().filter(|(_, usage)| usage.end()).count();
    }
    going >= most
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

    #[tokio::test(start_paused = true)]
    async fn a_full_server_where_all_had_calls_looks_again() {
        let gate = Gate::new(BOUNDS);
        let (mut places, mut calls) = (Vec::new(), Vec::new());
        for last in 0..6 {
            let place = admitted(&gate, last).await;
            calls.push(OpenCall::begin(&place.usage));
            places.push(place);
        }
        let mut next = Box::pin(gate.admit(address(9)));
        assert!(next.as_mut().now_or_never().is_none());
        drop(calls.remove(2));
        tokio::time::advance(LOOK).await;
        assert!(next.as_mut().now_or_never().is_none());
        let going: Vec<_> = places.iter().map(|place| place.usage.must_end()).collect();
        assert_eq!(going, [false, false, true, false, false, false]);
        drop(places.remove(2));
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn whoever_calls_after_all_stays_and_another_makes_room() {
        let gate = Gate::new(BOUNDS);
        let places = [
            admitted(&gate, 1).await,
            admitted(&gate, 1).await,
            admitted(&gate, 1).await,
        ];
        let fourth = admitted(&gate, 1).await;
        let told = places.iter().find(|place| place.usage.must_end());
        let told = &told.expect("one of them makes room").usage;
        let call = OpenCall::begin(told);
        assert!(!told.must_end() && told.calls() == 1);
        let fifth = admitted(&gate, 1).await;
        let rest = || {
            places
                .iter()
                .chain([&fourth])
                .filter(|place| place.usage.must_end())
        };
        assert_eq!(rest().count(), 2, "the one that stays is too many as well");
        // Of six that there would be then three must go, and only two can.
        let calls: Vec<_> = [&fourth.usage, &fifth.usage].map(OpenCall::begin).into();
        let going = rest().count();
        assert!(gate.admit(address(1)).await.is_none());
        assert!(!told.must_end() && rest().count() >= going);
        drop((call, calls));
        assert!(!told.must_end(), "the wish is not kept for later");
    }

    #[test]
    fn a_network_of_64_bits_is_one_caller() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
