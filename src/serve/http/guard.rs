//! What every request passes before its handler: who may, the content type of writes, and the
//! time a request may take; and who the token of a request stands for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Access, Caller, Who};
use super::credentials::{Shown, bearer, check_query, shown};
use super::error::Problem;
use super::handles::Handles;
use super::readings::Readings;
use super::server::Peer;
use crate::auth::{self, Principal, Recent};
use crate::error;

/// A request is given up after this time: longer than the longest poll and the slowest body
/// together.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What handlers and guards share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handles: Handles,
    pub(super) access: Access,
    pub(super) started_ms: i64,
    /// Answers in memory at once; see `answer`.
    pub(super) answers: Arc<tokio::sync::Semaphore>,
    /// Event streams open at once; see `stream`.
    pub(super) streams: Arc<tokio::sync::Semaphore>,
    /// What was measured; see `readings`.
    pub(super) readings: Readings,
}

/// How much of `/status` a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Everything.
    All,
    /// Counts and states only.
    Counts,
}

/// Lets administrators pass.
pub(super) async fn administrator(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let who = shared.check(&request).await?;
    check_content_type(request.method(), request.headers())?;
    tracing::debug!(%who, method = %request.method(), path = request.uri().path(), "let in");
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Lets everybody pass and says how much they may see. Wrong credentials are refused all the same.
pub(super) async fn anybody(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let sight = match shared.check(&request).await {
        Ok(_) => Sight::All,
        Err(problem) if request.headers().contains_key(header::AUTHORIZATION) => {
            return Err(problem);
        }
        Err(_) => Sight::Counts,
    };
    request.extensions_mut().insert(sight);
    Ok(next.run(request).await)
}

/// Who the token of a request stands for; for routes that take tokens only.
pub(super) async fn principal(
    shared: &Shared,
    shown: &Shown<'_>,
    recent: &Recent,
) -> Result<Arc<Principal>, Problem> {
    let Some(tokens) = &shared.handles.tokens else {
        return Err(Problem::token(&auth::Error::NotConfigured));
    };
    let token = bearer(shown).map_err(|error| Problem::token(&error))?;
    let verified = tokens.verify_again(token, recent).await;
    verified.map_err(|error| Problem::token(&error))
}

/// Refuses tokens that come in the address or twice, before anything else is looked at.
pub(super) async fn one_token(request: Request, next: Next) -> Result<Response, Problem> {
    check_one_token(request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

/// What a request shows. Refuses a token in the address, and two of them.
pub(super) fn check_one_token<'a>(uri: &Uri, headers: &'a HeaderMap) -> Result<Shown<'a>, Problem> {
    let checked = check_query(uri).and_then(|()| shown(headers));
    checked.map_err(|error| Problem::token(&error))
}

/// Ends requests that take too long.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => late().into_response(),
    }
}

/// The answer to a request that took too long.
pub(super) fn late() -> Problem {
    Problem::new(
        error::HTTP_UNAVAILABLE,
        format!("answer within {} s", REQUEST_TIMEOUT.as_secs()),
        "ask for less or for a shorter wait_ms; a write may have happened: look before repeating it",
    )
}

impl Shared {
    /// Not an `async fn`: its future must not hold the body of the request.
    fn check<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Future<Output = Result<Who, Problem>> + Send + 'a {
        let peer = request.extensions().get::<Peer>().copied();
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        async move {
            let Some(Peer(peer)) = peer else {
                // Only a router without its server has no peer.
                return Err(Problem::new(
                    error::HTTP_FORBIDDEN,
                    "tell who calls",
                    "call over a socket",
                ));
            };
            let caller = Caller {
                peer,
                method,
                uri,
                headers,
            };
            let now_ms = self.handles.clock.now_ms();
            self.access.check(caller, now_ms).await
        }
    }
}

/// Writes say that they are JSON, which no form of a foreign page can. A write without a body and
/// without a type is let through: commands such as a restart have none.
fn check_content_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if !matches!(
        *method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    ) {
        return Ok(());
    }
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0");
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let only_json = match (types.next(), types.next()) {
        (None, _) => !has_body,
        (Some(only), None) => only.to_str().is_ok_and(is_json),
        (Some(_), Some(_)) => false,
    };
    if only_json {
        return Ok(());
    }
    Err(Problem::invalid(
        "read a body that is not marked as JSON",
        "send the header Content-Type: application/json",
    )
    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5
            && essence.is_char_boundary(essence.len() - 5)
            && essence
                .split_at(essence.len() - 5)
                .1
                .eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn passes(method: &Method, headers: &[(header::HeaderName, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        check_content_type(method, &map).is_ok()
    }

    #[test]
    fn writes_with_a_body_must_be_json() {
        let typed = |text| vec![(header::CONTENT_LENGTH, "2"), (header::CONTENT_TYPE, text)];
        assert!(passes(&Method::GET, &[]));
        assert!(passes(&Method::POST, &[]));
        assert!(passes(&Method::POST, &[(header::CONTENT_LENGTH, "0")]));
        assert!(passes(&Method::POST, &typed("application/json")));
        assert!(passes(
            &Method::POST,
            &typed("Application/JSON; charset=utf-8")
        ));
        assert!(passes(
            &Method::PATCH,
            &typed("application/merge-patch+json")
        ));
        for text in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain; application/json",
            "",
        ] {
            assert!(!passes(&Method::POST, &typed(text)), "{text}");
        }
        assert!(!passes(&Method::POST, &[(header::CONTENT_LENGTH, "2")]));
        assert!(!passes(
            &Method::DELETE,
            &[(header::TRANSFER_ENCODING, "chunked")]
        ));
        assert!(!passes(
            &Method::POST,
            &[(header::CONTENT_TYPE, "text/plain")]
        ));
    }
}
