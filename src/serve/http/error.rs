//! Refusals as people and programs read them: `application/problem+json` (RFC 9457) with a stable
//! code and how to mend it. The one table from codes to HTTP statuses is here.
//!
//! Not here: texts of errors that come from below; they say what and where themselves.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::auth::{self, Challenge};
use crate::error::{self, Code, Explain, Kind, chain};

/// Media type of every refusal.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal. It changed nothing, unless its code says that the outcome is unknown.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    mend: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Members beside those of every refusal.
    members: Vec<(&'static str, serde_json::Value)>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<&'a str>,
    #[serde(flatten)]
    members: std::collections::BTreeMap<&'a str, &'a serde_json::Value>,
}

impl Problem {
    /// A refusal of this face itself; the status follows from the code.
    pub(super) fn new(code: Code, detail: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem {
            status: status(code, Kind::Definite),
            code,
            detail: detail.into(),
            mend: Some(mend.into()),
            headers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// A parameter or body that cannot be read.
    pub(super) fn invalid(detail: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem::new(error::HTTP_INVALID, detail, mend)
    }

    /// Something that does not exist.
    pub(super) fn not_found(detail: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem::new(error::HTTP_NOT_FOUND, detail, mend)
    }

    /// The same refusal under another status, where HTTP knows a more exact one.
    pub(super) fn with_status(mut self, status: StatusCode) -> Problem {
        self.status = status;
        self
    }

    /// The same refusal with one more header.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// The same refusal with one more member of its body.
    pub(super) fn with_member(mut self, name: &'static str, value: serde_json::Value) -> Problem {
        self.members.push((name, value));
        self
    }

    /// The refusal of a token, with the headers it calls for.
    pub(super) fn token(error: &auth::Error) -> Problem {
        let mut problem = Problem::of(error);
        if let Some(challenge) = error.challenge() {
            problem = problem.with_header(header::WWW_AUTHENTICATE, bearer_challenge(&challenge));
        }
        if let Some(seconds) = error.retry_after_s() {
            problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        problem
    }

    fn of(error: &impl Explain) -> Problem {
        Problem {
            status: status(error.code(), error.kind()),
            code: error.code(),
            detail: format!("failed to {}", chain(error)),
            mend: error.mend().or_else(|| mend(error.code())),
            headers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// The status it is answered with.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl<E: Explain> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem::of(&error)
    }
}

/// `WWW-Authenticate` of a refused token (RFC 6750, section 3).
pub(super) fn bearer_challenge(challenge: &Challenge) -> HeaderValue {
    const REALM: &str = "Bearer realm=\"penstock\"";
    let text = match challenge {
        Challenge::Bare => REALM.to_owned(),
        Challenge::InvalidRequest => format!("{REALM}, error=\"invalid_request\""),
        Challenge::InvalidToken(why) => {
            format!("{REALM}, error=\"invalid_token\", error_description=\"{why}\"")
        }
        Challenge::InsufficientScope(scopes) if scopes.is_empty() => {
            format!("{REALM}, error=\"insufficient_scope\"")
        }
        Challenge::InsufficientScope(scopes) => format!(
            "{REALM}, error=\"insufficient_scope\", scope=\"{}\"",
            scopes.join(" ")
        ),
    };
    // Scopes come from names that are checked; anything else is left out and not sent broken.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(REALM))
}

/// What a code is answered with, and how to mend it where the error itself does not say.
struct Row(Code, StatusCode, &'static str);

/// The one table from codes to answers.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row(error::HTTP_FORBIDDEN, StatusCode::FORBIDDEN, ""),
    Row(error::HTTP_NOT_FOUND, StatusCode::NOT_FOUND, ""),
    Row(error::HTTP_INVALID, StatusCode::BAD_REQUEST, ""),
    Row(error::HTTP_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::HTTP_UNAUTHORIZED, StatusCode::UNAUTHORIZED, ""),
    Row(error::HTTP_CONFLICT, StatusCode::CONFLICT, ""),
    Row(error::HTTP_NOT_BUILT, StatusCode::NOT_IMPLEMENTED, ""),
    Row(error::AUTH_NO_TOKEN, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_REQUEST, StatusCode::BAD_REQUEST, ""),
    Row(error::AUTH_MALFORMED, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_ALGORITHM, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_UNKNOWN_KEY, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_SIGNATURE, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_ISSUER, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_AUDIENCE, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_EXPIRED, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_NOT_YET_VALID, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_CLAIM, StatusCode::UNAUTHORIZED, ""),
    Row(error::AUTH_SCOPE, StatusCode::FORBIDDEN, ""),
    Row(error::AUTH_NOT_ALLOWED, StatusCode::FORBIDDEN, ""),
    Row(error::AUTH_KEYS_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::AUTH_NOT_CONFIGURED, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::PUSH_UNKNOWN, StatusCode::NOT_FOUND, ""),
    Row(error::PUSH_RETIRED, StatusCode::GONE, ""),
    Row(error::PUSH_MEDIA_TYPE, StatusCode::UNSUPPORTED_MEDIA_TYPE, ""),
    Row(error::PUSH_ENCODING, StatusCode::UNSUPPORTED_MEDIA_TYPE, ""),
    Row(error::PUSH_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE, ""),
    Row(error::PUSH_MALFORMED, StatusCode::BAD_REQUEST, ""),
    Row(error::PUSH_SCHEMA, StatusCode::UNPROCESSABLE_ENTITY, ""),
    Row(error::PUSH_KEY, StatusCode::BAD_REQUEST, ""),
    Row(error::PUSH_KEY_REUSED, StatusCode::UNPROCESSABLE_ENTITY, ""),
    Row(error::PUSH_KEY_IN_FLIGHT, StatusCode::CONFLICT, ""),
    Row(error::PUSH_KEYS_FULL, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::PUSH_RATE, StatusCode::TOO_MANY_REQUESTS, ""),
    Row(error::PUSH_CLOUD_EVENT, StatusCode::BAD_REQUEST, ""),
    Row(error::PUSH_BUSY, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::PUSH_SLOW, StatusCode::REQUEST_TIMEOUT, ""),
    Row(error::LOG_DISK_FULL, StatusCode::INSUFFICIENT_STORAGE,
        "free disk space, or lower the retention of topics"),
    Row(error::LOG_READ_ONLY, StatusCode::SERVICE_UNAVAILABLE,
        "mend the disk; appends go on by themselves, see /status"),
    Row(error::LOG_OUTCOME_UNKNOWN, StatusCode::SERVICE_UNAVAILABLE,
        "look whether it happened before repeating it"),
    Row(error::LOG_UNKNOWN_TOPIC, StatusCode::NOT_FOUND,
        "list the topics: penstock topics list"),
    Row(error::LOG_TOPIC_EXISTS, StatusCode::CONFLICT,
        "use another name, or change its settings: penstock topics alter"),
    Row(error::LOG_OFFSET_OUT_OF_RANGE, StatusCode::RANGE_NOT_SATISFIABLE,
        "read from start or end"),
    Row(error::LOG_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE,
        "raise max.message.bytes of the topic"),
    Row(error::LOG_INVALID_TOPIC, StatusCode::BAD_REQUEST, "correct what is named"),
    Row(error::LOG_DAMAGED, StatusCode::INTERNAL_SERVER_ERROR,
        "read from behind the damage; restore a backup for what it held"),
    Row(error::DLQ_NOT_FOUND, StatusCode::NOT_FOUND, ""),
    Row(error::DLQ_NOT_REDRIVABLE, StatusCode::CONFLICT, ""),
    Row(error::DLQ_RECORD_GONE, StatusCode::GONE, ""),
    Row(error::DLQ_NOT_READY, StatusCode::SERVICE_UNAVAILABLE, ""),
    Row(error::GROUP_INVALID_ID, StatusCode::BAD_REQUEST, "use another group id"),
    Row(error::GROUP_NOT_FOUND, StatusCode::NOT_FOUND, "list the groups: penstock groups list"),
    Row(error::GROUP_NOT_EMPTY, StatusCode::CONFLICT, "stop the group's members first"),
    Row(error::GROUP_MEMBERSHIP, StatusCode::CONFLICT, "stop the group's members first"),
    Row(error::GROUP_INVALID_REQUEST, StatusCode::BAD_REQUEST, "correct what is named"),
    Row(error::GROUP_LIMIT, StatusCode::TOO_MANY_REQUESTS, "delete groups that nobody uses"),
    Row(error::GROUP_CLOSING, StatusCode::SERVICE_UNAVAILABLE, "wait for the next start"),
];

/// The status that a code is answered with. Codes that are not listed follow from how their error
/// is to be handled: what may pass is 503, what may not is 409, since the object's state is in
/// the way, and what ends the process is 500.
fn status(code: Code, kind: Kind) -> StatusCode {
    let listed = TABLE.iter().find(|Row(listed, _, _)| *listed == code);
    match (listed, kind) {
        (Some(Row(_, status, _)), _) => *status,
        (None, Kind::Transient) => StatusCode::SERVICE_UNAVAILABLE,
        (None, Kind::Definite) => StatusCode::CONFLICT,
        (None, Kind::Fatal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// How to mend what has this code.
fn mend(code: Code) -> Option<String> {
    let listed = TABLE.iter().find(|Row(listed, _, _)| *listed == code);
    listed
        .map(|Row(_, _, mend)| (*mend).to_owned())
        .filter(|mend| !mend.is_empty())
}

impl Problem {
    /// The body by itself, one line, where the answer has already begun.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let body = Body {
            code: self.code.as_str(),
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: &self.detail,
            mend: self.mend.as_deref(),
            members: self
                .members
                .iter()
                .map(|(name, value)| (*name, value))
                .collect(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json()).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, PROBLEM_JSON);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_507_and_an_unknown_outcome_503() {
        assert_eq!(
            status(error::LOG_DISK_FULL, Kind::Transient),
            StatusCode::INSUFFICIENT_STORAGE
        );
        assert_eq!(
            status(error::LOG_OUTCOME_UNKNOWN, Kind::Transient),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[tokio::test]
    async fn a_refusal_has_code_title_detail_and_mend() {
        let problem = Problem::not_found("find topic \"x\"", "list them: penstock topics list");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let bytes = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["code"], "PEN-HTTP-002");
        assert_eq!(json["title"], "Not Found");
        assert_eq!(json["detail"], "find topic \"x\"");
        assert_eq!(json["mend"], "list them: penstock topics list");
    }
}
