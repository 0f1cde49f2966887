//! Limits failed logins per caller, so that the password cannot be guessed at line speed.
//!
//! Counts live in memory only; a restart forgives. Behind a proxy all callers share one address
//! and so one count: that protects the password at the price of a minute's wait.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

/// Failures within [`WINDOW_MS`] after which logins from an address are refused unseen. A person
/// mistypes a few times; ten a minute leave a guesser no chance.
const FAILURES_MAX: u32 = 10;
/// How long failures count.
const WINDOW_MS: i64 = 60_000;
/// Addresses remembered at once; the oldest is forgotten beyond. About 64 bytes each.
const ADDRESSES_MAX: usize = 4096;

/// Failures of one address.
#[derive(Debug, Clone, Copy)]
struct Window {
    began_ms: i64,
    failures: u32,
}

/// Who failed to log in lately.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<HashMap<IpAddr, Window>>);

impl Logins {
    /// `Some(milliseconds to wait)` while logins from `peer` are refused.
    pub(super) fn refused_for_ms(&self, peer: IpAddr, now_ms: i64) -> Option<i64> {
        let windows = self.0.lock();
        let window = windows.get(&network(peer))?;
        let left_ms = window.began_ms.saturating_add(WINDOW_MS) - now_ms;
        (window.failures >= FAILURES_MAX && left_ms > 0).then_some(left_ms)
    }

    /// Counts a failed login.
    pub(super) fn failed(&self, peer: IpAddr, now_ms: i64) {
        let mut windows = self.0.lock();
        let peer = network(peer);
        if !windows.contains_key(&peer) && windows.len() >= ADDRESSES_MAX {
            windows.retain(|_, window| now_ms - window.began_ms < WINDOW_MS);
            let oldest = windows.iter().min_by_key(|(_, window)| window.began_ms);
            if let (true, Some(oldest)) = (windows.len() >= ADDRESSES_MAX, oldest.map(|o| *o.0)) {
                windows.remove(&oldest);
            }
        }
        let fresh = Window {
            began_ms: now_ms,
            failures: 0,
        };
        let window = windows.entry(peer).or_insert(fresh);
        if now_ms - window.began_ms >= WINDOW_MS {
            *window = fresh;
        }
        window.failures = window.failures.saturating_add(1);
    }

    /// Forgets the failures of `peer`, who has logged in.
    pub(super) fn succeeded(&self, peer: IpAddr) {
        self.0.lock().remove(&network(peer));
    }
}

/// What is counted together: an IPv4 address, or the /64 an IPv6 host can choose addresses from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn ten_failures_refuse_an_address_for_the_rest_of_the_minute() {
        let logins = Logins::default();
        for _ in 0..9 {
            logins.failed(PEER, 0);
        }
        assert_eq!(logins.refused_for_ms(PEER, 0), None);
        logins.failed(PEER, 1_000);
        assert_eq!(logins.refused_for_ms(PEER, 1_000), Some(59_000));
        assert_eq!(
            logins.refused_for_ms("192.0.2.2".parse().unwrap(), 1_000),
            None
        );
        assert_eq!(logins.refused_for_ms(PEER, 60_000), None);
        logins.failed(PEER, 60_000);
        assert_eq!(logins.refused_for_ms(PEER, 60_000), None);
    }

    #[test]
    fn a_login_forgives_and_the_table_stays_bounded() {
        let logins = Logins::default();
        for _ in 0..10 {
            logins.failed(PEER, 0);
        }
        logins.succeeded(PEER);
        assert_eq!(logins.refused_for_ms(PEER, 0), None);
        for i in 0..10_000_u32 {
            logins.failed(IpAddr::V4(i.into()), i64::from(i) / 1000);
        }
        assert_eq!(logins.0.lock().len(), ADDRESSES_MAX);
    }
}
