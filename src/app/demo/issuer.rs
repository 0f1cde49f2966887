//! An issuer of tokens on loopback that answers as Logto does: openid-configuration, keys, and
//! tokens for apps (`client_credentials`). The demo pushes with its tokens, and the tests use it.
//!
//! Keys have Logto's states: Next is published and does not sign, Current signs, Previous is
//! published and signs no more. A rotation without a Next signs at once with a key that nobody
//! has seen. Not here: users, consoles, anything that outlives the process.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::{Algorithm, Signer};
use crate::clock::{Clock, SystemClock};
use crate::serve::http::{Error, Listener};
use crate::tasks;

/// Seconds that a token lives, Logto's default.
const TOKEN_SECONDS: i64 = 3600;
/// Bytes of a token request; a real one has a few hundred.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Parameters of a token request.
const PARAMETERS_MAX: usize = 32;
/// `aud` of a token for an organization.
const ORGANIZATION: &str = "urn:logto:organization:";

/// An app that may ask for tokens.
#[derive(Debug, Clone)]
pub struct App {
    /// Its `client_id`.
    pub id: String,
    /// Its `client_secret`.
    pub secret: String,
    /// Scopes that its roles grant.
    pub scopes: BTreeSet<String>,
    /// Organizations it belongs to.
    pub organizations: BTreeSet<String>,
}

/// What the issuer knows.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Identifiers of API resources.
    pub resources: BTreeSet<String>,
    /// Apps.
    pub apps: Vec<App>,
    /// The address under which others reach it, without a trailing slash; `None`: where it
    /// listens.
    pub url: Option<String>,
}

/// The keys and their states.
#[derive(Debug)]
struct Keys {
    next: Option<Signer>,
    current: Signer,
    previous: Option<Signer>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    registry: Registry,
    keys: Mutex<Keys>,
    jwks_requests: AtomicUsize,
    clock: SystemClock,
}

/// A running issuer; ends when it is dropped.
#[derive(Debug)]
pub struct Issuer {
    shared: Arc<Shared>,
    /// Serves; aborted when this is dropped.
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Issuer {
    /// Listens on `address` and answers. To be called within a runtime.
    pub fn start(address: SocketAddr, registry: Registry) -> Result<Issuer, Error> {
        let listener = Listener::bind("issuer", address)?;
        let own = format!("http://{}", listener.address());
        let shared = Arc::new(Shared {
            url: registry.url.clone().unwrap_or(own),
            registry,
            keys: Mutex::new(Keys {
                next: None,
                current: Signer::generate(Algorithm::Es384),
                previous: None,
            }),
            jwks_requests: AtomicUsize::new(0),
            clock: SystemClock,
        });
        let router = Router::new()
            .route("/oidc/.well-known/openid-configuration", get(configuration))
            .route("/oidc/jwks", get(jwks))
            .route("/oidc/token", post(token))
            .with_state(shared.clone());
        let serving = listener.serve(router, CancellationToken::new());
        Ok(Issuer {
            shared,
            task: tasks::spawn("issuer", serving),
        })
    }

    /// An issuer on loopback that knows one API resource and one app, which may push as the
    /// integration of its name; the app with its secret. To be called within a runtime.
    pub fn of_integration(name: &str, resource: &str) -> Result<(Issuer, App), Error> {
        let app = App {
            id: name.to_owned(),
            secret: uuid::Uuid::new_v4().simple().to_string(),
            scopes: BTreeSet::from([format!("push:{name}")]),
            organizations: BTreeSet::new(),
        };
        let registry = Registry {
            resources: BTreeSet::from([resource.to_owned()]),
            apps: vec![app.clone()],
            url: None,
        };
        let issuer = Issuer::start((Ipv4Addr::LOCALHOST, 0).into(), registry)?;
        Ok((issuer, app))
    }

    /// What `PENSTOCK_LOGTO_ENDPOINT` is to be.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.shared.url
    }

    /// Publishes a key that is to sign after the next rotation.
    pub fn stage(&self) {
        self.shared.keys.lock().next = Some(Signer::generate(Algorithm::Es384));
    }

    /// Lets the staged key sign, or at once one that nobody has seen; the one before stays
    /// published, and the one before that is gone.
    pub fn rotate(&self) {
        let fresh = Signer::generate(Algorithm::Es384);
        let keys = &mut *self.shared.keys.lock();
        let new = keys.next.take().unwrap_or(fresh);
        keys.previous = Some(std::mem::replace(&mut keys.current, new));
    }

    /// How often the keys were asked for.
    #[must_use]
    pub fn jwks_requests(&self) -> usize {
        self.shared.jwks_requests.load(Ordering::SeqCst)
    }

    /// A token with these claims, signed by the current key.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.shared.keys.lock().current.token(claims)
    }

    /// The name of the current key.
    #[must_use]
    pub fn kid(&self) -> String {
        self.shared.keys.lock().current.kid().to_owned()
    }

    /// Claims as this issuer writes them, for an app and a resource.
    #[must_use]
    pub fn claims(&self, app: &str, resource: &str, scope: &str) -> Value {
        self.shared.claims(app, resource, Some(scope))
    }
}

