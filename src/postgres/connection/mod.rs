//! Our own connections: sockets, TLS, login and framing. SQL and replication share everything up
//! to the login.
//!
//! Invariant: nothing that arrived before a TLS handshake is ever read as if it had come through
//! it (CVE-2021-23222), and no message is held that is larger than the limit of its phase.

mod attempt;
mod certificate;
mod deadline;
mod inbox;
mod login;
mod roots;
mod session;
mod socket;
mod stream;
mod tls;
mod trust;
mod wire;

pub(super) use attempt::establish;
pub(super) use inbox::Inbox;
pub(super) use login::{Purpose, log_in};
pub(super) use session::SESSION_SETTINGS;
pub(super) use stream::Stream;
pub(super) use wire::{Wire, log_notice, unexpected};
