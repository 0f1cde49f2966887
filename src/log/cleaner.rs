//! The thread that compacts: started by the writer for one partition at a time, joined by it when
//! it is done, stopped by it when the log closes or the topic is deleted. A panic in it leaves the
//! topic as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::compaction::Cleaned;
use super::error::Error;
use super::partition::Partition;
use super::writer::Writer;
use crate::error::chain;

type CleanerThread = JoinHandle<Result<Cleaned, Error>>;

/// The thread of the compaction that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    pub(super) running: Option<(Arc<Partition>, CleanerThread)>,
    stop: Arc<AtomicBool>,
}

impl Writer {
    /// Takes what a compaction has made and starts the next one that is due.
    pub(super) fn compact(&mut self) -> Result<(), Error> {
        if let Some((partition, thread)) = self.cleaner.running.take() {
            if !thread.is_finished() {
                self.cleaner.running = Some((partition, thread));
                return Ok(());
            }
            self.take_cleaned(&partition, thread)?;
        }
        let stop = Arc::clone(&self.cleaner.stop);
        let Some(job) = self.next_job(&stop)? else {
            return Ok(());
        };
        let files = Arc::clone(&self.shared.files);
        let partition = job.partition();
        let thread = std::thread::Builder::new()
            .name("log-cleaner".to_owned())
            .spawn(move || job.run(&files))
            .map_err(Error::io("start a thread for", &self.dir))?;
        self.cleaner.running = Some((partition, thread));
        Ok(())
    }

    fn take_cleaned(&mut self, partition: &Partition, thread: CleanerThread) -> Result<(), Error> {
        match thread.join() {
            Ok(Ok(cleaned)) => self.install(cleaned),
            Ok(Err(error)) => {
                self.put_off_compaction(partition, &chain(&error));
                Ok(())
            }
            Err(_) => {
                self.put_off_compaction(partition, "its thread panicked");
                Ok(())
            }
        }
    }

    /// Compaction of a partition failed: it is tried again once as much has been written again.
    fn put_off_compaction(&mut self, partition: &Partition, error: &str) {
        tracing::warn!(topic = %partition.topic, partition = %partition.id, error,
            "a compaction failed; the topic stays as it is");
        let key = (partition.topic_id, partition.id.0);
        if let Some(store) = self.stores.get_mut(&key) {
            store.dirty_bytes = 0;
        }
    }

    /// Ends the compaction that runs, without its result.
    pub(super) fn stop_compaction(&mut self) {
        self.cleaner.stop.store(true, Ordering::Release);
        if let Some((_, thread)) = self.cleaner.running.take()
            && let Ok(Ok(cleaned)) = thread.join()
        {
            cleaned.discard(&self.shared.files);
        }
        self.cleaner.stop = Arc::default();
    }
}
