//! Asks for TLS and sets it up.
//!
//! After `SSLRequest` exactly one byte is read from the socket, so whatever an attacker slipped in
//! behind it ends up in the handshake and breaks it (CVE-2021-23222).

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::roots;
use super::stream::Stream;
use super::trust::{Trust, Verifier};
use crate::config::SslMode;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::Error;

/// What to do where the server has no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Insist {
    /// Go on in plain text.
    IfOffered,
    /// Fail.
    Always,
}

/// Asks the server for TLS and sets it up.
pub(super) async fn negotiate(
    mut socket: TcpStream,
    config: &ConnectionConfig,
    insist: Insist,
) -> Result<Stream, Error> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(lost)?;
    match socket.read_u8().await.map_err(lost)? {
        b'S' => handshake(socket, config).await,
        b'N' if insist == Insist::IfOffered => Ok(Stream::Tcp(socket)),
        b'N' => Err(Error::TlsNotOffered {
            address: config.address(),
        }),
        // Also an 'E': a server that is out of processes cannot be told from an attacker yet.
        answer => Err(Error::protocol(format!(
            "{:?} is no answer to a request for TLS",
            char::from(answer)
        ))),
    }
}

async fn handshake(socket: TcpStream, config: &ConnectionConfig) -> Result<Stream, Error> {
    let failed = |source| Error::Tls {
        address: config.address(),
        source,
    };
    let name = ServerName::try_from(config.host.clone())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let connector = TlsConnector::from(Arc::new(client_config(config)?));
    connector
        .connect(name, socket)
        .await
        .map(|stream| Stream::Tls(Box::new(stream)))
        .map_err(failed)
}

fn client_config(config: &ConnectionConfig) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(trust(config)?, &provider);
    let refused = |error: rustls::Error| Error::Tls {
        address: config.address(),
        source: io::Error::other(error),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(certificate) = &config.sslcert else {
        return Ok(builder.with_no_client_auth());
    };
    // As in libpq, the key may stand in the certificate's file.
    let key = config.sslkey.as_ref().unwrap_or(certificate);
    builder
        .with_client_auth_cert(roots::certificates(certificate)?, private_key(key)?)
        .map_err(|error| roots::unusable(certificate, error))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| roots::unusable(path, error))
}

fn trust(config: &ConnectionConfig) -> Result<Trust, Error> {
    let file = config.sslrootcert.as_deref();
    Ok(match config.sslmode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Trust::Anybody,
        SslMode::Require => match file {
            Some(path) => Trust::Chain(roots::load(Some(path))?),
            None => Trust::Anybody,
        },
        SslMode::VerifyCa => Trust::Chain(roots::load(file)?),
        SslMode::VerifyFull => Trust::ChainAndName(roots::load(file)?),
    })
}

fn lost(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::Closed,
        // Every other kind is told as it is.
        _ => Error::Lost { source },
    }
}
