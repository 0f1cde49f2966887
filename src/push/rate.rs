//! How often each integration may push: a GCRA for each declared rate.
//!
//! Bounded by the declarations: a name without a declared rate has no entry, and entries of rates
//! that changed or went are taken away with the first look after.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use parking_lot::Mutex;

use super::error::{Error, Quota};
use super::name::Name;
use crate::config::topics::{Declarations, Rate};

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// All limiters.
#[derive(Debug, Default)]
pub(super) struct Rates {
    limiters: Mutex<HashMap<Name, (Rate, Arc<Limiter>)>>,
    clock: DefaultClock,
}

impl Rates {
    /// Takes a turn of `name`; `None` where it has no rate.
    pub(super) fn take(&self, name: &Name, rate: Option<Rate>) -> Result<Option<Quota>, Error> {
        let Some(rate) = rate else {
            return Ok(None);
        };
        let Some(limiter) = self.limiter(name, rate) else {
            return Ok(None);
        };
        let quota = |remaining, wait_seconds| Quota {
            requests: rate.requests,
            seconds: rate.seconds,
            remaining,
            wait_seconds,
        };
        match limiter.check() {
            Ok(state) => Ok(Some(quota(state.remaining_burst_capacity(), 0))),
            Err(early) => {
                let wait = early.wait_time_from(self.clock.now());
                let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(Error::Rate {
                    name: name.clone(),
                    quota: quota(0, wait_seconds.max(1)),
                })
            }
        }
    }

    fn limiter(&self, name: &Name, rate: Rate) -> Option<Arc<Limiter>> {
        let mut limiters = self.limiters.lock();
        if let Some((known, limiter)) = limiters.get(name)
            && *known == rate
        {
            return Some(limiter.clone());
        }
        let period = Duration::from_secs(rate.seconds.max(1).into()) / rate.requests.max(1);
        let quota = governor::Quota::with_period(period.max(Duration::from_nanos(1)))?
            .allow_burst(NonZeroU32::new(rate.burst.max(1))?);
        let limiter = RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>();
        let limiter = Arc::new(limiter);
        limiters.insert(name.clone(), (rate, limiter.clone()));
        Some(limiter)
    }

    /// Forgets limiters of what is not declared any more.
    pub(super) fn keep(&self, declared: &Declarations) {
        self.limiters
            .lock()
            .retain(|name, _| declared.integration(name.as_str()).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_wait_is_told() {
        let rates = Rates::default();
        let name = Name::parse("acme").unwrap();
        let rate = Some(Rate {
            requests: 1,
            seconds: 60,
            burst: 2,
        });
        assert_eq!(rates.take(&name, None).unwrap(), None);
        assert_eq!(rates.take(&name, rate).unwrap().unwrap().remaining, 1);
        assert_eq!(rates.take(&name, rate).unwrap().unwrap().remaining, 0);
        let Err(Error::Rate { quota, .. }) = rates.take(&name, rate) else {
            panic!("the third is too early");
        };
        assert!((1..=60).contains(&quota.wait_seconds), "{quota:?}");
        let other = Name::parse("other").unwrap();
        assert!(rates.take(&other, rate).is_ok());
        rates.keep(&Declarations::default());
        assert!(rates.limiters.lock().is_empty());
    }
}
