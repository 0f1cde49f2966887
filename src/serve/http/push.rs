//! `POST /push/{name}`: third parties hand in JSON with a token. The statuses:
//!
//! | status | when |
//! |---|---|
//! | 202 | durable: `{"accepted":n,"topic","partition","offset"}` |
//! | 200 | the same Idempotency-Key or event before: the same body, `Idempotency-Replayed: true` |
//! | 400 | the body, a parameter, a key or an event is malformed |
//! | 401 | no token or none that is valid, with `WWW-Authenticate` |
//! | 403 | the token may not push here; says the scope that would do |
//! | 404, 410 | no legal name; a retired integration |
//! | 405 | another method |
//! | 408 | the body did not come within 30 s |
//! | 409 | the key's push is under way |
//! | 413, 415 | too large; a type or encoding that is not taken |
//! | 422 | a value does not fit its schema; the key was used for another body |
//! | 429 | the integration's rate, with `RateLimit` and `Retry-After` |
//! | 503 | not set up, no room, or the disk: with `Retry-After` where waiting helps |
//!
//! They are looked at in this order: name, set up, token, permission, rate, what the headers say of
//! the body, the body. The name is read from the path as it was sent: a name that had to be
//! encoded is none.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody as Body};
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::credentials::Shown;
use super::error::Problem;
use super::guard::{REQUEST_TIMEOUT, Shared, check_one_token, late, principal};
use super::server::Connection;
use crate::auth::Challenge;
use crate::error::{self, Explain, Kind};
use crate::push::{ACCEPT_POST, Accepted, Error, Head, Intake, LIFECYCLE_SCHEMA, Name, Quota};

/// A body has to be there within this time: 1 MiB over a line of 300 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a body that is refused, so much is read and thrown away for so long, so that a client that
/// writes before it reads gets to see the refusal.
const DISCARDED_BYTES_MAX: usize = 4 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// What is told again of a path that is refused; the longest legal one is shorter.
const INSTANCE_CHARACTERS_MAX: usize = 100;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const ACCEPT_POST_NAME: HeaderName = HeaderName::from_static("accept-post");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// CloudEvents' check that a target wants events.
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// What is below `/push` and no push; [`answer`] has the rest, see `router`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/push", any(no_name))
        .route("/push/", any(no_name))
        .route("/push/{*name}", any(no_name))
        .route("/push/lifecycle/schema", get(schema))
}

/// Parameters; others are refused, a token among them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    key: Option<String>,
}

/// How far a push came.
#[derive(Debug, Default)]
struct Progress {
    /// The caller may push; with what is left of the integration's rate where it has one.
    admitted: Option<Option<Quota>>,
    /// A client that waited for a go-ahead has it.
    is_body_asked_for: bool,
}

/// The answer to a push that is durable.
#[derive(Serialize)]
struct Answer<'a> {
    accepted: u32,
    topic: &'a str,
    partition: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
}

async fn schema() -> Response {
    let media_type = HeaderValue::from_static("application/schema+json");
    ([(header::CONTENT_TYPE, media_type)], LIFECYCLE_SCHEMA).into_response()
}

async fn no_name(uri: Uri, headers: HeaderMap) -> Result<(), Problem> {
    check_one_token(&uri, &headers)?;
    let problem = Problem::new(
        error::PUSH_UNKNOWN,
        "push under a name that none can have",
        "POST /push/NAME, the name 1 to 63 of a-z, 0-9 and -, not beginning with -",
    );
    Err(problem.with_member("instance", instance(&uri)))
}

/// The path of the request, its beginning only.
fn instance(uri: &Uri) -> serde_json::Value {
    let shown: String = uri.path().chars().take(INSTANCE_CHARACTERS_MAX).collect();
    shown.into()
}

/// The name a request is for; `None` where it is not below `/push`, or of no legal name.
pub(super) fn name(shared: &Shared, uri: &Uri) -> Option<Name> {
    let text = uri.path().strip_prefix("/push/")?;
    shared.handles.push.name(text)
}

