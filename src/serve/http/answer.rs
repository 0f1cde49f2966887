//! Reading bodies and writing answers within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::error::Problem;
use crate::error;

/// Bytes of a body that a command sends; the largest is a list of offsets.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A body that is too large is read up to here before it is refused.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
/// A body has to be there within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// Large answers in memory at once, each about `records::ANSWER_BYTES`; more wait for their turn.
pub(super) const ANSWERS_MAX: usize = 16;
/// A large answer is handed to the connection in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Query parameters; unknown ones are refused where `T` denies them.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match read {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(refused) => Err(Problem::invalid(
                format!("read the parameters: {}", refused.body_text()),
                "correct the part behind the question mark",
            )),
        }
    }
}

/// Reads a JSON body.
pub(super) async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, collect(body)).await else {
        return Err(Problem::new(
            error::HTTP_INVALID,
            format!("read the body within {} s", BODY_TIMEOUT.as_secs()),
            "send it without pauses",
        )
        .with_status(StatusCode::REQUEST_TIMEOUT));
    };
    serde_json::from_slice(&read?).map_err(|refused| {
        Problem::invalid(
            format!("read the body as JSON: {refused}"),
            "correct the JSON",
        )
    })
}

/// All bytes of a body that is not too large. Of one that is, some more is read and thrown away,
/// so that a client that writes before it reads still gets to see the refusal.
async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut read_bytes = 0_usize;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|broken| {
            Problem::invalid(format!("read the body: {broken}"), "send all of it")
        })?;
        read_bytes = read_bytes.saturating_add(piece.len());
        if read_bytes <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&piece);
        } else if read_bytes > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if read_bytes <= BODY_BYTES_MAX {
        return Ok(bytes);
    }
    Err(Problem::invalid(
        format!("read a body of more than {BODY_BYTES_MAX} bytes"),
        format!("send at most {BODY_BYTES_MAX} bytes"),
    )
    .with_status(StatusCode::PAYLOAD_TOO_LARGE))
}

/// Answers with `json`, keeping `permit` until all but the last piece has been taken by the
/// connection: a peer that does not read holds its share of the budget, not more.
pub(super) fn large_json(json: Vec<u8>, permit: OwnedSemaphorePermit) -> Response {
    large(json, HeaderValue::from_static("application/json"), permit)
}

/// As [`large_json`], of any type.
pub(super) fn large(
    body: Vec<u8>,
    content_type: HeaderValue,
    permit: OwnedSemaphorePermit,
) -> Response {
    let length = HeaderValue::from(body.len());
    let pieces = futures_util::stream::unfold((Bytes::from(body), permit), |(mut rest, permit)| {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        let next = (!piece.is_empty())
            .then_some((Ok::<Bytes, std::convert::Infallible>(piece), (rest, permit)));
        std::future::ready(next)
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// Waits for a place among the large answers.
pub(super) async fn place(
    answers: &Arc<tokio::sync::Semaphore>,
) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = answers.clone().acquire_owned().await;
    permit.map_err(|_| {
        Problem::new(
            error::HTTP_UNAVAILABLE,
            "answer while stopping",
            "try again",
        )
    })
}
