//! The faces: each translates a protocol to calls on the log and the groups, holds no durable
//! state, and knows nothing of the others.

pub mod http;
pub mod kafka;
