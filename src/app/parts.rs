//! The parts of a running Penstock between the faces and the log: opened in order, and handed to
//! whoever needs which of them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::declared::Declared;
use super::error::Error;
use super::{gauges, settings};
use crate::auth::Tokens;
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::config::{Config, Environment};
use crate::connect::Connectors;
use crate::deliver::{self, Letters};
use crate::group::share::{self, Shares};
use crate::group::{self, Groups};
use crate::log::{self, Log, RealDisk};
use crate::metrics;
use crate::push::{self, Push};
use crate::serve::http::{Handles, Listeners, MetricsPages};
use crate::serve::kafka;

/// Handles of everything that faces are served from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) log: Log,
    pub(super) connectors: Connectors,
    pub(super) declarations: Declared,
    clock: Arc<dyn Clock>,
    rules: Rules,
    groups: Groups,
    shares: Shares,
    letters: Letters,
    push: Push,
    tokens: Option<Tokens>,
}

/// What of them runs by itself; each is spawned as one task.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) groups: group::Service,
    pub(super) shares: share::Service,
    pub(super) pushes: push::Service,
    pub(super) letters: deliver::Service,
    pub(super) answers: log::Answers,
}

impl Parts {
    /// Opens the log and reads what is stored in it; declared topics are there when it returns.
    pub(super) async fn open(
        config: &Config,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<(Parts, Services), Error> {
        let rules = Rules::new(config.declarations.clone());
        let log = open_log(config, &rules, &clock).await?;
        let now = || clock.clone();
        let partitions = settings::partitions(config);
        let file = &config.topics_file;
        let declarations = Declared::new(file, log.clone(), rules.clone(), now(), partitions);
        declarations.begin().await;
        let (groups, groups_service) =
            Groups::open(log.clone(), now(), group::Config::default()).await?;
        let (shares, shares_service) =
            Shares::open(log.clone(), now(), rules.clone(), groups.clone()).await?;
        let (push, push_service) = Push::open(log.clone(), now(), rules.clone()).await?;
        let declared = settings::connectors(config, environment);
        let connectors = Connectors::start(declared, log.clone(), now(), partitions).await?;
        let (letters, letters_service) = Letters::new(deliver::Parts {
            log: log.clone(),
            shares: shares.clone(),
            groups: groups.clone(),
            rules: rules.clone(),
            clock: now(),
            owner_of: settings::owner_of(&connectors),
            partitions,
        });
        let services = Services {
            groups: groups_service,
            shares: shares_service,
            pushes: push_service,
            letters: letters_service,
            answers: log.answers(),
        };
        let parts = Parts {
            log,
            connectors,
            declarations,
            tokens: settings::tokens(config, &clock),
            clock,
            rules,
            groups,
            shares,
            letters,
            push,
        };
        Ok((parts, services))
    }

    /// What the HTTP face works with; without console and recorder.
    pub(super) fn handles(
        &self,
        config: &Config,
        listeners: Listeners,
        draining: CancellationToken,
    ) -> Handles {
        Handles {
            log: self.log.clone(),
            rules: self.rules.clone(),
            declaring: Some(Arc::new(self.declarations.clone())),
            groups: self.groups.clone(),
            shares: self.shares.clone(),
            connectors: self.connectors.clone(),
            letters: self.letters.clone(),
            clock: self.clock.clone(),
            listeners,
            admission: settings::admission(config),
            tokens: self.tokens.clone(),
            push: self.push.clone(),
            public_url: config.public_url.clone(),
            console: Default::default(),
            recorder: None,
            draining,
        }
    }

    /// What the Kafka face works with.
    pub(super) fn kafka_handles(&self) -> kafka::Handles {
        kafka::Handles {
            log: self.log.clone(),
            groups: self.groups.clone(),
            shares: self.shares.clone(),
            ownership: Arc::new(settings::Owners(self.connectors.clone())),
            clock: self.clock.clone(),
        }
    }

    /// What gauges are sampled from.
    pub(super) fn sampled(&self) -> gauges::Sampled {
        gauges::Sampled {
            log: self.log.clone(),
            groups: self.groups.clone(),
            shares: self.shares.clone(),
            connectors: self.connectors.clone(),
            letters: self.letters.clone(),
            clock: self.clock.clone(),
        }
    }

    /// What the pages of the metrics listener show.
    pub(super) fn metrics_pages(
        &self,
        config: &Config,
        listeners: &Listeners,
        recorder: metrics::Handle,
    ) -> MetricsPages {
        MetricsPages {
            own: recorder,
            log: self.log.clone(),
            groups: self.groups.clone(),
            connectors: self.connectors.clone(),
            clock: self.clock.clone(),
            broker: settings::broker(config, listeners),
        }
    }
}

async fn open_log(config: &Config, rules: &Rules, clock: &Arc<dyn Clock>) -> Result<Log, Error> {
    let settings = settings::log(config, rules);
    let clock = clock.clone();
    let open = move || Log::open(settings, Arc::new(RealDisk), clock);
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.map_err(|_| Error::Task("log"))??)
}
