//! One timer for all waits of a connection.
//!
//! A connection waits for headers, for a body, for an append, and nearly every wait ends long
//! before its time. To put each into the runtime's timers and to take it out again takes a lock
//! that all connections share, twice. So a connection keeps one timer: a wait that ends later than
//! it is set leaves it alone, and it is set anew only when it goes off.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection, for one task. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(Arc<Mutex<Timer>>);

#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// It will wake the task, and need not be asked to again.
    is_set: bool,
}

/// Resolves at its time.
#[derive(Debug)]
struct Until {
    timer: Waits,
    at: Instant,
}

impl Waits {
    /// The outcome of `work`, or `None` where it takes longer than `time`. As cancel safe as
    /// `work` is.
    pub(super) async fn within<F>(&self, time: Duration, mut work: F) -> Option<F::Output>
    where
        F: Future + Unpin,
    {
        let mut end = None;
        poll_fn(|context| {
            if let Poll::Ready(outcome) = Pin::new(&mut work).poll(context) {
                return Poll::Ready(Some(outcome));
            }
            let end = end.get_or_insert_with(|| self.until(Instant::now() + time));
            Pin::new(end).poll(context).map(|()| None)
        })
        .await
    }

    fn until(&self, at: Instant) -> Until {
        let timer = self.clone();
        Until { timer, at }
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.0.lock();
        let Timer { sleep, is_set } = &mut *timer;
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(self.at)));
        if sleep.deadline() > self.at {
            sleep.as_mut().reset(self.at);
            *is_set = false;
        }
        if *is_set && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            *is_set = sleep.as_mut().poll(context).is_pending();
            if *is_set {
                return Poll::Pending;
            }
            if sleep.deadline() >= self.at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.at);
        }
    }
}

impl hyper::rt::Sleep for Until {}

impl hyper::rt::Timer for Waits {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.until(Instant::now() + time))
    }

    fn sleep_until(&self, at: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.until(at.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn each_wait_ends_at_its_own_time() {
        let waits = Waits::default();
        for ms in [40, 120, 5, 60, 10] {
            let time = Duration::from_millis(ms);
            assert_eq!(waits.within(time, ready(ms)).await, Some(ms));
            let before = Instant::now();
            assert_eq!(waits.within(time, pending::<()>()).await, None);
            assert!(before.elapsed() >= time, "{ms}");
        }
    }

    #[tokio::test]
    async fn a_wait_that_ends_early_leaves_the_next_its_whole_time() {
        let waits = Waits::default();
        let time = Duration::from_millis(50);
        for _ in 0..5 {
            let short = pin!(tokio::time::sleep(Duration::from_millis(1)));
            let long = Duration::from_secs(60);
            assert_eq!(waits.within(long, short).await, Some(()));
        }
        let before = Instant::now();
        hyper::rt::Timer::sleep(&waits, time).await;
        assert!(before.elapsed() >= time);
        // Not that of a wait that has ended.
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}
