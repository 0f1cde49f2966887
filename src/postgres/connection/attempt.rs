//! Connects as `sslmode` says, with the second try that `allow` and `prefer` mean.
//!
//! One deviation from libpq: after a wrong password no second try is made in the other form, which
//! would only count as another failure at the server.

use std::future::Future;

use super::deadline::Deadline;
use super::socket;
use super::stream::Stream;
use super::tls::{self, Insist};
use crate::config::SslMode;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::Error;

/// One way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Plain,
    Tls(Insist),
}

/// Connects, and logs in with `login`; for `allow` and `prefer` in both ways if need be.
pub(in crate::postgres) async fn establish<T, F, L>(
    config: &ConnectionConfig,
    login: L,
) -> Result<T, Error>
where
    L: Fn(Stream, Deadline) -> F,
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Deadline::new(config.address(), config.connect_timeout);
    let (first, second) = plan(config);
    let failure = match open(config, first, &deadline).await {
        Ok(stream) => match login(stream, deadline.clone()).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let Some(second) = second.filter(|_| other_way_may_help(&failure)) else {
        return Err(failure);
    };
    let stream = match open(config, second, &deadline).await {
        Ok(stream) => stream,
        // The server has no TLS: the refusal of the plain connection is what is to be mended.
        Err(Error::TlsNotOffered { .. }) => return Err(failure),
        Err(error) => return Err(error),
    };
    login(stream, deadline).await
}

fn plan(config: &ConnectionConfig) -> (Attempt, Option<Attempt>) {
    if config.host.starts_with('/') {
        // As in libpq, a Unix socket never has TLS.
        return (Attempt::Plain, None);
    }
    match config.sslmode {
        SslMode::Disable => (Attempt::Plain, None),
        SslMode::Allow => (Attempt::Plain, Some(Attempt::Tls(Insist::Always))),
        SslMode::Prefer => (Attempt::Tls(Insist::IfOffered), Some(Attempt::Plain)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
            (Attempt::Tls(Insist::Always), None)
        }
    }
}

/// Whether the failure may be about TLS or its absence: the handshake failed, or `pg_hba.conf`
/// refused the connection in this form.
fn other_way_may_help(failure: &Error) -> bool {
    matches!(failure, Error::Tls { .. } | Error::NoHbaEntry { .. })
}

async fn open(
    config: &ConnectionConfig,
    attempt: Attempt,
    deadline: &Deadline,
) -> Result<Stream, Error> {
    let stream = socket::open(config, deadline).await?;
    match (attempt, stream) {
        (Attempt::Tls(insist), Stream::Tcp(socket)) => {
            deadline
                .bound("setting up TLS", tls::negotiate(socket, config, insist))
                .await
        }
        (Attempt::Plain | Attempt::Tls(_), stream) => Ok(stream),
    }
}