impl Shared {
    fn issuer(&self) -> String {
        format!("{}/oidc", self.url)
    }

    fn claims(&self, app: &str, audience: &str, scope: Option<&str>) -> Value {
        let now_s = self.clock.now_ms() / 1000;
        let mut claims = json!({
            "jti": uuid::Uuid::new_v4().simple().to_string(),
            "sub": app,
            "client_id": app,
            "iat": now_s,
            "exp": now_s + TOKEN_SECONDS,
            "iss": self.issuer(),
            "aud": audience,
        });
        if let Some(scope) = scope {
            claims["scope"] = json!(scope);
        }
        claims
    }
}

async fn configuration(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = shared.issuer();
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "token_endpoint": format!("{issuer}/token"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    shared.jwks_requests.fetch_add(1, Ordering::SeqCst);
    let keys = shared.keys.lock();
    let published = [
        keys.next.as_ref(),
        Some(&keys.current),
        keys.previous.as_ref(),
    ];
    let published: Vec<Value> = published.iter().flatten().map(|it| it.jwk()).collect();
    let uncached = HeaderValue::from_static("no-cache, max-age=0");
    let answer = Json(json!({"keys": published}));
    ([(header::CACHE_CONTROL, uncached)], answer).into_response()
}

/// An error of OAuth 2.0 (RFC 6749, section 5.2).
#[derive(Debug)]
struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, error, description) = self;
        let body = json!({
            "code": format!("oidc.{error}"), "error": error, "error_description": description,
        });
        (status, Json(body)).into_response()
    }
}

fn bad(error: &'static str, description: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, error, description)
}

/// What a token request may say.
#[derive(Debug, Default)]
struct Request {
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    resource: Option<String>,
    organization_id: Option<String>,
    scope: Option<String>,
}

async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| bad("invalid_request", "the body is too large or broken"))?;
    let request = read_form(&bytes)?;
    if request.grant_type != "client_credentials" {
        return Err(bad("unsupported_grant_type", "use client_credentials"));
    }
    let app = authenticate(&shared.registry, &headers, &request)?;
    let claims = grant(&shared, app, &request)?;
    let mut answer = json!({
        "access_token": shared.keys.lock().current.token(&claims),
        "expires_in": TOKEN_SECONDS,
        "token_type": "Bearer",
    });
    if let Some(scope) = claims.get("scope") {
        answer["scope"] = scope.clone();
    }
    let uncached = HeaderValue::from_static("no-store");
    Ok(([(header::CACHE_CONTROL, uncached)], Json(answer)).into_response())
}

/// Reads `application/x-www-form-urlencoded`, which is what a query is.
fn read_form(bytes: &Bytes) -> Result<Request, Refusal> {
    let malformed = || bad("invalid_request", "the body is no form");
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let uri = format!("/?{text}").parse().map_err(|_| malformed())?;
    let Query(pairs): Query<Vec<(String, String)>> =
        Query::try_from_uri(&uri).map_err(|_| malformed())?;
    if pairs.len() > PARAMETERS_MAX {
        return Err(bad("invalid_request", "too many parameters"));
    }
    let mut request = Request::default();
    let mut seen = BTreeSet::new();
    for (name, value) in pairs {
        if !seen.insert(name.clone()) {
            return Err(match &*name {
                "resource" => bad("invalid_target", "only a single resource is supported"),
                _ => bad("invalid_request", "a parameter stands twice"),
            });
        }
        let value = Some(value).filter(|value| !value.is_empty());
        match &*name {
            "grant_type" => request.grant_type = value.unwrap_or_default(),
            "client_id" => request.client_id = value,
            "client_secret" => request.client_secret = value,
            "resource" => request.resource = value,
            "organization_id" => request.organization_id = value,
            "scope" => request.scope = value,
            _ => {}
        }
    }
    Ok(request)
}

fn authenticate<'a>(
    registry: &'a Registry,
    headers: &HeaderMap,
    request: &Request,
) -> Result<&'a App, Refusal> {
    let shown = match basic(headers) {
        Some(pair) => Some(pair),
        None => request.client_id.clone().zip(request.client_secret.clone()),
    };
    let app = shown.and_then(|(id, secret)| {
        let known = |app: &&App| app.id == id && app.secret == secret;
        registry.apps.iter().find(known)
    });
    app.ok_or(Refusal(
        StatusCode::UNAUTHORIZED,
        "invalid_client",
        "client authentication failed",
    ))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// The claims of the token that the app gets: its scopes are those that are both asked for and
