//! How much memory the bodies of all requests may take together. Without a bound, callers who each keep within theirs could
//! end the process.
//!
//! A body is a text first and JSON values then, and there is room for each of the two: whoever holds a text waits for others
//! who finish without waiting for more, and a caller who sends slowly is in nobody's way but of other texts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bodies up to this size need no room, so that no large one is in their way.
const FREE_BYTES: usize = 64 * 1024;
/// The part of the memory that is for texts is one of so many.
const PARTS: usize = 4;
/// How much memory JSON values are taken for, for each byte of their text. Members of a group and users in a bulk request
/// need 12 to 16 bytes, longer texts less; the most is 90, for objects with one short member.
const VALUES_OF_A_BYTE: usize = 16;
/// The unit of room.
const KIB: usize = 1024;

/// The room that there is for all.
#[derive(Clone)]
pub struct BodyMemory {
    texts: Pool,
    values: Pool,
}

impl BodyMemory {
    /// Room for so many bytes of memory. `wait` is how long a body may wait for each of its parts.
    pub fn new(bytes: usize, wait: Duration) -> Self {
        Self {
            texts: Pool::new(bytes / PARTS, wait),
            values: Pool::new(bytes - bytes / PARTS, wait),
        }
    }

    /// The room of one request, of which nothing is taken yet.
    pub fn for_one(&self) -> BodyRoom {
        BodyRoom {
            memory: self.clone(),
            values: Arc::default(),
        }
    }
}

/// The room that the body of one request has; in the extensions of the request. That of its values is given back when the
/// last clone is dropped: when the request is answered.
#[derive(Clone)]
pub struct BodyRoom {
    memory: BodyMemory,
    values: Arc<Mutex<Option<Held>>>,
}

impl BodyRoom {
    /// Room for the text, of which nothing is taken yet.
    pub fn text(&self) -> Held {
        Held {
            pool: self.memory.texts.clone(),
            permit: None,
        }
    }

    /// Takes room for the values of a text.
    ///
    /// # Errors
    /// [`NoRoom`] if others do not give back enough in time.
    pub async fn take_values(&self, text_bytes: usize) -> Result<(), NoRoom> {
        if text_bytes <= FREE_BYTES {
            return Ok(());
        }
        let pool = self.memory.values.clone();
        let mut held = Held { pool, permit: None };
        held.grow_to(text_bytes.saturating_mul(VALUES_OF_A_BYTE)).await?;
        *self.values.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(())
    }
}

/// There was no room for a body in time.
#[derive(Debug)]
pub struct NoRoom;

#[derive(Clone)]
struct Pool {
    free: Arc<Semaphore>,
    kib: u32,
    wait: Duration,
}

impl Pool {
    fn new(bytes: usize, wait: Duration) -> Self {
        let kib = kib(bytes);
        Self {
            free: Arc::new(Semaphore::new(kib as usize)),
            kib,
            wait,
        }
    }
}

/// Room that is taken, until this is dropped.
pub struct Held {
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes what `bytes` bytes need, as far as it is not taken already. Who needs more than there is for all takes all.
    ///
    /// # Errors
    /// [`NoRoom`] if others do not give back enough in time.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= FREE_BYTES {
            return Ok(());
        }
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = kib(bytes).min(self.pool.kib).saturating_sub(kib(held * KIB));
        if missing == 0 {
            return Ok(());
        }
        let free = self.pool.free.clone().acquire_many_owned(missing);
        let Ok(Ok(more)) = timeout(self.pool.wait, free).await else {
            return Err(NoRoom);
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 2 * FREE_BYTES;

    /// Room for the values of two large texts, and for more than their texts.
    fn for_two() -> BodyMemory {
        BodyMemory::new(3 * LARGE * VALUES_OF_A_BYTE, Duration::ZERO)
    }

    #[tokio::test]
    async fn values_give_their_room_back_with_the_last_clone() {
        let memory = for_two();
        let [first, second, third] = [memory.for_one(), memory.for_one(), memory.for_one()];
        let clone = first.clone();

        assert!(first.take_values(LARGE).await.is_ok());
        assert!(second.take_values(LARGE).await.is_ok());
        assert!(third.take_values(LARGE).await.is_err());
        drop(first);
        assert!(third.take_values(LARGE).await.is_err());
        drop(clone);
        assert!(third.take_values(LARGE).await.is_ok());
    }

    #[tokio::test]
    async fn small_bodies_need_none() {
        let memory = for_two();
        let all = memory.for_one();
        let mut text = all.text();
        assert!(
            text.grow_to(usize::MAX).await.is_ok(),
            "who needs more than there is takes all"
        );
        assert!(all.take_values(usize::MAX).await.is_ok());

        for (bytes, is_good) in [(FREE_BYTES, true), (FREE_BYTES + 1, false)] {
            assert_eq!(memory.for_one().text().grow_to(bytes).await.is_ok(), is_good);
            assert_eq!(memory.for_one().take_values(bytes).await.is_ok(), is_good);
        }
    }

    #[tokio::test]
    async fn texts_do_not_take_the_room_of_values() {
        let memory = for_two();
        let room = memory.for_one();
        let mut text = room.text();

        assert!(text.grow_to(usize::MAX).await.is_ok());

        assert!(room.text().grow_to(LARGE).await.is_err());
        assert!(room.take_values(LARGE).await.is_ok());
    }

    #[tokio::test]
    async fn a_text_that_grows_takes_the_difference_and_gives_all_back() {
        let memory = for_two();
        let mut text = memory.for_one().text();

        for bytes in [LARGE, LARGE, 2 * LARGE, LARGE] {
            assert!(text.grow_to(bytes).await.is_ok());
        }

        let free = || memory.texts.free.available_permits() * KIB;
        let all = memory.texts.kib as usize * KIB;
        assert_eq!(free(), all - 2 * LARGE);
        drop(text);
        assert_eq!(free(), all);
    }
}
