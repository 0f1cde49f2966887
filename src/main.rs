//! The binary: sets the allocator and hands over to the command line.

use std::process::ExitCode;

/// Gives memory back after bursts, unlike the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    penstock::cli::run()
}
