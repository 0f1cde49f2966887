//! Which setting of a file decides what becomes of a change that cannot be written.
//!
//! In Debezium a failure while an event is made is a matter of its own settings, and one behind
//! that (the converter, the producer with its largest request) is Kafka Connect's. Here both kinds
//! have one way out, the connector's dead letters, so that whoever sets one of the settings gets
//! it for both; the kind's own setting wins where both are given:
//!
//! | failure | decided by the first of these that is set | with none of them |
//! |---|---|---|
//! | a row cannot be converted | `event.converting.failure.handling.mode` and `event.processing.failure.handling.mode` (`fail` in one of them stops), `errors.tolerance` | the connector stops |
//! | a change is too large | `errors.tolerance`, `event.processing.failure.handling.mode` | the connector stops |
//!
//! `errors.tolerance=all` and `warn` make a dead letter and a warning, `skip` and `ignore` a dead
//! letter alone.
//!
//! # Why the default of `event.converting.failure.handling.mode` counts for nothing
//! Debezium's is `warn`: the event goes out with null in place of the value. A consumer cannot tell
//! such a null from a real one, so none is made up here, and a file that asks for nothing stops.

use crate::config::connector::{Failures, OnFailure};

/// What a file asks for; `None` where it does not set the key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// `errors.tolerance`.
    pub(super) tolerance: Option<OnFailure>,
    /// `event.processing.failure.handling.mode`.
    pub(super) processing: Option<OnFailure>,
    /// `event.converting.failure.handling.mode`.
    pub(super) converting: Option<OnFailure>,
}

impl Asked {
    pub(super) fn decide(self) -> Failures {
        let modes = [self.converting, self.processing];
        let own = match modes.contains(&Some(OnFailure::Stop)) {
            true => Some(OnFailure::Stop),
            false => self.converting.or(self.processing),
        };
        Failures {
            unconvertible: own.or(self.tolerance).unwrap_or_default(),
            too_large: self.tolerance.or(self.processing).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_own_setting_decides_before_the_other() {
        use OnFailure::{DeadLetter, QuietDeadLetter, Stop};
        let (all, none) = (Some(DeadLetter), Some(Stop));
        let (fail, warn, skip) = (Some(Stop), Some(DeadLetter), Some(QuietDeadLetter));
        // Tolerance, processing, converting; unconvertible, too large.
        for (tolerance, processing, converting, unconvertible, too_large) in [
            (None, None, None, Stop, Stop),
            (none, None, None, Stop, Stop),
            (all, None, None, DeadLetter, DeadLetter),
            (None, fail, None, Stop, Stop),
            (None, warn, None, DeadLetter, DeadLetter),
            (None, skip, None, QuietDeadLetter, QuietDeadLetter),
            (none, warn, None, DeadLetter, Stop),
            (none, skip, None, QuietDeadLetter, Stop),
            (all, fail, None, Stop, DeadLetter),
            (all, skip, None, QuietDeadLetter, DeadLetter),
            (None, None, fail, Stop, Stop),
            (None, None, warn, DeadLetter, Stop),
            (all, None, fail, Stop, DeadLetter),
            (all, warn, fail, Stop, DeadLetter),
            (all, fail, warn, Stop, DeadLetter),
            (None, warn, skip, QuietDeadLetter, DeadLetter),
        ] {
            let asked = Asked {
                tolerance,
                processing,
                converting,
            };
            let wanted = Failures {
                unconvertible,
                too_large,
            };
            assert_eq!(asked.decide(), wanted, "{asked:?}");
        }
    }
}
