//! An issuer of tokens behind a front that can be made to fail.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use penstock::app::{App, Issuer, Registry};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// The resource that tokens are for.
pub(crate) const RESOURCE: &str = "https://penstock.example.com";

/// What is in the way of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Connections are closed at once.
    Away,
    /// Answers 500.
    Error,
    /// Answers a page for people.
    Html,
    /// Answers without end.
    Huge,
    /// Never answers.
    Hang,
}

struct Front {
    fault: Mutex<Fault>,
    connections: Mutex<JoinSet<()>>,
    issuer: SocketAddr,
}

/// A running issuer.
pub(crate) struct Logto {
    pub(crate) issuer: Issuer,
    front: Arc<Front>,
    // Last: it drives the others.
    _runtime: Runtime,
}

impl Logto {
    /// With the app `app`, whose secret is `secret`, and these scopes.
    pub(crate) fn start(scopes: &[&str]) -> Logto {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let any = || SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(TcpListener::bind(any())).unwrap();
        let behind = std::net::TcpListener::bind(any())
            .unwrap()
            .local_addr()
            .unwrap();
        let registry = Registry {
            resources: [RESOURCE.to_owned()].into(),
            apps: vec![App {
                id: "app".to_owned(),
                secret: "secret".to_owned(),
                scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
                organizations: ["org".to_owned()].into(),
            }],
            url: Some(format!("http://{}", listener.local_addr().unwrap())),
        };
        let issuer = Issuer::start(behind, registry).unwrap();
        let front = Arc::new(Front {
            fault: Mutex::new(Fault::None),
            connections: Mutex::default(),
            issuer: behind,
        });
        runtime.spawn(accept(listener, front.clone()));
        Logto {
            issuer,
            front,
            _runtime: runtime,
        }
    }

    /// From now on; connections that stand are cut.
    pub(crate) fn fail(&self, fault: Fault) {
        *self.front.fault.lock().unwrap() = fault;
        let connections = self.front.connections.lock();
        connections
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }

    /// A token of `app` for [`RESOURCE`].
    pub(crate) fn token(&self, scope: &str) -> String {
        self.issuer.sign(&self.claims(scope))
    }

    /// What such a token says.
    pub(crate) fn claims(&self, scope: &str) -> Value {
        self.issuer.claims("app", RESOURCE, scope)
    }
}

async fn accept(listener: TcpListener, front: Arc<Front>) {
    while let Ok((stream, _)) = listener.accept().await {
        let fault = *front.fault.lock().unwrap();
        let behind = front.issuer;
        front
            .connections
            .lock()
            .unwrap()
            .spawn(serve(stream, behind, fault));
    }
}

async fn serve(mut stream: TcpStream, issuer: SocketAddr, fault: Fault) {
    if fault == Fault::None {
        if let Ok(mut behind) = TcpStream::connect(issuer).await {
            drop(tokio::io::copy_bidirectional(&mut stream, &mut behind).await);
        }
        return;
    }
    if fault == Fault::Away {
        return;
    }
    let mut request = [0; 4096];
    drop(stream.read(&mut request).await);
    let head = match fault {
        Fault::Error => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
        Fault::Html => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        _ => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    };
    if fault != Fault::Hang {
        drop(stream.write_all(head.as_bytes()).await);
    }
    while fault == Fault::Huge && stream.write_all(&[b' '; 8192]).await.is_ok() {}
    // Ends when the caller gives up.
    drop(stream.read(&mut request).await);
}