/// granted, and where none is left the claim is absent.
fn grant(shared: &Shared, app: &App, request: &Request) -> Result<Value, Refusal> {
    let organization = request.organization_id.as_ref();
    if organization.is_some_and(|it| !app.organizations.contains(it)) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "access_denied",
            "app has not associated with the organization",
        ));
    }
    let asked = request.scope.as_deref().unwrap_or_default();
    let scopes: BTreeSet<&str> = asked.split_ascii_whitespace().collect();
    let scopes: Vec<&str> = scopes
        .into_iter()
        .filter(|&scope| app.scopes.contains(scope))
        .collect();
    let scope = scopes.join(" ");
    match (&request.resource, organization) {
        (None, None) => Err(bad(
            "invalid_target",
            "both `resource` and `organization_id` are not provided",
        )),
        (Some(resource), _) if !shared.registry.resources.contains(resource) => Err(bad(
            "invalid_target",
            "resource indicator is missing, or unknown",
        )),
        (None, Some(organization)) => {
            let audience = format!("{ORGANIZATION}{organization}");
            Ok(shared.claims(&app.id, &audience, Some(&scope)))
        }
        (Some(resource), organization) => {
            let scope = Some(&*scope).filter(|scope| !scope.is_empty());
            let mut claims = shared.claims(&app.id, resource, scope);
            if let Some(organization) = organization {
                claims["organization_id"] = json!(organization);
            }
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "https://penstock.example.com";

    fn start() -> Issuer {
        let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect();
        let app = App {
            id: "app".to_owned(),
            secret: "secret".to_owned(),
            scopes: words(&["push:acme", "penstock:read"]),
            organizations: words(&["org"]),
        };
        let registry = Registry {
            resources: words(&[RESOURCE]),
            apps: vec![app],
            url: None,
        };
        Issuer::start("127.0.0.1:0".parse().unwrap(), registry).unwrap()
    }

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        reqwest::Client::new()
    }

    async fn ask(issuer: &Issuer, form: &str, basic: bool) -> (u16, Value) {
        let mut request = client()
            .post(format!("{}/oidc/token", issuer.endpoint()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        if basic {
            request = request.basic_auth("app", Some("secret"));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The claims in an answer; signatures are verified elsewhere.
    fn claims(answer: &Value) -> Value {
        let token = answer["access_token"].as_str().unwrap();
        let part = token.split('.').nth(1).unwrap();
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn scopes_are_what_is_asked_for_and_granted() {
        let issuer = start();
        let grant = format!("grant_type=client_credentials&resource={RESOURCE}");
        for (asked, given) in [
            ("&scope=push:acme", json!("push:acme")),
            ("&scope=push%3Aacme+other", json!("push:acme")),
            ("&scope=other", Value::Null),
            ("", Value::Null),
        ] {
            let (status, answer) = ask(&issuer, &format!("{grant}{asked}"), true).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(claims(&answer)["scope"], given, "{asked}");
            assert_eq!(answer["scope"], given, "{asked}");
            assert_eq!(claims(&answer)["aud"], RESOURCE);
        }
        let form = format!("{grant}&client_id=app&client_secret=secret&organization_id=org");
        let (_, answer) = ask(&issuer, &form, false).await;
        assert_eq!(claims(&answer)["organization_id"], "org");
        let form = "grant_type=client_credentials&organization_id=org";
        let (_, answer) = ask(&issuer, form, true).await;
        assert_eq!(claims(&answer)["aud"], "urn:logto:organization:org");
    }

    #[tokio::test]
    async fn wrong_requests_are_refused_as_logto_refuses_them() {
        let issuer = start();
        let grant = "grant_type=client_credentials";
        let twice = format!("{grant}&resource=a&resource=b");
        let long = format!("{grant}&scope={}", "x".repeat(FORM_BYTES_MAX));
        for (form, basic, status, error) in [
            (grant, true, 400, "invalid_target"),
            (
                &format!("{grant}&resource=https://x"),
                true,
                400,
                "invalid_target",
            ),
            (&twice, true, 400, "invalid_target"),
            (
                &format!("{grant}&organization_id=x"),
                true,
                403,
                "access_denied",
            ),
            (
                &format!("{grant}&resource={RESOURCE}"),
                false,
                401,
                "invalid_client",
            ),
            ("grant_type=password", true, 400, "unsupported_grant_type"),
            ("", true, 400, "unsupported_grant_type"),
            (&long, true, 400, "invalid_request"),
            ("a=\u{e9}\u{0}", true, 400, "invalid_request"),
        ] {
            let (found, answer) = ask(&issuer, form, basic).await;
            assert_eq!(
                (found, &answer["error"]),
                (status, &json!(error)),
                "{form:.60}"
            );
        }
    }

    #[tokio::test]
    async fn keys_pass_through_their_states() {
        let issuer = start();
        let published = async || {
            let answer = client()
                .get(format!("{}/oidc/jwks", issuer.endpoint()))
                .send()
                .await;
            let keys: Value = answer.unwrap().json().await.unwrap();
            let kids = keys["keys"].as_array().unwrap().iter();
            kids.map(|key| key["kid"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let first = issuer.kid();
        assert_eq!(published().await, [&*first]);
        issuer.stage();
        assert_eq!((issuer.kid(), published().await.len()), (first.clone(), 2));
        issuer.rotate();
        let second = issuer.kid();
        assert_eq!(published().await, [&*second, &*first]);
        issuer.rotate();
        assert_eq!(published().await, [issuer.kid(), second]);
        assert_eq!(issuer.jwks_requests(), 4);
    }
}
