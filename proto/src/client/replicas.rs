//! The replicas of a directory that answer. A call goes to the less busy of two that are drawn; one whose connection
//! fails is drawn no more until a new connection to it stands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::transport::Channel;

use super::connector::Connector;
use super::resolve::Resolve;
use super::target::MOST_ADDRESSES;
use crate::trace::chain;

/// How often the addresses are asked for while all goes well.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(10);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// However much calls want a replica, names are not looked up more often.
const SHORTEST_RESOLVE_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before an address that did not answer is tried again; it doubles. Shorter than any call's patience.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// However many calls fail, nobody is tried more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// One replica with its connection.
#[derive(Debug)]
pub(super) struct Replica<S> {
    pub(super) address: Arc<str>,
    channel: S,
    in_flight: AtomicUsize,
    /// A call failed here, and no new connection was made since.
    suspect: AtomicBool,
}

impl<S> Replica<S> {
    fn new(address: Arc<str>, channel: S) -> Arc<Self> {
        Arc::new(Self {
            address,
            channel,
            in_flight: AtomicUsize::new(0),
            suspect: AtomicBool::new(false),
        })
    }
}

/// A replica that was drawn for a call, which counts as in flight until this is dropped.
pub(super) struct Drawn<S> {
    pub(super) replica: Arc<Replica<S>>,
}

impl<S: Clone> Drawn<S> {
    fn of(replica: Arc<Replica<S>>) -> Self {
        replica.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { replica }
    }

    pub(super) fn channel(&self) -> S {
        self.replica.channel.clone()
    }
}

impl<S> Drop for Drawn<S> {
    fn drop(&mut self) {
        self.replica.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

type Set<S> = Arc<[Arc<Replica<S>>]>;

/// The replicas that answer now.
#[derive(Debug)]
pub(super) struct Replicas<S = Channel> {
    set: watch::Sender<Set<S>>,
    /// Wakes the keeper before its time.
    wanted: Notify,
    /// Why addresses do not answer.
    failures: Mutex<BTreeMap<Arc<str>, String>>,
}

impl<S: Clone> Replicas<S> {
    pub(super) fn none() -> Self {
        Self {
            set: watch::Sender::new(Arc::new([])),
            wanted: Notify::new(),
            failures: Mutex::default(),
        }
    }

    /// How many replicas calls can go to.
    pub(super) fn count(&self) -> usize {
        let set = self.set.borrow();
        set.iter()
            .filter(|replica| !replica.suspect.load(Ordering::Relaxed))
            .count()
    }

    /// Draws a replica, if possible not the one at `not_at`. Waits for one if there is none, until then at the latest.
    pub(super) async fn draw(&self, not_at: Option<&str>, until: Instant) -> Option<Drawn<S>> {
        let mut changes = self.set.subscribe();
        loop {
            let set = changes.borrow_and_update().clone();
            if let Some(replica) = choose(&set, not_at) {
                return Some(Drawn::of(replica));
            }
            self.wanted.notify_one();
            timeout_at(until, changes.changed()).await.ok()?.ok()?;
        }
    }

    /// Calls failed at this replica: others are preferred until a new connection to it stands.
    pub(super) fn suspect(&self, replica: &Replica<S>) {
        replica.suspect.store(true, Ordering::Relaxed);
        self.wanted.notify_one();
    }

    /// Why nobody answers, if anything is known about it.
    pub(super) fn failure(&self) -> Option<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .iter()
            .next()
            .map(|(address, failure)| format!("{address}: {failure}"))
    }

    fn forget(&self, gone: impl Fn(&Arc<str>) -> bool) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|address, _| !gone(address));
    }

    /// Notes how an attempt at an address went. Says so once, not at each of them.
    fn note(&self, address: &Arc<str>, failure: Option<String>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match (failures.get(address), failure) {
            (None, Some(failure)) => {
                tracing::warn!(failure, %address, "a directory does not answer");
                failures.insert(address.clone(), failure);
            }
            (Some(_), Some(failure)) => {
                failures.insert(address.clone(), failure);
            }
            (Some(_), None) => {
                tracing::info!(%address, "a directory answers again");
                failures.remove(address);
            }
            (None, None) => {}
        }
    }

    fn insert(&self, replica: Arc<Replica<S>>) {
        self.set.send_modify(|set| {
            let others = set.iter().filter(|other| other.address != replica.address).cloned();
            *set = others.chain([replica.clone()]).collect();
        });
    }

    fn remove(&self, gone: impl Fn(&Replica<S>) -> bool) {
        self.set.send_if_modified(|set| {
            let left: Set<S> = set.iter().filter(|replica| !gone(replica)).cloned().collect();
            let changed = left.len() != set.len();
            *set = left;
            changed
        });
    }

    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.wanted.notify_one();
    }

    #[cfg(test)]
    pub(super) fn addresses(&self) -> Vec<Arc<str>> {
        self.set
            .borrow()
            .iter()
            .map(|replica| replica.address.clone())
            .collect()
    }

    #[cfg(test)]
    pub(super) fn of(channels: impl IntoIterator<Item = (&'static str, S)>) -> Self {
        let replicas = Self::none();
        for (address, channel) in channels {
            replicas.insert(Replica::new(address.into(), channel));
        }
        replicas
    }
}

