//! Pushes, from outside: a real server, tokens of an issuer on loopback, curl, and readers.

mod bodies;
mod door;
mod hostile;
mod keys;
mod table;

pub(crate) use keys::kills;
