//! Startup and authentication of our own connections: SCRAM-SHA-256 (with channel binding over
//! TLS), MD5 and cleartext passwords.

use std::io;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::{backend, frontend};

use super::inbox::Message;
use super::session::SESSION_SETTINGS;
use super::stream::Stream;
use super::wire::{Wire, unexpected};
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::{Action, Error, ServerError};

/// Before the login is done a message is at most this long, whoever is at the other end.
const LOGIN_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Purpose {
    /// SQL.
    Sql,
    /// Logical replication of the database.
    Replication,
}

/// What the server told about itself while logging in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::postgres) struct Greeting {
    /// `server_version`: `15.4 (Debian ...)`.
    pub(in crate::postgres) server_version: String,
}

/// Logs in on a fresh stream and sets the session up.
pub(in crate::postgres) async fn log_in(
    stream: Stream,
    config: &ConnectionConfig,
    purpose: Purpose,
) -> Result<(Wire, Greeting), Error> {
    let mut login = Login {
        wire: Wire::new(stream),
        config,
        address: config.address(),
    };
    login.startup(purpose).await?;
    login.authenticate().await?;
    let greeting = login.greeting().await?;
    let mut wire = login.wire;
    wire.query(
        SESSION_SETTINGS,
        &Action::Statement("set the database session up"),
    )
    .await?;
    Ok((wire, greeting))
}

struct Login<'a> {
    wire: Wire,
    config: &'a ConnectionConfig,
    address: String,
}

impl<'a> Login<'a> {
    async fn startup(&mut self, purpose: Purpose) -> Result<(), Error> {
        let config = self.config;
        let mut parameters = vec![
            ("user", config.user.as_str()),
            ("database", config.dbname.as_str()),
            ("client_encoding", "UTF8"),
            ("application_name", config.application_name.as_str()),
        ];
        if purpose == Purpose::Replication {
            parameters.push(("replication", "database"));
        }
        self.wire
            .send(|out| frontend::startup_message(parameters, out))
            .await
    }

    async fn authenticate(&mut self) -> Result<(), Error> {
        let (kind, body) = self.request().await?;
        match kind {
            0 => return Ok(()),
            3 => self.send_password(self.password()?.as_bytes()).await?,
            5 => {
                let salt = body
                    .first_chunk::<4>()
                    .ok_or_else(|| self.unsupported("its MD5 request has no salt"))?;
                let (user, password) = (self.config.user.as_bytes(), self.password()?.as_bytes());
                let hash = md5_hash(user, password, *salt);
                self.send_password(hash.as_bytes()).await?;
            }
            10 => self.scram(&body).await?,
            7..=9 => return Err(self.unsupported("the server wants GSSAPI or SSPI")),
            other => {
                return Err(
                    self.unsupported(&format!("the server wants authentication of kind {other}"))
                );
            }
        }
        match self.request().await? {
            (0, _) => Ok(()),
            (other, _) => Err(self.unsupported(&format!(
                "the server goes on with kind {other} where the login should be done"
            ))),
        }
    }

    async fn scram(&mut self, mechanisms: &[u8]) -> Result<(), Error> {
        let offered: Vec<&[u8]> = mechanisms.split(|byte| *byte == 0).collect();
        let has = |name: &str| offered.contains(&name.as_bytes());
        let end_point = self.wire.stream().server_end_point();
        let (mechanism, binding) = match end_point {
            Some(hash) if has(SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash),
            ),
            // "y" tells the server that it could have been asked for: a downgrade shows.
            Some(_) if has(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None if has(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            Some(_) | None => {
                return Err(self.unsupported("the server offers no SCRAM-SHA-256"));
            }
        };
        let mut scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        self.wire
            .send(|out| frontend::sasl_initial_response(mechanism, scram.message(), out))
            .await?;
        let challenge = self.scram_step(11).await?;
        scram
            .update(&challenge)
            .map_err(|error| self.broken(&error))?;
        self.wire
            .send(|out| frontend::sasl_response(scram.message(), out))
            .await?;
        let verifier = self.scram_step(12).await?;
        scram.finish(&verifier).map_err(|error| self.broken(&error))
    }

    async fn scram_step(&mut self, wanted: u32) -> Result<Vec<u8>, Error> {
        match self.request().await? {
            (kind, body) if kind == wanted => Ok(body),
            // Also 0: a server that cannot prove that it knows the password.
            (kind, _) => Err(self.unsupported(&format!(
                "the server sent kind {kind} in the middle of SCRAM"
            ))),
        }
    }

    /// The next authentication request: kind and what follows it.
    async fn request(&mut self) -> Result<(u32, Vec<u8>), Error> {
        let message = self.message().await?;
        if message.tag != backend::AUTHENTICATION_TAG {
            return Err(unexpected(message.tag, "the login"));
        }
        let (kind, rest) = message
            .body
            .split_first_chunk::<4>()
            .ok_or_else(|| Error::protocol("an authentication request without its kind"))?;
        Ok((u32::from_be_bytes(*kind), rest.to_vec()))
    }

    /// Everything between the login and the first `ReadyForQuery`.
    async fn greeting(&mut self) -> Result<Greeting, Error> {
        let mut greeting = Greeting::default();
        loop {
            let message = self.message().await?;
            match message.tag {
                backend::PARAMETER_STATUS_TAG => {
                    let mut parts = message.body.split(|byte| *byte == 0);
                    if parts.next() == Some(b"server_version")
                        && let Some(version) = parts.next()
                    {
                        greeting.server_version = String::from_utf8_lossy(version).into_owned();
                    }
                }
                backend::BACKEND_KEY_DATA_TAG => {}
                // NegotiateProtocolVersion: the server is older than what was asked for.
                b'v' => {}
                backend::READY_FOR_QUERY_TAG => return Ok(greeting),
                tag => return Err(unexpected(tag, "the login")),
            }
        }
    }

    async fn message(&mut self) -> Result<Message, Error> {
        let message = self.wire.receive_within(LOGIN_MESSAGE_BYTES_MAX).await?;
        if message.tag == backend::ERROR_RESPONSE_TAG {
            return Err(ServerError::parse(&message.body).during(&Action::LogIn {
                address: &self.address,
                user: &self.config.user,
                dbname: &self.config.dbname,
            }));
        }
        Ok(message)
    }

    async fn send_password(&mut self, password: &[u8]) -> Result<(), Error> {
        let encode = |out: &mut BytesMut| frontend::password_message(password, out);
        self.wire.send(encode).await
    }

    fn password(&self) -> Result<&'a str, Error> {
        if self.config.password.is_empty() {
            return Err(self.unsupported("the server wants a password and none is set"));
        }
        Ok(self.config.password.expose())
    }

    fn broken(&self, error: &io::Error) -> Error {
        self.unsupported(&format!("SCRAM failed: {error}"))
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::LoginUnsupported {
            address: self.address.clone(),
            user: self.config.user.clone(),
            what: what.to_owned(),
        }
    }
}
