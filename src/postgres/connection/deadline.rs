//! One time limit over several steps, which says at which of them it ran out.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::postgres::error::Error;

/// When a connection must stand.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Deadline {
    at: Instant,
    after: Duration,
    address: String,
}

impl Deadline {
    /// `after` from now, for the server at `address`.
    pub(in crate::postgres) fn new(address: String, after: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + after,
            after,
            address,
        }
    }

    /// Runs one step; `doing` is what took too long if it did.
    pub(in crate::postgres) async fn bound<T>(
        &self,
        doing: &'static str,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout_at(self.at, step).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut {
                address: self.address.clone(),
                doing,
                after: self.after,
            }),
        }
    }

    /// The part of the time left that one of `steps` remaining steps may take.
    pub(in crate::postgres) fn share(&self, steps: usize) -> Duration {
        let left = self.at.saturating_duration_since(Instant::now());
        left / u32::try_from(steps.max(1)).unwrap_or(u32::MAX)
    }
}
