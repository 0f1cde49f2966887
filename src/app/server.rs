//! Everything that runs in `serve`, as one value: started in order, stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::declared::Declared;
use super::error::Error;
use super::{gauges, settings};
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::config::{Config, Environment, Listen};
use crate::connect::Connectors;
use crate::deliver::{self, Letters};
use crate::error::chain;
use crate::group::share::Shares;
use crate::group::{self, Groups};
use crate::log::{Log, RealDisk};
use crate::push::Push;
use crate::serve::http::{self, Handles, Listener, Listeners};
use crate::serve::kafka;
use crate::{console, metrics, tasks};

/// Running requests are finished within this time, then cut off.
const REQUESTS_TIMEOUT: Duration = Duration::from_secs(3);
/// Connectors end within this time after that.
const CONNECTORS_TIMEOUT: Duration = Duration::from_secs(3);
/// Groups and the log end within this time after that. Together less than the 10 s after which
/// `docker stop` kills; a log that is not closed is recovered from its journal.
const LOG_TIMEOUT: Duration = Duration::from_secs(3);

/// A running Penstock.
#[derive(Debug)]
pub(super) struct Server {
    log: Log,
    connectors: Connectors,
    declarations: Declared,
    listeners: Listeners,
    /// Cancelled first: the faces accept no more and `/readyz` says no.
    draining: CancellationToken,
    /// HTTP and Kafka.
    faces: Vec<JoinHandle<()>>,
    /// Cancelled once nobody asks any more: groups and metrics end.
    closing: CancellationToken,
    groups: JoinHandle<()>,
    pushes: JoinHandle<()>,
    shares: JoinHandle<()>,
    /// The metrics listener and the sampler of gauges.
    observers: Vec<JoinHandle<()>>,
    died: watch::Receiver<Option<&'static str>>,
}

/// The addresses that are bound before anything else is opened, so that a port in use is told
/// before the log is touched.
struct Bound {
    http: Listener,
    kafka: kafka::Listener,
    metrics: Option<Listener>,
}

impl Server {
    /// Starts everything; taking traffic when it returns.
    pub(super) async fn start(
        config: &Config,
        environment: &Environment,
        clock: Arc<dyn Clock>,
        recorder: metrics::Handle,
    ) -> Result<Server, Error> {
        let bound = bind(config).await?;
        let listeners = bound.addresses();
        let rules = Rules::new(config.declarations.clone());
        let log = open_log(config, &rules, &clock).await?;
        let partitions = settings::partitions(config);
        let (file, now) = (&config.topics_file, clock.clone());
        let declarations = Declared::new(file, log.clone(), rules.clone(), now, partitions);
        declarations.begin().await;
        let (groups, groups_service) =
            Groups::open(log.clone(), clock.clone(), group::Config::default()).await?;
        let (push, push_service) = Push::open(log.clone(), clock.clone(), rules.clone()).await?;
        let declared = settings::connectors(config, environment);
        let connectors =
            Connectors::start(declared, log.clone(), clock.clone(), partitions).await?;
        let (shares, shares_service) =
            Shares::open(log.clone(), clock.clone(), rules.clone(), groups.clone()).await?;
        let (letters, letters_service) = Letters::new(deliver::Parts {
            log: log.clone(),
            shares,
            groups: groups.clone(),
            rules: rules.clone(),
            clock: clock.clone(),
            owner_of: settings::owner_of(&connectors),
            partitions,
        });
        let (draining, closing) = (CancellationToken::new(), CancellationToken::new());
        let (died_sender, died) = watch::channel(None);
        let watched = Watched(died_sender);
        let handles = Handles {
            log: log.clone(),
            rules: rules.clone(),
            declaring: Some(Arc::new(declarations.clone())),
            groups: groups.clone(),
            connectors: connectors.clone(),
            letters,
            clock: clock.clone(),
            listeners,
            admission: settings::admission(config),
            tokens: settings::tokens(config, &clock),
            push,
            public_url: config.public_url.clone(),
            console: console::assets(),
            recorder: Some(recorder.clone()),
            draining: draining.clone(),
        };
        let kafka_handles = kafka::Handles {
            log: log.clone(),
            groups: groups.clone(),
            ownership: Arc::new(settings::Owners(connectors.clone())),
            clock: clock.clone(),
        };
        let kafka = kafka::Service::new(bound.kafka, settings::kafka(config), kafka_handles);
        let http = http::Service::new(bound.http, handles);
        let faces = vec![
            watched.spawn("kafka", &draining, kafka.run(draining.clone())),
            watched.spawn("http", &draining, http.run(draining.clone())),
        ];
        let sampled = gauges::Sampled {
            log: log.clone(),
            groups: groups.clone(),
            connectors: connectors.clone(),
            clock: clock.clone(),
        };
        let sampling = gauges::sample(sampled, recorder.clone(), closing.clone());
        let mut observers = vec![watched.spawn("gauges", &closing, sampling)];
        if let Some(listener) = bound.metrics {
            let pages = http::MetricsPages {
                own: recorder.clone(),
                log: log.clone(),
                groups,
                connectors: connectors.clone(),
                clock,
                broker: settings::broker(config, &listeners),
            };
            let page = http::serve_metrics(listener, pages, closing.clone());
            observers.push(watched.spawn("metrics", &closing, page));
        }
        let rereading = declarations.clone().run(closing.clone());
        observers.push(watched.spawn("declarations", &closing, rereading));
        observers.push(watched.spawn("metrics upkeep", &closing, recorder.upkeep()));
        let pushes = watched.spawn("pushes", &closing, push_service.run(closing.clone()));
        let counting = letters_service.run(closing.clone());
        observers.push(watched.spawn("letters", &closing, counting));
        let groups = watched.spawn("groups", &closing, groups_service.run(closing.clone()));
        let shares = watched.spawn("shares", &closing, shares_service.run(closing.clone()));
        settings::tell_what_is_open(config, &listeners);
        Ok(Server {
            log,
            connectors,
            declarations,
            listeners,
            draining,
            faces,
            closing,
            groups,
            pushes,
            shares,
            observers,
            died,
        })
    }

