//! Which path goes to which area, and what each request passes before.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::access::Access;
use super::answer::ANSWERS_MAX;
use super::error::Problem;
use super::guard::{Shared, administrator, anybody, in_time, one_token};
use super::handles::Handles;
use super::readings::Readings;
use super::server::{Connection, Gone, Handler};
use super::stream::STREAMS_MAX;
use super::{
    assets, connectors, declarations, dlq, groups, health, not_built, push, records, share, status,
    topics,
};

/// The whole surface: pushes, which are too many for the layers of a router, and the rest.
#[derive(Clone)]
pub(super) struct Surface {
    shared: Arc<Shared>,
    router: Router,
}

impl Surface {
    pub(super) fn new(handles: Handles) -> Surface {
        let shared = Arc::new(Shared {
            access: Access::new(
                handles.admission.clone(),
                handles.tokens.clone(),
                handles.public_url.clone(),
            ),
            started_ms: handles.clock.now_ms(),
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            readings: Readings::new(handles.recorder.clone()),
            handles,
        });
        let administration = Router::new()
            .merge(topics::routes())
            .merge(records::routes())
            .merge(groups::routes())
            .merge(dlq::routes())
            .merge(share::routes())
            .merge(connectors::routes())
            .merge(declarations::routes())
            .merge(not_built::routes())
            .merge(assets::routes(&shared.handles.console))
            .fallback(not_built::no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(from_fn_with_state(shared.clone(), administrator));
        let status = status::routes().layer(from_fn_with_state(shared.clone(), anybody));
        let router = Router::new()
            .merge(health::routes())
            .method_not_allowed_fallback(no_such_method)
            .merge(status)
            .merge(administration)
            .layer(from_fn(one_token))
            .layer(from_fn(in_time))
            .merge(push::routes())
            .with_state(shared.clone());
        Surface { shared, router }
    }
}

impl Handler for Surface {
    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response, Gone> {
        match push::name(&self.shared, request.uri()) {
            // A push that came whole is stored whether its sender still waits or not.
            Some(name) => Ok(push::answer(&self.shared, name, request, connection).await),
            None => self.router.handle(request, connection).await,
        }
    }
}

async fn no_such_method(method: Method) -> Problem {
    Problem::invalid(
        format!("use {method} here"),
        "use a method of the header Allow",
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
