//! For this folder's tests: an issuer on a socket that answers what it is told to, and good claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Algorithm, Config, Signer, Tokens};
use crate::clock::ManualClock;
use crate::tasks;

/// RSA last.
pub(super) const EVERY_ALGORITHM: [Algorithm; 5] = [
    Algorithm::Es384,
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Ps256,
    Algorithm::Rs256,
];

pub(super) const NOW_S: i64 = 1_700_000_000;
pub(super) const AUDIENCE: &str = "https://api";

/// What an issuer does when it is asked.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// This status and body, with more header lines.
    Answer(&'static str, String, String),
    /// Bodies without end.
    Endless,
    /// Nothing until the caller gives up.
    Silent,
}

/// Answers every request with its behaviour, and counts.
pub(super) struct Issuer {
    pub(super) url: String,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn answer(status: &'static str, body: impl Into<String>) -> Behaviour {
    Behaviour::Answer(status, String::new(), body.into())
}

/// The keys of these signers.
pub(super) fn keys(signers: &[&Signer]) -> Behaviour {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    answer("200 OK", json!({"keys": keys}).to_string())
}

impl Issuer {
    pub(super) async fn start(behaviour: Behaviour) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(AtomicUsize::new(0));
        let (behaves, counted) = (behaviour.clone(), requests.clone());
        let task = tasks::spawn("issuer", async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let behaviour = behaves.lock().clone();
                connections.spawn(serve(stream, behaviour));
            }
        });
        Issuer {
            url,
            behaviour,
            requests,
            task,
        }
    }

    pub(super) fn now(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// A verifier that asks this issuer for its keys.
    pub(super) fn tokens(&self, clock: Arc<ManualClock>) -> Tokens {
        let config = Config {
            issuers: vec![self.url.clone()],
            audience: AUDIENCE.to_owned(),
            jwks_url: Some(format!("{}/jwks", self.url)),
        };
        Tokens::new(config, clock)
    }

    /// Claims of an app that are good at [`NOW_S`].
    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "app", "client_id": "app", "jti": "1",
            "iat": NOW_S, "exp": NOW_S + 3600, "scope": "push:a",
        })
    }
}

/// One answer a connection.
async fn serve(mut stream: TcpStream, behaviour: Behaviour) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    match behaviour {
        Behaviour::Answer(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
            );
            drop(stream.write_all(text.as_bytes()).await);
        }
        Behaviour::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"keys\":[";
            let mut sent = stream.write_all(head).await;
            while sent.is_ok() {
                sent = stream.write_all(&[b' '; 4096]).await;
            }
        }
        Behaviour::Silent => {
            // Ends when the caller closes.
            let _ = stream.read_u8().await;
        }
    }
}