    /// Where it listens.
    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Has the declarations read again.
    pub(super) fn reload(&self) {
        self.declarations.ask();
    }

    /// The log, for who reads beside the faces.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// The connectors.
    pub(super) fn connectors(&self) -> &Connectors {
        &self.connectors
    }

    /// Resolves when a part that is to run for ever has ended. Cancel safe.
    pub(super) async fn failed(&self) -> Error {
        let mut died = self.died.clone();
        let name = died
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|name| *name);
        Error::Task(name.unwrap_or("server"))
    }

    /// Stops in order, each step within its time.
    pub(super) async fn stop(self) {
        self.draining.cancel();
        let deadline = Instant::now() + REQUESTS_TIMEOUT;
        for mut face in self.faces {
            if timeout_at(deadline, &mut face).await.is_err() {
                tracing::warn!("cut off requests that took too long to finish");
                face.abort();
            }
        }
        let deadline = Instant::now() + CONNECTORS_TIMEOUT;
        if timeout_at(deadline, self.connectors.stop()).await.is_err() {
            tracing::warn!("left connectors behind that took too long to stop");
        }
        self.closing.cancel();
        let deadline = Instant::now() + LOG_TIMEOUT;
        if timeout_at(deadline, self.groups).await.is_err() {
            tracing::warn!("left groups behind that took too long to stop");
        }
        if timeout_at(deadline, self.pushes).await.is_err() {
            tracing::warn!("left pushes behind that took too long to store");
        }
        if timeout_at(deadline, self.shares).await.is_err() {
            tracing::warn!("left shared groups behind that took too long to stop");
        }
        match timeout_at(deadline, self.log.close()).await {
            Ok(Ok(())) => tracing::info!("stopped"),
            Ok(Err(error)) => tracing::error!(error = %chain(&error), "could not close the log"),
            Err(_) => tracing::warn!("did not wait for the log; the next start recovers it"),
        }
        for observer in self.observers {
            observer.abort();
        }
    }
}

impl Bound {
    fn addresses(&self) -> Listeners {
        Listeners {
            http: Some(self.http.address()),
            kafka: Some(self.kafka.address()),
            metrics: self.metrics.as_ref().map(Listener::address),
        }
    }
}

async fn bind(config: &Config) -> Result<Bound, Error> {
    let http = Listener::bind("http", resolve(&config.http_listen).await?)?;
    let kafka = kafka::Listener::bind(resolve(&config.kafka_listen).await?)?;
    let metrics = match &config.metrics_listen {
        Some(listen) => Some(Listener::bind("metrics", resolve(listen).await?)?),
        None => None,
    };
    Ok(Bound {
        http,
        kafka,
        metrics,
    })
}

/// The first address of a name.
async fn resolve(listen: &Listen) -> Result<SocketAddr, Error> {
    let unknown = |cause| Error::System {
        doing: format!("find the address of \"{}\"", listen.host),
        cause,
        mend: "listen on an address of this machine, such as 127.0.0.1 or 0.0.0.0".to_owned(),
    };
    let mut found = tokio::net::lookup_host((listen.host.as_str(), listen.port))
        .await
        .map_err(unknown)?;
    found
        .next()
        .ok_or_else(|| unknown(std::io::ErrorKind::NotFound.into()))
}

async fn open_log(config: &Config, rules: &Rules, clock: &Arc<dyn Clock>) -> Result<Log, Error> {
    let settings = settings::log(config, rules);
    let clock = clock.clone();
    let open = move || Log::open(settings, Arc::new(RealDisk), clock);
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.map_err(|_| Error::Task("log"))??)
}

/// Starts tasks whose end, by return or panic, is noticed.
struct Watched(watch::Sender<Option<&'static str>>);

/// Tells that a task is over, unless it was asked to end.
struct Farewell {
    name: &'static str,
    asked: CancellationToken,
    died: watch::Sender<Option<&'static str>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if !self.asked.is_cancelled() {
            self.died.send_replace(Some(self.name));
        }
    }
}

impl Watched {
    fn spawn(
        &self,
        name: &'static str,
        asked: &CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let farewell = Farewell {
            name,
            asked: asked.clone(),
            died: self.0.clone(),
        };
        tasks::spawn(name, async move {
            let _farewell = farewell;
            work.await;
        })
    }
}
