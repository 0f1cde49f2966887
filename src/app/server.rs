//! Everything that runs in `serve`, as one value: started in order, stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::parts::Parts;
use super::{gauges, settings};
use crate::clock::Clock;
use crate::config::{Config, Environment, Listen};
use crate::connect::Connectors;
use crate::error::chain;
use crate::log::Log;
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
    parts: Parts,
    listeners: Listeners,
    /// Cancelled first: the faces accept no more and `/readyz` says no.
    draining: CancellationToken,
    /// HTTP and Kafka.
    faces: Vec<JoinHandle<()>>,
    /// Cancelled once nobody asks any more: groups and metrics end.
    closing: CancellationToken,
    /// Groups and pushes, which finish their appends before the log closes.
    writers: Vec<JoinHandle<()>>,
    /// The metrics listener, the sampler of gauges, and others that store nothing.
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
        let (parts, services) = Parts::open(config, environment, clock).await?;
        let (draining, closing) = (CancellationToken::new(), CancellationToken::new());
        let (died_sender, died) = watch::channel(None);
        let watched = Watched(died_sender);
        let handles = Handles {
            console: console::assets(),
            recorder: Some(recorder.clone()),
            ..parts.handles(config, listeners, draining.clone())
        };
        let http = http::Service::new(bound.http, handles);
        let kafka =
            kafka::Service::new(bound.kafka, settings::kafka(config), parts.kafka_handles());
        let faces = vec![
            watched.spawn("kafka", &draining, kafka.run(draining.clone())),
            watched.spawn("http", &draining, http.run(draining.clone())),
        ];
        let sampling = gauges::sample(parts.sampled(), recorder.clone(), closing.clone());
        let rereading = parts.declarations.clone().run(closing.clone());
        let mut observers = vec![
            watched.spawn("gauges", &closing, sampling),
            watched.spawn("declarations", &closing, rereading),
            watched.spawn("metrics upkeep", &closing, recorder.clone().upkeep()),
            watched.spawn("answers", &closing, services.answers.run()),
        ];
        if let Some(listener) = bound.metrics {
            let pages = parts.metrics_pages(config, &listeners, recorder);
            let pages = http::serve_metrics(listener, pages, closing.clone());
            observers.push(watched.spawn("metrics", &closing, pages));
        }
        let letters = services.letters.run(closing.clone());
        observers.push(watched.spawn("letters", &closing, letters));
        let writers = vec![
            watched.spawn("pushes", &closing, services.pushes.run(closing.clone())),
            watched.spawn("groups", &closing, services.groups.run(closing.clone())),
            watched.spawn(
                "shared groups",
                &closing,
                services.shares.run(closing.clone()),
            ),
        ];
        settings::tell_what_is_open(config, &listeners);
        Ok(Server {
            parts,
            listeners,
            draining,
            faces,
            closing,
            writers,
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
        self.parts.declarations.ask();
    }

    /// The log, for who reads beside the faces.
    pub(super) fn log(&self) -> &Log {
        &self.parts.log
    }

    /// The connectors.
    pub(super) fn connectors(&self) -> &Connectors {
        &self.parts.connectors
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
        if timeout_at(deadline, self.parts.connectors.stop())
            .await
            .is_err()
        {
            tracing::warn!("left connectors behind that took too long to stop");
        }
        self.closing.cancel();
        let deadline = Instant::now() + LOG_TIMEOUT;
        for writer in self.writers {
            if timeout_at(deadline, writer).await.is_err() {
                tracing::warn!("left a part behind that took too long to store what it had taken");
            }
        }
        match timeout_at(deadline, self.parts.log.close()).await {
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