/// The less busy of two that are drawn at random among those that nothing is known against; else any.
fn choose<S>(set: &[Arc<Replica<S>>], not_at: Option<&str>) -> Option<Arc<Replica<S>>> {
    let is_elsewhere = |replica: &&Arc<Replica<S>>| not_at.is_none_or(|address| *replica.address != *address);
    let is_trusted = |replica: &&Arc<Replica<S>>| !replica.suspect.load(Ordering::Relaxed);
    let best: Vec<_> = set.iter().filter(is_elsewhere).filter(is_trusted).collect();
    let good: Vec<_> = if best.is_empty() {
        set.iter().filter(is_trusted).collect()
    } else {
        best
    };
    let candidates: Vec<_> = if good.is_empty() { set.iter().collect() } else { good };
    let busy = |replica: &Arc<Replica<S>>| replica.in_flight.load(Ordering::Relaxed);
    match candidates.as_slice() {
        [] => None,
        [only] => Some(Arc::clone(only)),
        several => {
            let first = rand::random_range(0..several.len());
            let second = (first + rand::random_range(1..several.len())) % several.len();
            let (first, second) = (several[first], several[second]);
            Some(Arc::clone(if busy(second) < busy(first) { second } else { first }))
        }
    }
}

impl Replicas {
    /// Keeps the set: asks for addresses, connects to those that are new or suspect, and leaves out those that do not
    /// answer or are gone. Never ends.
    pub(super) async fn keep(&self, resolver: &dyn Resolve, connector: &Connector) {
        let mut known = Known::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            known.look(resolver).await;
            self.remove(|replica| !known.addresses.contains(&replica.address));
            self.forget(|address| !known.addresses.contains(address));
            let all_answer = self.connect(&known.addresses, connector).await && !known.addresses.is_empty();
            let interval = if all_answer { RESOLVE_INTERVAL } else { pause };
            pause = if all_answer {
                FIRST_PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
            let next = Instant::now() + interval.mul_f64(rand::random_range(0.9..1.1));
            // Whoever waits for a replica need not wait for the pause, but many who wait make no storm.
            let _ = timeout_at(next, self.wanted.notified()).await;
            sleep(SHORTEST_PAUSE.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Connects to the addresses that have no connection or a suspect one. Says whether all answer.
    async fn connect(&self, addresses: &[Arc<str>], connector: &Connector) -> bool {
        let set = self.set.borrow().clone();
        let stands = |address: &Arc<str>| {
            set.iter()
                .any(|replica| replica.address == *address && !replica.suspect.load(Ordering::Relaxed))
        };
        let missing = addresses.iter().filter(|address| !stands(address));
        let mut attempts: FuturesUnordered<_> = missing
            .map(|address| async move { (address, connector.connect(address).await) })
            .collect();
        let mut all = true;
        while let Some((address, attempt)) = attempts.next().await {
            match attempt {
                Ok(channel) => {
                    self.note(address, None);
                    self.insert(Replica::new(address.clone(), channel));
                }
                Err(error) => {
                    all = false;
                    self.note(address, Some(chain(&*error)));
                    self.remove(|replica| replica.address == *address);
                }
            }
        }
        all
    }
}

/// The addresses that were told last.
#[derive(Default)]
struct Known {
    addresses: Vec<Arc<str>>,
    asked: Option<Instant>,
    /// Whether the last question had no answer, which was said.
    is_in_doubt: bool,
}

impl Known {
    /// Asks for the addresses, if it is time. Without an answer those that were known are kept.
    async fn look(&mut self, resolver: &dyn Resolve) {
        if self
            .asked
            .is_some_and(|asked| asked.elapsed() < SHORTEST_RESOLVE_INTERVAL)
        {
            return;
        }
        let answer = timeout(RESOLVE_TIMEOUT, resolver.resolve()).await;
        self.asked = Some(Instant::now());
        let failure = match answer {
            Ok(Ok(mut found)) if !found.is_empty() => {
                found.sort();
                found.dedup();
                found.truncate(MOST_ADDRESSES);
                self.addresses = found;
                self.is_in_doubt = false;
                return;
            }
            Ok(Ok(_)) => "it has no address".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if !std::mem::replace(&mut self.is_in_doubt, true) {
            tracing::warn!(
                failure,
                "the directory's name cannot be looked up now; addresses that were known are kept"
            );
        }
    }
}