/// Answers a request for `name`. Pushes are many and small: it does for itself what layers do for
/// others.
pub(super) async fn answer<B>(
    shared: &Shared,
    name: Name,
    request: hyper::Request<B>,
    connection: &Connection,
) -> Response
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let (
        Parts {
            method,
            uri,
            headers,
            ..
        },
        mut body,
    ) = request.into_parts();
    let shown = match check_one_token(&uri, &headers) {
        Ok(shown) => shown,
        Err(problem) => return problem.into_response(),
    };
    match method {
        Method::POST => {}
        Method::OPTIONS => return handshake(&headers),
        other => return no_such_method(&other, &uri),
    }
    let mut progress = Progress::default();
    let head = (&uri, &headers, shown);
    let outcome = take(shared, &name, head, (&mut body, connection), &mut progress).await;
    let response = match outcome {
        Ok(accepted) => accepted_response(&accepted),
        Err(problem) => {
            if progress.is_body_asked_for || !headers.contains_key(header::EXPECT) {
                discard(body).await;
            }
            let problem = problem.with_member("instance", instance(&uri));
            problem.into_response()
        }
    };
    let status = response.status().as_u16();
    shared
        .handles
        .push
        .answered(&name, progress.admitted.is_some(), status);
    with_quota(response, &name, progress.admitted.flatten())
}

/// Everything of a push but its answer.
async fn take<B>(
    shared: &Shared,
    name: &Name,
    (uri, headers, shown): (&Uri, &HeaderMap, Shown<'_>),
    (body, connection): (&mut B, &Connection),
    progress: &mut Progress,
) -> Result<Accepted, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let push = &shared.handles.push;
    let who = principal(shared, &shown, &connection.recent).await?;
    let may = push.admit(&who, name).map_err(refusal)?;
    progress.admitted = Some(None);
    progress.admitted = Some(push.take_turn(&may).map_err(refusal)?);
    let asked = match uri.query() {
        Some(_) => parameters(uri)?,
        None => Asked::default(),
    };
    let head = head(headers, &asked).map_err(refusal)?;
    let mut intake = push.begin(may, &head).map_err(refusal)?;
    push.room().await.map_err(refusal)?;
    progress.is_body_asked_for = true;
    let waits = &connection.waits;
    let whole = waits
        .within(BODY_TIMEOUT, pin!(read(&mut intake, body)))
        .await;
    whole.ok_or_else(slow)??;
    let stored = waits.within(REQUEST_TIMEOUT, pin!(intake.finish())).await;
    stored.ok_or_else(late)?.map_err(refusal)
}

fn parameters(uri: &Uri) -> Result<Asked, Problem> {
    let asked = Query::try_from_uri(uri).map_err(|refused| {
        Problem::invalid(
            format!("read the parameters: {}", refused.body_text()),
            "the only parameter is key, the key of the records",
        )
    })?;
    Ok(asked.0)
}

/// The next piece of a body. Cancel safe.
async fn next<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
) -> Option<Result<Frame<Bytes>, B::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// Feeds all of a body.
async fn read<B>(intake: &mut Intake, body: &mut B) -> Result<(), Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    while let Some(piece) = next(body).await {
        let piece = piece.map_err(|broken| {
            Problem::new(
                error::PUSH_MALFORMED,
                format!("read the body: {broken}"),
                "send all of it",
            )
        })?;
        // Trailers say nothing about records.
        if let Some(piece) = piece.data_ref() {
            intake.feed(piece).map_err(refusal)?;
        }
    }
    Ok(())
}

/// What the headers say. A header that must stand once and stands twice says nothing certain.
fn head<'a>(headers: &'a HeaderMap, asked: &'a Asked) -> Result<Head<'a>, Error> {
    let only = |name: &HeaderName| {
        let mut all = headers.get_all(name).iter();
        let first = all.next().map(HeaderValue::as_bytes);
        (first, all.next().is_some())
    };
    let (media_type, twice) = only(&header::CONTENT_TYPE);
    if twice {
        let found = Some("two headers Content-Type".to_owned());
        return Err(Error::MediaType { found });
    }
    let (encoding, twice) = only(&header::CONTENT_ENCODING);
    if twice {
        let found = "two headers Content-Encoding".to_owned();
        return Err(Error::Encoding { found });
    }
    let (idempotency_key, twice) = only(&IDEMPOTENCY_KEY);
    if twice {
        return Err(Error::Key("the header came twice"));
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let is_kept = |name: &str| name.starts_with("ce-") || name.starts_with("x-debezium-");
    let all = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    Ok(Head {
        media_type,
        encoding,
        length,
        key: asked.key.as_deref(),
        idempotency_key,
        headers: all.filter(|(name, _)| is_kept(name)).collect(),
    })
}

fn accepted_response(accepted: &Accepted) -> Response {
    let body = Answer {
        accepted: accepted.accepted,
        topic: accepted.topic.as_str(),
        partition: accepted.partition.0,
        offset: accepted.offset.map(|offset| offset.0),
    };
    // Numbers and a name: it cannot fail.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() = match accepted.replayed {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if accepted.replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, yes);
    }
    response
}

