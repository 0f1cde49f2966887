//! The folder against a real server.

mod connect;
mod stream;
