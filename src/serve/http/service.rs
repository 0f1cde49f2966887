//! The two services of this face: the administrator's and reader's surface, and `/metrics`.

use tokio_util::sync::CancellationToken;

use super::handles::Handles;
use super::metrics_page::{self, MetricsPages};
use super::router::Surface;
use super::server::Listener;

/// The HTTP face on its listener.
#[derive(Debug)]
pub struct Service {
    listener: Listener,
    handles: Handles,
}

impl Service {
    /// Ready to [`run`](Service::run).
    #[must_use]
    pub fn new(listener: Listener, handles: Handles) -> Service {
        Service { listener, handles }
    }

    /// Answers until `stop`, then finishes running requests. Dropping the future cuts them off.
    pub async fn run(self, stop: CancellationToken) {
        let surface = Surface::new(self.handles);
        self.listener.serve(surface, stop).await;
    }
}

/// Answers `/metrics` and the pages below it, until `stop`.
pub async fn serve_metrics(listener: Listener, pages: MetricsPages, stop: CancellationToken) {
    listener.serve(metrics_page::router(pages), stop).await;
}
