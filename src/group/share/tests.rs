//! Shared groups over a real log.
