//! The room in memory for messages: of all calls together, and of each tenant, so that none takes all of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::SHORT;
use crate::refusal::too_busy;
use crate::tenant_places::TenantPlaces;

/// Kilobytes of messages that are on their way, of all callers and of one tenant.
const ARRIVING: usize = 64 << 10;
const ARRIVING_OF_A_TENANT: usize = 32 << 10;
/// Of their copies, unpacked and where the decoder reads them, likewise.
const COPIES: usize = 64 << 10;
const COPIES_OF_A_TENANT: usize = 24 << 10;
/// Of what is decoded and worked on, likewise. The heaviest message has room among a tenant's.
const WORKING: usize = 128 << 10;
const WORKING_OF_A_TENANT: usize = 64 << 10;
/// How many of a tenant wait until there is room, and how long.
const WAITING: usize = 32;
const WAIT: Duration = Duration::from_secs(10);

/// The room of a process. Clones share it.
///
/// Who has some of what is arriving may wait for copies, and who has some of those for work, never the other way: so
/// whoever works goes on, and those behind follow.
#[derive(Debug, Clone)]
pub struct Room {
    arriving: Pool,
    copies: Pool,
    working: Pool,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            arriving: Pool::new(ARRIVING, ARRIVING_OF_A_TENANT),
            copies: Pool::new(COPIES, COPIES_OF_A_TENANT),
            working: Pool::new(WORKING, WORKING_OF_A_TENANT),
        }
    }
}

/// Kilobytes for all, of which each tenant takes a part at most. Clones share them.
#[derive(Debug, Clone)]
pub struct Pool {
    all: Arc<Semaphore>,
    most: usize,
    tenants: TenantPlaces,
    waiting: TenantPlaces,
}

impl Pool {
    /// So many kilobytes, and so many of them for one tenant.
    #[must_use]
    pub fn new(most: usize, of_a_tenant: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            most,
            tenants: TenantPlaces::new(of_a_tenant),
            waiting: TenantPlaces::new(WAITING),
        }
    }

    /// In kilobytes; what is more than there is at all takes everything.
    fn kilobytes(&self, bytes: usize) -> u32 {
        let kilobytes = bytes.div_ceil(1 << 10).min(self.most).min(self.tenants.most());
        // No pool has so much.
        u32::try_from(kilobytes).unwrap_or(u32::MAX)
    }

    fn take(&self, tenant: &str, bytes: usize) -> Option<Held> {
        let kilobytes = self.kilobytes(bytes);
        let own = self.tenants.take(tenant, kilobytes)?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(kilobytes).ok()?;
        Some(Held { own, all })
    }

    /// Room for so many bytes, in all that is held.
    ///
    /// # Errors
    /// There is none.
    pub fn grow(&self, tenant: &str, held: &mut Option<Held>, bytes: usize) -> Result<(), Status> {
        let has = held.as_ref().map_or(0, Held::bytes);
        if bytes > has {
            let more = self.take(tenant, (bytes - has).max(SHORT)).ok_or_else(full)?;
            match held {
                Some(held) => held.merge(more),
                None => *held = Some(more),
            }
        }
        Ok(())
    }

    /// Room for so many bytes; waits for its turn.
    ///
    /// # Errors
    /// Too many wait already, or it took too long.
    pub async fn turn(&self, tenant: &str, bytes: usize) -> Result<Held, Status> {
        if let Some(held) = self.take(tenant, bytes) {
            return Ok(held);
        }
        let _place = self.waiting.take(tenant, 1).ok_or_else(full)?;
        let held = tokio::time::timeout(WAIT, self.wait(tenant, bytes)).await;
        held.ok().flatten().ok_or_else(full)
    }

    async fn wait(&self, tenant: &str, bytes: usize) -> Option<Held> {
        let kilobytes = self.kilobytes(bytes);
        // They are never closed.
        let own = self.tenants.of(tenant).acquire_many_owned(kilobytes).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(kilobytes).await.ok()?;
        Some(Held { own, all })
    }
}

/// Room that is taken, until it is dropped.
#[derive(Debug)]
pub struct Held {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl Held {
    /// How much it is.
    pub(super) fn bytes(&self) -> usize {
        self.all.num_permits() << 10
    }

    fn merge(&mut self, more: Self) {
        self.own.merge(more.own);
        self.all.merge(more.all);
    }

    /// Gives back what is more than this.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let more = self.all.num_permits().saturating_sub(bytes.div_ceil(1 << 10));
        drop((self.own.split(more), self.all.split(more)));
    }
}

impl Room {
    /// For a message that begins to come.
    ///
    /// # Errors
    /// There is none: nobody waits for it, for the message is with its sender still.
    pub fn arrive(&self, tenant: &str, bytes: usize) -> Result<Held, Status> {
        self.arriving.take(tenant, bytes).ok_or_else(full)
    }

