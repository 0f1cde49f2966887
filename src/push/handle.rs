//! Pushes as the faces use them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::admission::{self, Admitted};
use super::budget::Budget;
use super::error::{Error, Quota};
use super::intake::{Head, Intake};
use super::keys::{self, KEYS_MAX, Keys};
use super::lifecycle;
use super::name::Name;
use super::rate::Rates;
use super::seen::Seen;
use super::service::Service;
use crate::auth::Principal;
use crate::clock::Clock;
use crate::config::topics::{Rules, Schema};
use crate::log::{self, Log, Partition, Topic};
use crate::topic::{PUSH_KEYS, PartitionId, TopicName};

/// A push waits so long for the log to take more; then the disk does not keep up.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// The push door. Cheap to clone.
#[derive(Clone)]
pub struct Push(pub(super) Arc<Inner>);

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("keys", &self.0.keys.count())
            .finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) log: Log,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: Rules,
    /// Of `__push_keys`.
    pub(super) partition: Arc<Partition>,
    pub(super) keys: Keys,
    pub(super) rates: Rates,
    pub(super) budget: Budget,
    pub(super) seen: Seen,
    /// Compiled for the first lifecycle event: the compiler keeps some MB of its own.
    pub(super) lifecycle: LazyLock<Schema>,
    /// Appends of keyed pushes; they own themselves and end with their append.
    pub(super) appends: TaskTracker,
    /// Nothing is taken any more.
    pub(super) is_closing: AtomicBool,
}

impl Push {
    /// Reads the idempotency keys back, and makes their topic where it is not there.
    pub async fn open(
        log: Log,
        clock: Arc<dyn Clock>,
        rules: Rules,
    ) -> Result<(Push, Service), Error> {
        Push::open_with(log, clock, rules, KEYS_MAX).await
    }

    pub(super) async fn open_with(
        log: Log,
        clock: Arc<dyn Clock>,
        rules: Rules,
        keys_max: usize,
    ) -> Result<(Push, Service), Error> {
        let name = TopicName::parse(PUSH_KEYS).expect("the name of our own topic is legal");
        let topic = topic(&log, &name).await?;
        let partition = topic.partition(PartitionId(0)).cloned();
        let partition = partition.ok_or_else(|| log::Error::UnknownTopic(name.to_string()))?;
        let keys = Keys::new(keys_max);
        keys::replay(&log, &partition, &keys, clock.now_ms()).await?;
        let seen = Seen::new();
        seen.begin(&rules.now());
        let inner = Arc::new(Inner {
            log,
            clock,
            rules,
            partition,
            keys,
            rates: Rates::default(),
            budget: Budget::default(),
            seen,
            lifecycle: LazyLock::new(lifecycle::schema),
            appends: TaskTracker::new(),
            is_closing: AtomicBool::new(false),
        });
        let service = Service::new(inner.clone());
        Ok((Push(inner), service))
    }

    /// Whether `who` may push under `name`.
    pub fn admit(&self, who: &Principal, name: &Name) -> Result<Admitted, Error> {
        admission::admit(self.0.rules.now(), who, name)
    }

    /// Takes a turn of the integration's rate; `None` where it has none.
    pub fn take_turn(&self, admitted: &Admitted) -> Result<Option<Quota>, Error> {
        let rate = admitted.integration().and_then(|one| one.rate);
        self.0.rates.take(&admitted.name, rate)
    }

    /// The name that `text` is, if it is a legal one.
    #[must_use]
    pub fn name(&self, text: &str) -> Option<Name> {
        self.0.seen.name(text).or_else(|| Name::parse(text))
    }

    /// Waits until the log has room for more, for a while. To be awaited before a body is read.
    /// Cancel safe.
    pub async fn room(&self) -> Result<(), Error> {
        if self.0.log.has_room() {
            return Ok(());
        }
        let waited = timeout(ROOM_WAIT, self.0.log.room()).await;
        waited.map_err(|_| Error::Busy("the disk does not keep up"))
    }

    /// Looks at what came before the body.
    pub fn begin(&self, admitted: Admitted, head: &Head<'_>) -> Result<Intake, Error> {
        self.0.check_open()?;
        Intake::begin(self.0.clone(), admitted, head)
    }

    /// Counts an answer; `is_admitted` where the caller may push under the name.
    pub fn answered(&self, name: &Name, is_admitted: bool, status: u16) {
        self.0
            .seen
            .answered(&self.0.log, &self.0.rules, (name, is_admitted), status);
    }
}

impl Inner {
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.is_closing.load(Ordering::Acquire) {
            return Err(Error::Busy("the server is ending"));
        }
        Ok(())
    }
}

/// The topic of this name, made as it is declared where it is not there. Cancel safe.
pub(super) async fn topic(log: &Log, name: &TopicName) -> Result<Arc<Topic>, log::Error> {
    if let Some(topic) = log.topic(name.as_str()) {
        return Ok(topic);
    }
    let partitions = log.default_partitions(name, 1);
    let config = log.default_topic_config(name);
    match log.create_topic(name, partitions, config).await {
        Err(log::Error::TopicExists(_)) => log
            .topic(name.as_str())
            .ok_or_else(|| log::Error::UnknownTopic(name.to_string())),
        made => made,
    }
}
