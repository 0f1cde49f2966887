//! The issuer's keys as they are known, and the one task that fetches them.
//!
//! ```text
//! caller: kid known -> key
//!         unseen    -> asks for a fetch, at most FETCHES_MAX in WINDOW_MS over all callers, and
//!                      waits with everybody else for the same one
//! keeper: fetches at the start, every REFRESH, when asked, and after a failure with back-off
//! ```
//!
//! Invariants: one fetch at a time. Known keys stay while the issuer is away. A kid is unknown
//! (the caller's fault) only where a fetch that began after the token came lacks it; until then it
//! is not checkable (nobody's fault, try again), so a rotation refuses no valid token. Kids that
//! were looked for in vain are remembered for a while, [`ABSENT_MAX`] at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::error::{Error, Quoted};
use super::fetch::{FETCH_TIMEOUT, Source};
use super::jwks::{self, Found, Key};
use crate::backoff::Backoff;
use crate::clock::Clock;

/// Keys are fetched again after this time: so long a key that was withdrawn may live on.
const REFRESH: Duration = Duration::from_secs(600);
/// After a failed fetch the next comes after this time, doubling.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// And at the latest after this.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Fetches that callers may cause within [`WINDOW_MS`]; two, so that a rotation right after
/// another is seen at once.
const FETCHES_MAX: usize = 2;
/// See [`FETCHES_MAX`].
const WINDOW_MS: i64 = 30_000;
/// Kids remembered to be absent; each holds at most 256 bytes.
const ABSENT_MAX: usize = 1024;
/// How long a kid counts as absent without another fetch.
const ABSENT_MS: i64 = 30_000;
/// A caller waits a little longer than a fetch can take.
const WAIT_MAX: Duration = FETCH_TIMEOUT.saturating_add(Duration::from_secs(1));

/// One fetched set. Never changed, only replaced.
#[derive(Debug, Default)]
struct Set {
    /// Number of the fetch that brought it; 0 before the first.
    fetch: u64,
    /// Grows only when the keys differ from those before.
    generation: u64,
    keys: jwks::Keys,
}

/// The last fetch that is over.
#[derive(Debug, Clone, Default)]
struct Ended {
    fetch: u64,
    failure: Option<Arc<str>>,
}

/// What callers and keeper agree on.
#[derive(Debug, Default)]
struct Gate {
    /// Number of the last fetch that began; one is on its way while it is above `ended`.
    begun: u64,
    ended: u64,
    /// A caller wants a fetch that has not begun.
    asked: bool,
    /// When callers asked, at most [`FETCHES_MAX`] of them.
    asked_ms: Vec<i64>,
    /// Kids that were not found, with the time.
    absent: HashMap<String, i64>,
}

/// The keys. Shared between callers and keeper.
#[derive(Debug)]
pub(super) struct KeyStore {
    set: ArcSwap<Set>,
    gate: Mutex<Gate>,
    wanted: Notify,
    ended: watch::Sender<Ended>,
    clock: Arc<dyn Clock>,
}

impl KeyStore {
    pub(super) fn new(clock: Arc<dyn Clock>) -> KeyStore {
        KeyStore {
            set: ArcSwap::default(),
            gate: Mutex::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(Ended::default()),
            clock,
        }
    }

    /// Which keys are known; another number means that some have come or gone.
    pub(super) fn generation(&self) -> u64 {
        self.set.load().generation
    }

    /// Whether this very key is still known.
    pub(super) fn contains(&self, kid: &str, key: &Key) -> bool {
        let set = self.set.load();
        set.keys
            .get(kid)
            .is_some_and(|known| known.fingerprint == key.fingerprint)
    }

