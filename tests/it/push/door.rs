//! A server with an issuer whose tokens it takes, and the ways to push to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use penstock::auth::{Algorithm, Signer};
use serde_json::{Value, json};

use crate::support::{Penstock, Setup, run};

pub(crate) const RESOURCE: &str = "https://penstock.test";
const LIMIT: Duration = Duration::from_secs(60);

/// Answers for the configuration and the keys of an issuer. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Issuer {
    address: String,
    signer: Signer,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Issuer {
    pub(crate) fn start() -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let signer = Signer::generate(Algorithm::Es384);
        let oidc = format!("http://{address}/oidc");
        let configuration = json!({"issuer": oidc, "jwks_uri": format!("{oidc}/jwks")});
        let keys = json!({"keys": [signer.jwk()]});
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // A caller that goes away is no failure of the issuer.
                drop(stream.and_then(|stream| answer(stream, &configuration, &keys)));
            }
        });
        Issuer {
            address,
            signer,
            is_over,
            server: Some(server),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token of the app `crm` with these scopes.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.token_with(scope, &json!({}))
    }

    /// The same with claims changed or added.
    pub(crate) fn token_with(&self, scope: &str, more: &Value) -> String {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut claims = json!({
            "jti": "1", "sub": "crm", "client_id": "crm", "iat": now_s, "exp": now_s + 3600,
            "iss": format!("{}/oidc", self.endpoint()), "aud": RESOURCE, "scope": scope,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signer.token(&claims)
    }

    pub(crate) fn settings(&self, setup: Setup) -> Setup {
        setup
            .env("PENSTOCK_LOGTO_ENDPOINT", &self.endpoint())
            .env("PENSTOCK_LOGTO_RESOURCE", RESOURCE)
            .env("PENSTOCK_ADMIN_PASSWORD", "secret")
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the accept.
        drop(TcpStream::connect(&self.address));
        if let Some(server) = self.server.take() {
            drop(server.join());
        }
    }
}

fn answer(mut stream: TcpStream, configuration: &Value, keys: &Value) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    }
    let is_keys = head.starts_with(b"GET /oidc/jwks ");
    let body = if is_keys { keys } else { configuration }.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A server that takes pushes.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) issuer: Issuer,
    pub(crate) penstock: Penstock,
}

/// What curl got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// Status line and header lines.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Door {
    /// With these declarations.
    pub(crate) fn open(topics: &str) -> Door {
        let issuer = Issuer::start();
        let mut penstock = issuer.settings(Setup::new()).build();
        std::fs::write(penstock.path("topics.yaml"), topics).unwrap();
        penstock.start();
        Door { issuer, penstock }
    }

    /// `curl -i` with `words` on a path.
    #[track_caller]
    pub(crate) fn curl(&self, path: &str, words: &[&str]) -> Got {
        curl(self.penstock.address("http"), path, words)
    }

    /// Pushes `body` with a token for the name and more words for curl.
    #[track_caller]
    pub(crate) fn push(&self, name: &str, body: &str, more: &[&str]) -> Got {
        let token = self.issuer.token(&format!("push:{name}"));
        let bearer = format!("Authorization: Bearer {token}");
        let mut words = vec!["-H", &bearer, "--data-binary", body];
        if !more
            .iter()
            .any(|word| word.to_lowercase().starts_with("content-type"))
        {
            words.extend(["-H", "Content-Type: application/json"]);
        }
        words.extend(more);
        self.curl(&format!("/push/{name}"), &words)
    }
}

#[track_caller]
pub(crate) fn curl(address: &str, path: &str, words: &[&str]) -> Got {
    let mut curl = Command::new("curl");
    curl.args(["-i", "-sS", "--path-as-is", "--max-time", "50"])
        .args(words)
        .arg(format!("http://{address}{path}"));
    let text = run(&mut curl, LIMIT).ok("curl");
    let mut rest = text.as_str();
    // A body that waits for a go-ahead has a head of its own before the answer.
    while let Some(behind) = rest.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
        rest = behind;
    }
    let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Got {
        status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
        head: head.replace('\r', ""),
        body: body.to_owned(),
    }
}