    /// For a message that has come, to be decoded; waits for its turn. In all that is held.
    ///
    /// # Errors
    /// As [`Pool::turn`].
    pub(super) async fn copy(
        &self,
        tenant: &str,
        held: &mut Option<Held>,
        bytes: usize,
    ) -> Result<(), Status> {
        let has = held.as_ref().map_or(0, Held::bytes);
        if bytes > has {
            let more = self.copies.turn(tenant, bytes - has).await?;
            match held {
                Some(held) => held.merge(more),
                None => *held = Some(more),
            }
        }
        Ok(())
    }

    /// For what a message becomes; waits for its turn.
    ///
    /// # Errors
    /// As [`Pool::turn`].
    pub(super) async fn work(&self, tenant: &str, bytes: usize) -> Result<Held, Status> {
        self.working.turn(tenant, bytes).await
    }
}

/// The room that one call has: known once it is known who calls, which is after its body was begun to be put into another
/// form.
#[derive(Debug, Clone, Default)]
pub struct CallRoom(Arc<OnceLock<(Room, String)>>);

impl CallRoom {
    /// It is this one's.
    pub(super) fn is_of(&self, room: &Room, tenant: &str) {
        // Said once for each call.
        let _ = self.0.set((room.clone(), tenant.to_owned()));
    }

    /// Room for so many bytes of the body, in all that is held.
    ///
    /// # Errors
    /// There is none.
    pub fn grow(&self, held: &mut Option<Held>, bytes: usize) -> Result<(), Status> {
        match self.0.get() {
            Some((room, tenant)) => room.arriving.grow(tenant, held, bytes),
            None => Ok(()),
        }
    }

    /// As much room for work as this takes, in all that is held, no more and no less: waits where it is more. What is short
    /// takes none.
    ///
    /// # Errors
    /// As [`Pool::turn`].
    pub async fn work_on(&self, held: &mut Option<Held>, bytes: usize) -> Result<(), Status> {
        if bytes <= SHORT {
            *held = None;
            return Ok(());
        }
        match (self.0.get(), held) {
            (None, _) => {}
            (Some(_), Some(held)) if bytes <= held.bytes() => held.shrink_to(bytes),
            (Some((room, tenant)), Some(held)) => {
                held.merge(room.work(tenant, bytes - held.bytes()).await?);
            }
            (Some((room, tenant)), held) => *held = Some(room.work(tenant, bytes).await?),
        }
        Ok(())
    }

    /// Room for what is made of a body, once there is some.
    ///
    /// # Errors
    /// As [`Pool::turn`].
    pub async fn work(&self, bytes: usize) -> Result<Option<Held>, Status> {
        match self.0.get() {
            Some((room, tenant)) => room.work(tenant, bytes).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Too much is there.
fn full() -> Status {
    too_busy(
        "too many long messages or documents are under way at this server: send shorter ones, or try again in a second",
    )
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    const LONGEST: usize = 16 << 20;

    #[test]
    fn no_tenant_takes_the_room_of_all() {
        let room = Room::default();
        let held: Vec<_> = (0..10).map_while(|_| room.arrive("a", LONGEST).ok()).collect();
        assert_eq!(held.len(), 2);
        let others: Vec<_> = (0..10)
            .map_while(|number| room.arrive(&number.to_string(), LONGEST).ok())
            .collect();
        assert_eq!(others.len(), 2);
        drop(held);
        assert!(room.arrive("b", LONGEST).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_room_that_others_leave_and_not_for_ever() {
        let room = Room::default();
        let mut all = room.work("a", WORKING_OF_A_TENANT << 10).await.unwrap();
        // Another is not held up; the same tenant waits, and is told when it was too long.
        assert!(room.work("b", LONGEST).await.is_ok());
        let refused = room.work("a", LONGEST).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.get_details_retry_info().is_some());
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.work("a", LONGEST).await.is_ok() }
        });
        tokio::task::yield_now().await;
        all.shrink_to(LONGEST);
        assert!(waiting.await.unwrap());
        drop(all);
        assert_eq!(room.working.all.available_permits(), WORKING);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_wait() {
        let room = Room::default();
        let _all = room.work("a", WORKING_OF_A_TENANT << 10).await.unwrap();
        let waiting = (0..=WAITING).map(|_| room.work("a", LONGEST));
        let began = tokio::time::Instant::now();
        let mut waiting: futures::stream::FuturesUnordered<_> = waiting.collect();
        let first = futures::StreamExt::next(&mut waiting).await.unwrap();
        assert!(first.is_err() && began.elapsed() < Duration::from_secs(1));
    }
}