    /// The key of this name, after asking the issuer where that may help. Cancel safe.
    pub(super) async fn find(&self, kid: &str) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.set.load().keys.get(kid) {
            return Ok(key.clone());
        }
        // Fetches above this number began after the token came.
        let came_at = self.gate.lock().begun;
        loop {
            let awaited = self.ask(kid)?;
            let failure = self.over(awaited).await;
            let set = self.set.load_full();
            if let Some(key) = set.keys.get(kid) {
                return Ok(key.clone());
            }
            if set.fetch > came_at {
                self.remember_absent(kid);
                return Err(unknown(kid));
            }
            if let Some(why) = failure {
                return Err(self.unavailable(why));
            }
        }
    }

    /// The number of the fetch to wait for; begins one where that is allowed.
    fn ask(&self, kid: &str) -> Result<u64, Error> {
        let now_ms = self.clock.now_ms();
        let mut gate = self.gate.lock();
        let absent_ms = gate.absent.get(kid).map(|since_ms| now_ms - since_ms);
        if absent_ms.is_some_and(|ms| (0..ABSENT_MS).contains(&ms)) {
            return Err(unknown(kid));
        }
        // On its way, or the first one, which is due without being asked for.
        if gate.begun > gate.ended || gate.begun == 0 {
            return Ok(gate.begun.max(1));
        }
        if !gate.asked {
            if let Some(wait_ms) = gate.wait_ms(now_ms) {
                let why = format!(
                    "the key is not known, and the issuer was asked {FETCHES_MAX} times within {} s",
                    WINDOW_MS / 1000
                );
                return Err(unavailable(why.into(), wait_ms));
            }
            gate.asked_ms.push(now_ms);
            gate.asked = true;
            self.wanted.notify_one();
        }
        Ok(gate.begun + 1)
    }

    /// Waits until that fetch is over; gives why it failed, if it did.
    async fn over(&self, fetch: u64) -> Option<Arc<str>> {
        let mut ended = self.ended.subscribe();
        let over = ended.wait_for(|ended| ended.fetch >= fetch);
        match tokio::time::timeout(WAIT_MAX, over).await {
            Ok(Ok(ended)) => ended.failure.clone(),
            Ok(Err(_)) | Err(_) => Some("the issuer took too long".into()),
        }
    }

    fn unavailable(&self, why: Arc<str>) -> Error {
        let now_ms = self.clock.now_ms();
        let wait_ms = self.gate.lock().wait_ms(now_ms).unwrap_or_default();
        unavailable(why, wait_ms)
    }

    fn remember_absent(&self, kid: &str) {
        let now_ms = self.clock.now_ms();
        let absent = &mut self.gate.lock().absent;
        if absent.len() >= ABSENT_MAX {
            absent.retain(|_, since_ms| (0..ABSENT_MS).contains(&(now_ms - *since_ms)));
        }
        if absent.len() >= ABSENT_MAX {
            // As good as any: a kid that is forgotten costs at most its share of a fetch.
            let any = absent.keys().next().cloned();
            any.map(|kid| absent.remove(&kid));
        }
        absent.insert(kid.to_owned(), now_ms);
    }

    /// Keeps the keys until it is dropped. Run once, as a task of its own.
    pub(super) async fn keep(self: Arc<Self>, mut source: Source) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            let fetch = self.begin();
            let fetched = source.fetch().await;
            let wait = if fetched.is_ok() {
                backoff.reset();
                REFRESH
            } else {
                backoff.next(jitter())
            };
            self.end(fetch, fetched, wait);
            self.next_is_due(wait).await;
        }
    }

    fn begin(&self) -> u64 {
        let mut gate = self.gate.lock();
        gate.asked = false;
        gate.begun += 1;
        gate.begun
    }

    fn end(&self, fetch: u64, fetched: Result<Found, String>, wait: Duration) {
        let failure = match fetched {
            Ok(found) => {
                self.replace(fetch, found);
                None
            }
            Err(why) => {
                tracing::warn!(
                    error = why,
                    next_try_s = wait.as_secs_f32(),
                    "could not fetch the issuer's keys; known keys stay in use"
                );
                // The log says more than callers need to know about addresses inside.
                Some(Arc::from("the issuer's keys could not be fetched"))
            }
        };
        self.gate.lock().ended = fetch;
        self.ended.send_replace(Ended { fetch, failure });
    }

    fn replace(&self, fetch: u64, found: Found) {
        let old = self.set.load();
        let same = old.keys.len() == found.keys.len()
            && old.keys.iter().all(|(kid, key)| {
                let new = found.keys.get(kid);
                new.is_some_and(|new| new.fingerprint == key.fingerprint)
            });
        let generation = old.generation + u64::from(!same);
        if !same {
            for warning in &found.warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(keys = found.keys.len(), "took the issuer's keys");
        }
        self.set.store(Arc::new(Set {
            fetch,
            generation,
            keys: found.keys,
        }));
    }

    /// Returns when `wait` is over or a caller asks.
    async fn next_is_due(&self, wait: Duration) {
        let due = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                () = self.wanted.notified() => {}
            }
            // A wish that an earlier fetch has fulfilled may still ring.
            if self.gate.lock().asked {
                return;
            }
        }
    }
}

impl Gate {
    /// `Some(milliseconds to wait)` while callers may cause no fetch. Times ahead of now are left
    /// over from a clock that was set back.
    fn wait_ms(&mut self, now_ms: i64) -> Option<i64> {
        self.asked_ms
            .retain(|at_ms| (0..WINDOW_MS).contains(&(now_ms - at_ms)));
        if self.asked_ms.len() < FETCHES_MAX {
            return None;
        }
        self.asked_ms
            .first()
            .map(|at_ms| at_ms + WINDOW_MS - now_ms)
    }
}

fn unknown(kid: &str) -> Error {
    Error::UnknownKey {
        kid: Quoted::new(kid),
    }
}

fn unavailable(why: Arc<str>, wait_ms: i64) -> Error {
    let seconds = wait_ms.saturating_add(999) / 1000;
    Error::KeysUnavailable {
        why,
        retry_after_s: u32::try_from(seconds).unwrap_or_default().max(1),
    }
}

/// Something between 0 and 1, different from one try to the next.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0
}
