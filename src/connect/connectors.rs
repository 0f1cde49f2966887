//! All connectors of the process: started from their configurations, listed, restarted, stopped.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::ConnectorConfig;
use crate::log::{Chain, Log};
use crate::tasks;
use crate::topic::{CONNECT_OFFSETS, PartitionId, TopicName};

use super::context::Context;
use super::error::Error;
use super::figures::{Figures, Observed};
use super::gauges::Gauges;
use super::run::{self, End};
use super::status::{State, Status, StatusCell};
use super::watch;

/// A connector as the configuration declares it.
#[derive(Debug)]
pub enum Declared {
    /// To be run.
    Run(Box<ConnectorConfig>),
    /// Not to be run, such as a file whose `database.hostname` is empty.
    Off {
        /// The connector's name.
        name: String,
        /// Why it is off.
        reason: String,
    },
    /// Its configuration is wrong or asks for something that is not built.
    Invalid {
        /// The connector's name.
        name: String,
        /// What is wrong, where, and how to mend it.
        reason: String,
    },
}

/// All connectors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connectors {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connectors: Vec<Connector>,
    log: Log,
    clock: Arc<dyn Clock>,
    /// Partitions of topics that connectors make.
    partitions: u32,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Connector {
    name: String,
    /// `None` where there is nothing to run.
    config: Option<Arc<ConnectorConfig>>,
    status: StatusCell,
    figures: Arc<Figures>,
    running: Mutex<Option<Running>>,
}

/// The task of a connector. Started by `start` and `restart`, joined by `restart` and `stop`; a
/// panic of it shows as FAILED.
#[derive(Debug)]
struct Running {
    task: JoinHandle<End>,
    /// Ends with `stop`, not with the run: a connector that has failed keeps its slot.
    watcher: JoinHandle<()>,
    stop: CancellationToken,
}

impl Connectors {
    /// Makes the topic of positions and starts every connector that is to be run. A connector
    /// that cannot run is listed with its reason and stops nothing else. Topics are made with
    /// `partitions` partitions.
    pub async fn start(
        declared: Vec<Declared>,
        log: Log,
        clock: Arc<dyn Clock>,
        partitions: u32,
    ) -> Result<Connectors, Error> {
        ensure_topic(&log).await?;
        let connectors = declared
            .into_iter()
            .map(|one| Connector::new(one, &clock))
            .collect();
        let shutdown = CancellationToken::new();
        let inner = Arc::new(Inner {
            connectors,
            log,
            clock,
            partitions,
            shutdown,
        });
        for connector in &inner.connectors {
            inner.launch(connector);
        }
        Ok(Connectors { inner })
    }

    /// All connectors in the order of their configuration.
    #[must_use]
    pub fn list(&self) -> Vec<Status> {
        self.inner.connectors.iter().map(Connector::read).collect()
    }

    /// Every connector whose configuration is right, with its figures.
    #[must_use]
    pub fn observe(&self) -> Vec<Observed> {
        let runnable = self
            .inner
            .connectors
            .iter()
            .filter(|one| one.config.is_some());
        runnable
            .map(|connector| connector.figures.observe(connector.read()))
            .collect()
    }

    /// One connector.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.inner.find(name).map(Connector::read)
    }

    /// The connector that owns `topic`, so that nobody else may write to it.
    #[must_use]
    pub fn owner_of(&self, topic: &str) -> Option<String> {
        let owns = |connector: &&Connector| {
            let Some(config) = &connector.config else {
                return false;
            };
            let behind = topic.strip_prefix(config.topic_prefix.as_str());
            behind.is_some_and(|rest| rest.starts_with('.'))
                || topic.strip_prefix("dlq.source.") == Some(config.name.as_str())
        };
        self.inner
            .connectors
            .iter()
            .find(owns)
            .map(|connector| connector.name.clone())
    }

    /// Ends the connector's run, if there is one, and starts it again.
    pub async fn restart(&self, name: &str) -> Result<(), Error> {
        let connector = self
            .inner
            .find(name)
            .ok_or_else(|| Error::Unknown(name.to_owned()))?;
        if connector.config.is_none() {
            let reason = connector.read().reason.unwrap_or_default();
            return Err(Error::NotRunnable {
                name: name.to_owned(),
                reason,
            });
        }
        connector.halt().await;
        self.inner.launch(connector);
        Ok(())
    }

    /// Ends all runs; what was read is durable and confirmed afterwards.
    pub async fn stop(&self) {
        self.inner.shutdown.cancel();
        for connector in &self.inner.connectors {
            connector.halt().await;
        }
    }
}

