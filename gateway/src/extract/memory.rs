//! How much memory the bodies of all requests may take together. Without a bound, callers who each keep within theirs could
//! end the process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bodies up to this size need no room, so that no large one is in their way.
const FREE_BYTES: usize = 64 * 1024;
/// How much memory a byte of a body is taken for. Members of a group and users in a bulk request need 12 to 16 bytes as JSON
/// values, longer texts less; the most is 90, for objects with one short member.
const BYTES_IN_MEMORY: usize = 16;
/// The unit of room.
const KIB: usize = 1024;

/// The room that there is for all.
#[derive(Clone)]
pub struct BodyMemory {
    free: Arc<Semaphore>,
    kib: u32,
    wait: Duration,
}

impl BodyMemory {
    /// Room for so many bytes of memory. `wait` is how long a body may wait for its part, and again whenever it outgrows it.
    pub fn new(bytes: usize, wait: Duration) -> Self {
        let kib = kib(bytes);
        Self {
            free: Arc::new(Semaphore::new(kib as usize)),
            kib,
            wait,
        }
    }

    /// The part of one request, of which nothing is taken yet.
    pub fn part(&self) -> BodyRoom {
        BodyRoom {
            memory: self.clone(),
            taken: Arc::default(),
        }
    }
}

/// The room that the body of one request has; in the extensions of the request. It is given back when the last clone is
/// dropped: when the request is answered.
#[derive(Clone)]
pub struct BodyRoom {
    memory: BodyMemory,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

/// There was no room for a body in time.
#[derive(Debug)]
pub struct NoRoom;

impl BodyRoom {
    /// Takes what a body of `bytes` bytes needs, as far as it is not taken already. A body that needs more than there is
    /// for all takes all.
    ///
    /// # Errors
    /// [`NoRoom`] if others do not give back enough in time.
    pub async fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= FREE_BYTES {
            return Ok(());
        }
        let needed = kib(bytes.saturating_mul(BYTES_IN_MEMORY)).min(self.memory.kib);
        let missing = needed.saturating_sub(self.taken_kib());
        if missing == 0 {
            return Ok(());
        }
        let free = self.memory.free.clone().acquire_many_owned(missing);
        let Ok(Ok(more)) = timeout(self.memory.wait, free).await else {
            return Err(NoRoom);
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.as_mut() {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }

    fn taken_kib(&self) -> u32 {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken
            .as_ref()
            .map_or(0, |taken| u32::try_from(taken.num_permits()).unwrap_or(u32::MAX))
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 2 * FREE_BYTES;

    fn room_for_two() -> BodyMemory {
        BodyMemory::new(2 * LARGE * BYTES_IN_MEMORY, Duration::ZERO)
    }

    #[tokio::test]
    async fn what_is_taken_is_given_back_with_the_last_clone() {
        let memory = room_for_two();
        let (first, second, third) = (memory.part(), memory.part(), memory.part());
        let clone = first.clone();

        assert!(first.take(LARGE).await.is_ok());
        assert!(second.take(LARGE).await.is_ok());
        assert!(third.take(LARGE).await.is_err());
        drop(first);
        assert!(third.take(LARGE).await.is_err());
        drop(clone);
        assert!(third.take(LARGE).await.is_ok());
    }

    #[tokio::test]
    async fn small_bodies_need_none() {
        let memory = room_for_two();
        let all = memory.part();
        assert!(
            all.take(usize::MAX).await.is_ok(),
            "what needs more than there is takes all"
        );

        assert!(memory.part().take(FREE_BYTES).await.is_ok());
        assert!(memory.part().take(FREE_BYTES + 1).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_grows_takes_the_difference() {
        let memory = room_for_two();
        let part = memory.part();

        for bytes in [LARGE, LARGE, 2 * LARGE, LARGE] {
            assert!(part.take(bytes).await.is_ok());
        }

        assert_eq!(part.taken_kib(), memory.kib);
        drop(part);
        assert_eq!(memory.free.available_permits(), memory.kib as usize);
    }
}
