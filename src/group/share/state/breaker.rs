//! Pauses a group whose records fail in a flood, so that a broken consumer does not drain its
//! topics into the dead letters.
//!
//! While a group is paused it is given no records. Leases run on, and what its members say still
//! counts: at most the records in flight become dead letters in a pause. A restart or a seek ends
//! a pause.

use std::collections::VecDeque;

/// Finished records that are looked at.
const FINISHED: usize = 100;
/// So many dead letters among them are a flood.
const DEAD_MAX: usize = 50;
/// Only what was finished within this time counts.
const WITHIN_MS: i64 = 60_000;
/// The first pause.
const PAUSE_MS: i64 = 60_000;
/// The longest pause.
const PAUSE_MS_MAX: i64 = 600_000;

/// Watches what becomes of a group's records.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// When records were finished, on the timer, and whether they became dead letters.
    finished: VecDeque<(i64, bool)>,
    /// Finished since the last pause began, up to [`FINISHED`].
    since_pause: usize,
    paused_until_ms: i64,
    pause_ms: i64,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker {
            finished: VecDeque::new(),
            since_pause: 0,
            paused_until_ms: i64::MIN,
            pause_ms: PAUSE_MS,
        }
    }
}

impl Breaker {
    /// A record is done. Whether this began a pause.
    pub fn finished(&mut self, timer_ms: i64, is_dead: bool) -> bool {
        if self.paused_until(timer_ms).is_some() {
            return false;
        }
        self.since_pause = self.since_pause.saturating_add(1);
        if self.since_pause == FINISHED {
            // As many as a flood is measured by went through since the last pause.
            self.pause_ms = PAUSE_MS;
        }
        self.finished.push_back((timer_ms, is_dead));
        if self.finished.len() > FINISHED {
            self.finished.pop_front();
        }
        let recent = |at_ms: i64| timer_ms.saturating_sub(at_ms) <= WITHIN_MS;
        let dead = self
            .finished
            .iter()
            .filter(|(at_ms, dead)| *dead && recent(*at_ms));
        if dead.count() < DEAD_MAX {
            return false;
        }
        self.paused_until_ms = timer_ms.saturating_add(self.pause_ms);
        self.pause_ms = self.pause_ms.saturating_mul(2).min(PAUSE_MS_MAX);
        self.finished.clear();
        self.since_pause = 0;
        true
    }

    /// Until when the group is paused, on the timer; `None` while it is not.
    #[must_use]
    pub fn paused_until(&self, timer_ms: i64) -> Option<i64> {
        (timer_ms < self.paused_until_ms).then_some(self.paused_until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &mut Breaker, at_ms: i64, count: usize) -> bool {
        (0..count).any(|_| breaker.finished(at_ms, true))
    }

    #[test]
    fn a_flood_of_dead_letters_pauses_twice_as_long_each_time() {
        let mut breaker = Breaker::default();
        assert!(!fail(&mut breaker, 0, 49));
        assert_eq!(breaker.paused_until(0), None);
        assert!(breaker.finished(10, true));
        assert_eq!(breaker.paused_until(10), Some(60_010));
        assert_eq!(breaker.paused_until(60_010), None);
        assert!(fail(&mut breaker, 60_010, 50));
        assert_eq!(breaker.paused_until(60_010), Some(180_010));
        let mut at = 180_010;
        for _ in 0..6 {
            assert!(fail(&mut breaker, at, 50));
            at = breaker.paused_until(at).unwrap();
        }
        assert!(fail(&mut breaker, at, 50));
        assert_eq!(breaker.paused_until(at), Some(at + 600_000));
    }

    #[test]
    fn single_failures_and_slow_ones_do_not_pause() {
        let mut breaker = Breaker::default();
        for at in 0..10_000 {
            assert!(!breaker.finished(at, at % 3 == 0));
        }
        let mut slow = Breaker::default();
        for at in 0..1_000 {
            assert!(!slow.finished(at * 2_000, true));
        }
    }

    #[test]
    fn a_hundred_records_that_went_through_make_the_next_pause_short_again() {
        let mut breaker = Breaker::default();
        assert!(fail(&mut breaker, 0, 50));
        for _ in 0..100 {
            breaker.finished(60_000, false);
        }
        assert!(fail(&mut breaker, 60_000, 50));
        assert_eq!(breaker.paused_until(60_000), Some(120_000));
    }
}
