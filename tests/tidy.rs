//! Reads the source as text and holds it to the rules that no compiler knows: layers, module docs,
//! plain words, and documents that name only what exists.
//!
//! Each test collects everything it finds before it fails. `UPDATE=1 cargo test --test tidy` writes
//! the generated tables of README.md anew in place of comparing them.

#![expect(
    clippy::unwrap_used,
    reason = "this crate is tests only; the lint's own exception does not see helpers outside of #[test]"
)]

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/deployment.rs"]
mod deployment;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/monitoring.rs"]
mod monitoring;
#[path = "tidy/tables.rs"]
mod tables;
#[path = "tidy/tree.rs"]
mod tree;

/// Fails with every finding on a line of its own.
#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} findings\n{}",
        findings.len(),
        findings.join("\n")
    );
}