/// `__connect_offsets`, made on first start.
async fn ensure_topic(log: &Log) -> Result<(), Error> {
    if log.topic(CONNECT_OFFSETS).is_some() {
        return Ok(());
    }
    let name = TopicName::parse(CONNECT_OFFSETS).map_err(|cause| Error::TopicName {
        table: CONNECT_OFFSETS.to_owned(),
        cause,
    })?;
    log.create_topic(&name, 1, log.default_topic_config(&name))
        .await?;
    Ok(())
}

impl Inner {
    fn find(&self, name: &str) -> Option<&Connector> {
        self.connectors
            .iter()
            .find(|connector| connector.name == name)
    }

    /// Starts the connector's task, if it is to be run and the process is not stopping.
    fn launch(&self, connector: &Connector) {
        let Some(config) = connector.config.clone() else {
            return;
        };
        let topic = self.log.topic(CONNECT_OFFSETS);
        let positions = topic
            .as_ref()
            .and_then(|topic| topic.partition(PartitionId(0)).cloned());
        let Some(positions) = positions else { return };
        if self.shutdown.is_cancelled() {
            return;
        }
        let stop = self.shutdown.child_token();
        let shutdown = stop.clone();
        let figures = Arc::clone(&connector.figures);
        let watcher = watch::spawn(Arc::clone(&config), Arc::clone(&figures), stop.clone());
        let log = self.log.clone();
        let clock = Arc::clone(&self.clock);
        let status = connector.status.clone();
        let partitions = self.partitions;
        let run_id = uuid::Uuid::now_v7().to_string();
        let make_context = move || Context {
            gauges: Gauges::new(&config.name, Arc::clone(&figures)),
            config: Arc::clone(&config),
            log: log.clone(),
            clock: Arc::clone(&clock),
            status: status.clone(),
            run_id: run_id.clone(),
            shutdown: shutdown.clone(),
            positions: Arc::clone(&positions),
            partitions,
            chain: Chain::new(),
        };
        connector
            .status
            .enter(State::Retrying, Some("connecting".to_owned()));
        let task = tasks::spawn("connector", Box::pin(run::run(make_context)));
        *connector.running.lock() = Some(Running {
            task,
            watcher,
            stop,
        });
    }
}

impl Connector {
    fn new(declared: Declared, clock: &Arc<dyn Clock>) -> Connector {
        let (name, config, state, reason) = match declared {
            Declared::Run(config) => (config.name.clone(), Some(config), State::Retrying, None),
            Declared::Off { name, reason } => (name, None, State::Stopped, Some(reason)),
            Declared::Invalid { name, reason } => (name, None, State::Failed, Some(reason)),
        };
        let config: Option<Arc<ConnectorConfig>> = config.map(|config| Arc::new(*config));
        let status = Status {
            name: name.clone(),
            state,
            reason,
            since_ms: clock.now_ms(),
            topic_prefix: config
                .as_ref()
                .map(|c| c.topic_prefix.clone())
                .unwrap_or_default(),
            slot: config
                .as_ref()
                .map(|c| c.slot_name.clone())
                .unwrap_or_default(),
            positions: super::status::Positions::default(),
            snapshot: None,
            warnings: config
                .as_ref()
                .map(|c| c.warnings.clone())
                .unwrap_or_default(),
        };
        let status = StatusCell::new(status, Arc::clone(clock));
        Connector {
            name,
            config,
            status,
            figures: Arc::default(),
            running: Mutex::new(None),
        }
    }

    /// The status; a task that ended by a panic is FAILED.
    fn read(&self) -> Status {
        let mut status = self.status.read();
        let ended = self
            .running
            .lock()
            .as_ref()
            .is_some_and(|running| running.task.is_finished());
        if ended && !matches!(status.state, State::Failed | State::Stopped) {
            status.state = State::Failed;
            status.reason = Some("the connector's task ended; see the log".to_owned());
        }
        status
    }

    /// Ends the task and waits for it.
    async fn halt(&self) {
        let running = self.running.lock().take();
        let Some(Running {
            task,
            watcher,
            stop,
        }) = running
        else {
            return;
        };
        stop.cancel();
        // It only looks, and its end cannot fail.
        watcher.await.ok();
        if let Ok(End::Stopped) = task.await {
            self.status.enter(State::Stopped, None);
        }
    }
}
