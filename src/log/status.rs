//! Whether appends are taken, and why not.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::config::DiskFloors;
use super::disk::{Disk, Space};
use super::error::Error;
use super::ticket::Origin;
use crate::clock::Clock;

/// Whether appends are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// They are.
    Writable,
    /// Reads go on, appends from outside are refused.
    Refusing {
        /// Why.
        reason: String,
        /// Since when.
        since_ms: i64,
    },
}

/// Free space and floor, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes an ordinary process may still use.
    pub free: u64,
    /// Below this appends from outside are refused.
    pub floor: u64,
}

/// What can stop appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Writing or syncing the journal failed.
    Journal,
    /// Segments cannot be written or checkpointed.
    Segments,
    /// The disk is below the floor.
    Disk,
}

#[derive(Debug, Clone)]
struct Trouble {
    part: Part,
    reason: String,
    since_ms: i64,
}

/// The state, shared by appender, writer and callers.
#[derive(Debug)]
pub(super) struct Status {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    dir: PathBuf,
    floors: DiskFloors,
    troubles: Mutex<Vec<Trouble>>,
}

impl Status {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        dir: PathBuf,
        floors: DiskFloors,
    ) -> Status {
        Status {
            disk,
            clock,
            dir,
            floors,
            troubles: Mutex::default(),
        }
    }

    /// Notes that a part fails; the first reason and time stay until it works again.
    pub(super) fn failed(&self, part: Part, reason: impl Into<String>) {
        let mut troubles = self.troubles.lock();
        if troubles.iter().all(|t| t.part != part) {
            let reason = reason.into();
            tracing::error!(?part, reason, "the log refuses appends; reads go on");
            troubles.push(Trouble {
                part,
                reason,
                since_ms: self.clock.now_ms(),
            });
        }
    }

    /// Notes that a part works.
    pub(super) fn works(&self, part: Part) {
        let mut troubles = self.troubles.lock();
        if troubles.iter().any(|t| t.part == part) {
            tracing::info!(?part, "the log takes appends again");
            troubles.retain(|t| t.part != part);
        }
    }

    /// The time.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Why a part fails, if it does.
    pub(super) fn reason(&self, part: Part) -> Option<String> {
        let troubles = self.troubles.lock();
        let trouble = troubles.iter().find(|t| t.part == part);
        trouble.map(|t| t.reason.clone())
    }

    /// The state now.
    pub(super) fn state(&self) -> State {
        if self.reason(Part::Disk).is_some() {
            self.look_at_disk();
        }
        match self.troubles.lock().first() {
            None => State::Writable,
            Some(trouble) => State::Refusing {
                reason: trouble.reason.clone(),
                since_ms: trouble.since_ms,
            },
        }
    }

    /// Free bytes and floor now.
    pub(super) fn space(&self) -> DiskSpace {
        // A file system that cannot be asked is found out by the next write.
        let space = self.disk.space(&self.dir).unwrap_or(Space {
            free: u64::MAX,
            total: 0,
        });
        DiskSpace {
            free: space.free,
            floor: self.floors.outside(space.total),
        }
    }

    /// Looks at the disk and notes whether it is below the floor.
    pub(super) fn look_at_disk(&self) -> DiskSpace {
        let space = self.space();
        if space.free < space.floor {
            let DiskSpace { free, floor } = space;
            let reason =
                format!("{free} bytes of disk are free, less than the floor of {floor} bytes");
            self.failed(Part::Disk, reason);
        } else {
            self.works(Part::Disk);
        }
        space
    }

    /// Whether an append for `origin` fits the disk.
    pub(super) fn admits(&self, origin: Origin, space: DiskSpace) -> Result<(), Error> {
        let floor = match origin {
            Origin::Outside => space.floor,
            Origin::Inside => self.floors.inside.min(space.floor),
        };
        if space.free < floor {
            return Err(Error::DiskFull {
                free: space.free,
                floor,
            });
        }
        Ok(())
    }
}
