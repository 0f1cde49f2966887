//! Who may commit offsets.

use super::group::{Group, Now, Phase};
use crate::group::error::Error;

/// Who commits. Consumers without group management and administrators have generation -1 and no
/// member id.
#[derive(Debug, Clone, Copy)]
pub struct Committer<'a> {
    /// Id of the member, or empty.
    pub member: &'a str,
    /// Its generation, or -1.
    pub generation: i32,
    /// Its instance id.
    pub instance: Option<&'a str>,
}

impl Committer<'_> {
    /// Somebody outside of the group's membership.
    pub const OUTSIDE: Committer<'static> = Committer {
        member: "",
        generation: -1,
        instance: None,
    };
}

impl Group {
    /// Checks that `by` may commit now, and counts the commit as a sign of life. A member of an
    /// older generation is refused: its partitions may have another reader by now.
    pub fn check_commit(&mut self, now: Now, by: Committer<'_>) -> Result<(), Error> {
        if by.generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if by.generation < 0 && by.member.is_empty() && by.instance.is_none() {
            return Err(Error::UnknownMember);
        }
        self.check_member(by.member, by.instance)?;
        self.check_generation(by.generation)?;
        if self.phase == Phase::CompletingRebalance {
            return Err(Error::RebalanceInProgress);
        }
        self.touch(by.member, now);
        Ok(())
    }
}
