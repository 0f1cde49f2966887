//! Ports that stay the same over restarts.
//!
//! They lie below the range from which the kernel takes source ports: a client that dials a
//! server that is down could otherwise be given the server's own port.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below Linux's default `ip_local_port_range` (32768 to 60999), above what is well known.
const LOW: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on, handed out once by this process.
pub(crate) fn free_port() -> u16 {
    // Processes of several checkouts begin at different places.
    let start = u16::try_from((std::process::id() * 37) % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = LOW + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {LOW} and {}", LOW + COUNT);
}
