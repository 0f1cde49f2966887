//! The peer of a push: an axum handler that checks the token with the server's own verifier, on as
//! many threads, reads the body, and answers 202 without keeping anything.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Args;

use super::super::super::failure::Failure;
use crate::auth::{self, Tokens};
use crate::clock::SystemClock;
use crate::error;

/// What the peer is told.
#[derive(Debug, Args)]
pub(in crate::cli) struct Bare {
    /// The issuer of the tokens
    #[arg(long)]
    pub(super) issuer: String,
    /// The audience that tokens must name
    #[arg(long)]
    pub(super) resource: String,
    /// Written with the address once it answers
    #[arg(long)]
    pub(super) ready_file: PathBuf,
}

/// Answers until it is killed.
pub(super) async fn run(flags: &Bare) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| {
        let what = format!("failed to serve the bare handler: {cause}");
        Failure::new(error::CLI_BENCH, what, "measure again")
    };
    let config = auth::Config {
        issuers: vec![flags.issuer.clone()],
        audience: flags.resource.clone(),
        jwks_url: None,
    };
    let tokens = Tokens::new(config, Arc::new(SystemClock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let app = Router::new()
        .route("/push/{name}", post(accept))
        .with_state(tokens);
    let ready = format!("{{\"http\":\"{address}\"}}");
    std::fs::write(&flags.ready_file, ready).map_err(failed)?;
    axum::serve(listener, app).await.map_err(failed)
}

async fn accept(State(tokens): State<Tokens>, headers: HeaderMap, body: Bytes) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    match tokens.verify(token).await {
        Ok(_) => (
            StatusCode::ACCEPTED,
            format!("{{\"bytes\":{}}}", body.len()),
        )
            .into_response(),
        Err(error) => (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
    }
}
