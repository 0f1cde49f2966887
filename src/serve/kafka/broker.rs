//! What every connection shares: the log, the groups, the rules and the limits.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::access::{Access, Ownership};
use super::budget::Budget;
use super::error::of_log;
use crate::clock::Clock;
use crate::group::Groups;
use crate::group::share::Shares;
use crate::kafka::ErrorCode;
use crate::log::{Log, Topic, TopicConfig};
use crate::topic::TopicName;

/// The one broker's id.
pub const NODE_ID: i32 = 1;
/// Every partition has been led by the one node since it was made.
pub(super) const LEADER_EPOCH: i32 = 0;
/// Partitions that may be there after a topic was created over this face. Each costs files and
/// memory; what the configuration declares is not limited here.
const PARTITIONS_MAX: usize = 10_000;

/// What clients are told to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertise {
    /// Name or address, without brackets.
    pub host: String,
    /// `None`: the port that the client connected to.
    pub port: Option<u16>,
}

/// What a deployment may set.
#[derive(Debug, Clone)]
pub struct Config {
    /// `None`: the local address of the accepted connection.
    pub advertise: Option<Advertise>,
    /// Topics are created when a client asks for them.
    pub auto_create_topics: bool,
    /// Partitions of topics made without saying how many.
    pub default_partitions: u32,
    /// Anonymous peers may do everything.
    pub anonymous_admin: bool,
    /// Connections at once; more are closed when they come.
    pub connections_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            advertise: None,
            auto_create_topics: true,
            default_partitions: 1,
            anonymous_admin: false,
            // The figure of the memory goal: 10,000 connections below 300 MB.
            connections_max: 10_000,
        }
    }
}

/// What the face works with.
#[derive(Debug, Clone)]
pub struct Handles {
    /// The log.
    pub log: Log,
    /// The ordered groups.
    pub groups: Groups,
    /// The shared groups.
    pub shares: Shares,
    /// Who owns which topic.
    pub ownership: Arc<dyn Ownership>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
}

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) config: Config,
    pub(super) log: Log,
    pub(super) groups: Groups,
    pub(super) shares: Shares,
    pub(super) ownership: Arc<dyn Ownership>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) access: Access,
    pub(super) budget: Budget,
    /// No more requests are read; long polls end.
    pub(super) draining: CancellationToken,
}

/// Who asks, and in which version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    /// The address the client connected to.
    pub(super) local: SocketAddr,
    /// Where the client is.
    pub(super) peer: SocketAddr,
    /// What it calls itself.
    pub(super) client_id: &'a str,
    /// The version of the request.
    pub(super) version: i16,
}

impl Broker {
    pub(super) fn new(config: Config, handles: Handles, draining: CancellationToken) -> Broker {
        let access = Access {
            anonymous_admin: config.anonymous_admin,
        };
        Broker {
            config,
            log: handles.log,
            groups: handles.groups,
            shares: handles.shares,
            ownership: handles.ownership,
            clock: handles.clock,
            access,
            budget: Budget::new(),
            draining,
        }
    }

    /// Host and port that this client is told to connect to.
    pub(super) fn endpoint(&self, caller: &Caller<'_>) -> (String, i32) {
        let local = (
            caller.local.ip().to_canonical().to_string(),
            caller.local.port(),
        );
        let (host, port) = match &self.config.advertise {
            Some(advertise) => (advertise.host.clone(), advertise.port.unwrap_or(local.1)),
            None => local,
        };
        (host, i32::from(port))
    }

    /// Creates a topic for a client.
    pub(super) async fn create_topic(
        &self,
        name: &TopicName,
        partitions: u32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, (ErrorCode, String)> {
        let there: usize = self.log.topics().iter().map(|t| t.partitions().len()).sum();
        let wanted = usize::try_from(partitions).unwrap_or(usize::MAX);
        if there.saturating_add(wanted) > PARTITIONS_MAX {
            let why = format!("there would be more than {PARTITIONS_MAX} partitions");
            return Err((ErrorCode::POLICY_VIOLATION, why));
        }
        let created = self.log.create_topic(name, partitions, config).await;
        created.map_err(|error| (of_log(&error), error.to_string()))
    }
}
