//! Tells callers that their appends are durable.
//!
//! To wake a task from a thread outside of the runtime means to wake a worker, an interrupt of
//! another processor and with it dearer than the append itself. So the appender hands the answers
//! of a group over as one, and a task of the runtime ([`Answers::run`]) wakes the callers from
//! within. Where nobody runs that task the appender wakes them itself.
//!
//! Invariant: an answer that was handed over is given, also when the task is dropped.

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::ticket::{Answer, Appended};

/// Groups that wait for the task; with more the appender answers itself.
const GROUPS_MAX: usize = 16;

/// The answers of one group.
pub(super) type Group = Vec<(Answer, Appended)>;

/// The appender's end.
#[derive(Debug, Default)]
pub(super) struct Answering(Mutex<Option<mpsc::Sender<Group>>>);

impl Answering {
    /// Answers a group.
    pub(super) fn answer(&self, group: Group) {
        // For one caller there is nothing to save.
        let sender = match group.len() {
            0 | 1 => None,
            _ => self.0.lock().clone(),
        };
        let refused = match sender {
            Some(sender) => sender.try_send(group).err().map(TrySendError::into_inner),
            None => Some(group),
        };
        give(refused.unwrap_or_default());
    }

    /// The other end; one that was taken before gets nothing more and ends.
    pub(super) fn answers(&self) -> Answers {
        let (sender, groups) = mpsc::channel(GROUPS_MAX);
        *self.0.lock() = Some(sender);
        Answers { groups }
    }

    /// Ends the task.
    pub(super) fn close(&self) {
        *self.0.lock() = None;
    }
}

fn give(group: Group) {
    for (answer, appended) in group {
        answer.done(appended);
    }
}

/// The part of the log that wakes callers; to be run as one task of the runtime in which they
/// wait. Dropping it is safe at any time.
#[derive(Debug)]
pub struct Answers {
    groups: mpsc::Receiver<Group>,
}

impl Answers {
    /// Runs until the log is closed.
    pub async fn run(mut self) {
        while let Some(group) = self.groups.recv().await {
            give(group);
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.groups.close();
        while let Ok(group) = self.groups.try_recv() {
            give(group);
        }
    }
}
