//! `penstock healthcheck`, for containers: exit code 0 or 3.

use super::arguments::Healthcheck;
use super::client::Client;
use super::failure::Failure;

pub(super) async fn run(healthcheck: Healthcheck) -> Result<(), Failure> {
    let path = if healthcheck.ready {
        "/readyz"
    } else {
        "/healthz"
    };
    let client = Client::of_process()?;
    let answered = client.send_bare(reqwest::Method::GET, path).await;
    answered.map_err(Failure::into_unhealthy)
}
