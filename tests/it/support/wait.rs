//! Waiting for a condition, with a deadline that prints the last state seen.

use std::time::{Duration, Instant};

/// Between two looks at a condition; short against everything that is waited for here.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Calls `look` until it gives a value; an `Err` is the state to print if that never happens.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(state) if begin.elapsed() > limit => {
                panic!("waited {limit:?} for {what}; last seen: {state}")
            }
            Err(_) => pause(LOOK_AGAIN),
        }
    }
}

/// Lets time pass: between two looks, between two faults, at the pace of a load. Never to hope
/// that something has happened meanwhile.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the tests that sleeps; conditions go through wait_until"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
