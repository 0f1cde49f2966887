//! Heartbeat: a member says that it lives, and learns of a rebalance.

use super::group::{Group, Now, Phase};
use crate::group::error::Error;

/// What a member says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat<'a> {
    /// Id of the member.
    pub member: &'a str,
    /// Its generation.
    pub generation: i32,
    /// Its instance id.
    pub instance: Option<&'a str>,
}

impl Group {
    /// Takes a heartbeat; `RebalanceInProgress` asks the member to join again.
    pub fn heartbeat(&mut self, now: Now, beat: Heartbeat<'_>) -> Result<(), Error> {
        self.check_member(beat.member, beat.instance)?;
        self.check_generation(beat.generation)?;
        self.touch(beat.member, now);
        match self.phase {
            Phase::Empty => Err(Error::UnknownMember),
            Phase::PreparingRebalance => Err(Error::RebalanceInProgress),
            // The member has its JoinGroup answer and may beat before it synced.
            Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }
}
