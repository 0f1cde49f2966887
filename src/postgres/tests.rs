//! The folder against a real server.

mod catalog;
mod connect;
mod hostile;
mod preflight;
mod publication;
mod slot;
mod snapshot;
mod stream;
