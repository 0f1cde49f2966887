//! LeaveGroup: members go, or an administrator takes static ones out by their instance id.

use super::group::{Group, Now, Output};
use crate::group::error::Error;

/// Who leaves.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    /// Id of the member; empty to name it by `instance` alone.
    pub member: String,
    /// Its instance id.
    pub instance: Option<String>,
}

impl Group {
    /// Takes members out; one outcome for each, in their order.
    pub fn leave(
        &mut self,
        now: Now,
        leaving: &[Leaving],
        out: &mut Vec<Output>,
    ) -> Vec<Result<(), Error>> {
        let count = self.members.len();
        let mut outcomes = Vec::with_capacity(leaving.len());
        for who in leaving {
            outcomes.push(self.leave_one(who, out));
        }
        if self.members.len() < count {
            self.members_left(now, out);
        } else {
            self.maybe_complete_join(now, out);
        }
        outcomes
    }

    fn leave_one(&mut self, who: &Leaving, out: &mut Vec<Output>) -> Result<(), Error> {
        let id = match (&who.instance, who.member.is_empty()) {
            (Some(instance), true) => {
                let known = self.instances.get(instance);
                known.cloned().ok_or(Error::UnknownMember)?
            }
            (Some(instance), false) => {
                self.check_member(&who.member, Some(instance))?;
                who.member.clone()
            }
            (None, _) if self.pending.remove(&who.member).is_some() => return Ok(()),
            (None, _) => {
                self.check_member(&who.member, None)?;
                who.member.clone()
            }
        };
        self.remove_member(&id, out);
        Ok(())
    }
}
