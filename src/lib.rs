//! Penstock (architecture chapter follows).

pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod convert;
pub mod error;
pub mod event;
pub mod group;
pub mod kafka;
pub mod log;
pub mod lsn;
pub mod metrics;
pub mod postgres;
pub mod record;
pub mod serve;
pub mod tasks;
pub mod topic;