fn slow() -> Problem {
    Problem::new(
        error::PUSH_SLOW,
        format!("read the body within {} s", BODY_TIMEOUT.as_secs()),
        "send it without pauses, or in smaller parts",
    )
    .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// A refusal as HTTP says it.
fn refusal(error: Error) -> Problem {
    let retry_after = error.retry_after_seconds();
    // Whatever keeps the log from taking it now, the sender has to come again.
    let is_ours = matches!(error, Error::Log(_)) && error.kind() == Kind::Transient;
    let text = HeaderValue::from_static;
    let special = match &error {
        Error::Scope { scope, .. } => {
            let challenge = Challenge::InsufficientScope(vec![scope.clone()]);
            Some((
                header::WWW_AUTHENTICATE,
                super::error::bearer_challenge(&challenge),
            ))
        }
        Error::User(_) => {
            let challenge = Challenge::InsufficientScope(Vec::new());
            Some((
                header::WWW_AUTHENTICATE,
                super::error::bearer_challenge(&challenge),
            ))
        }
        Error::MediaType { .. } => Some((ACCEPT_POST_NAME, text(ACCEPT_POST))),
        Error::Encoding { .. } => Some((header::ACCEPT_ENCODING, text("gzip, identity"))),
        _ => None,
    };
    let limit = match &error {
        Error::Rate { name, quota } => Some((name.clone(), *quota)),
        _ => None,
    };
    let flaws = match &error {
        Error::Schema { flaws, .. } => serde_json::to_value(flaws).ok(),
        _ => None,
    };
    let mut problem = Problem::from(error);
    if is_ours {
        problem = problem.with_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    if let Some(seconds) = retry_after {
        problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some((name, value)) = special {
        problem = problem.with_header(name, value);
    }
    for (name, value) in limit
        .iter()
        .flat_map(|(name, quota)| rate_limit(name, *quota))
    {
        problem = problem.with_header(name, value);
    }
    match flaws {
        Some(flaws) => problem.with_member("errors", flaws),
        None => problem,
    }
}

/// `RateLimit-Policy` and `RateLimit` of an integration's rate.
fn rate_limit(name: &Name, quota: Quota) -> Vec<(HeaderName, HeaderValue)> {
    let policy = format!("\"{name}\";q={};w={}", quota.requests, quota.seconds);
    let state = match quota.wait_seconds {
        0 => format!("\"{name}\";r={}", quota.remaining),
        wait => format!("\"{name}\";r={};t={wait}", quota.remaining),
    };
    let values = [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)];
    let values = values.into_iter();
    values
        .filter_map(|(header, text)| Some((header, HeaderValue::try_from(text).ok()?)))
        .collect()
}

fn with_quota(mut response: Response, name: &Name, quota: Option<Quota>) -> Response {
    for (header, value) in quota.iter().flat_map(|quota| rate_limit(name, *quota)) {
        response.headers_mut().insert(header, value);
    }
    response
}

/// CloudEvents' webhook handshake. Everybody is told that events may come, since each has to
/// bring a token anyway; whether the name exists is not told.
fn handshake(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, METHODS);
    answer.insert(ACCEPT_POST_NAME, HeaderValue::from_static(ACCEPT_POST));
    if let Some(origin) = headers.get(REQUEST_ORIGIN) {
        answer.insert(ALLOWED_ORIGIN, origin.clone());
        if headers.contains_key(REQUEST_RATE) {
            answer.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
        }
    }
    response
}

fn no_such_method(method: &Method, uri: &Uri) -> Response {
    Problem::invalid(format!("use {method} here"), "POST a body, see Accept-Post")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .with_header(header::ALLOW, METHODS)
        .with_header(ACCEPT_POST_NAME, HeaderValue::from_static(ACCEPT_POST))
        .with_member("instance", instance(uri))
        .into_response()
}

/// Throws away some of a body that was refused.
async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let read = async {
        let mut bytes = 0_usize;
        while let Some(Ok(piece)) = next(&mut body).await {
            bytes = bytes.saturating_add(piece.data_ref().map_or(0, Bytes::len));
            if bytes > DISCARDED_BYTES_MAX {
                return;
            }
        }
    };
    // Whether all of it came does not matter: the connection is closed if not.
    let _ = timeout(DISCARD_TIMEOUT, read).await;
}
