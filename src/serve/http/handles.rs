//! What the handlers work with: handles of the parts below, and facts about this process.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::access::Admission;
use super::assets::Assets;
use super::declarations::Declaring;
use crate::auth::Tokens;
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::connect::Connectors;
use crate::deliver::Letters;
use crate::group::Groups;
use crate::log::Log;
use crate::metrics;
use crate::push::Push;

/// The handles and facts that answers are made of. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handles {
    /// The durable log.
    pub log: Log,
    /// What `topics.yaml` declares.
    pub rules: Rules,
    /// Reads the declarations again; `None` where they do not come from a file.
    pub declaring: Option<Arc<dyn Declaring>>,
    /// Consumer groups.
    pub groups: Groups,
    /// Connectors.
    pub connectors: Connectors,
    /// Dead letters.
    pub letters: Letters,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where this process listens.
    pub listeners: Listeners,
    /// Who is let in.
    pub admission: Admission,
    /// Verifies tokens, for pushes and for the administrator's surface; `None` where no issuer is
    /// set.
    pub tokens: Option<Tokens>,
    /// The push door.
    pub push: Push,
    /// The address under which people reach this server through a proxy, without a trailing slash.
    pub public_url: Option<String>,
    /// The console's files.
    pub console: Assets,
    /// What was measured, shown in `/status`; `None` where nothing is recorded.
    pub recorder: Option<metrics::Handle>,
    /// Cancelled when the process is on its way down: `/readyz` says so and long polls end.
    pub draining: CancellationToken,
}

/// Addresses that are bound; a listener that is off is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Listeners {
    /// This face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// The Kafka face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<SocketAddr>,
    /// `/metrics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
}
