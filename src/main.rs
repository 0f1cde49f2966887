//! The binary: sets the allocator and hands over to the command line.

use std::process::ExitCode;

/// Gives memory back after bursts, unlike the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A huge page of 2 MiB would be taken where a thread needs a few KiB: 11 MB of an idle server.
    // Where it cannot be switched off the server runs all the same.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    penstock::cli::run()
}
