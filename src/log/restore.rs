//! Brings the folders of all partitions to what the checkpoint says: longer files are cut, files
//! that it does not name are removed, what is missing is reported and refused to readers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::checkpoint::{Checkpoint, KnownPartition};
use super::disk::Disk;
use super::error::Error;
use super::partition::Partition;
use super::segment::{
    Bad, Kind, OpenFiles, Resume, Segment, SegmentWriter, file_name, final_name, parse_name,
};
use super::store::Store;
use super::topic::Catalog;
use super::writer;
use crate::topic::TopicName;

/// What the checkpoint names, opened.
#[derive(Default)]
pub(super) struct Restored {
    pub(super) stores: HashMap<(Uuid, i32), Store>,
    /// Folders whose entries changed.
    pub(super) dirs: BTreeSet<PathBuf>,
    /// A new checkpoint is due.
    pub(super) changed: bool,
}

/// Brings the folders of all partitions to what the checkpoint says.
pub(super) fn restore(
    files: &OpenFiles,
    topics: &Path,
    catalog: &Catalog,
    checkpoint: &Checkpoint,
) -> Result<Restored, Error> {
    let mut known: HashMap<(Uuid, i32), &KnownPartition> = checkpoint
        .partitions
        .iter()
        .map(|known| ((known.topic, known.partition), known))
        .collect();
    let mut partitions: HashMap<String, &Arc<Partition>> = HashMap::new();
    for partition in catalog.all().flat_map(|topic| topic.partitions()) {
        partitions.insert(format!("{}-{}", partition.topic, partition.id), partition);
    }
    let mut restored = Restored::default();
    let disk = files.disk();
    let folders = disk
        .list(topics)
        .map_err(Error::io("list the folder", topics))?;
    for folder in folders.iter().filter(|folder| folder.is_dir) {
        let path = topics.join(&folder.name);
        match partitions.get(&folder.name) {
            Some(partition) => {
                let known = known.remove(&(partition.topic_id, partition.id.0));
                restore_partition(files, partition, known, &mut restored)?;
            }
            // Only what the log can have made is left over from a deleted topic.
            None if is_partition_folder(&folder.name) => {
                tracing::info!(folder = %path.display(), "removing what a deleted topic left");
                writer::remove_folder(disk, &path).map_err(Error::io("remove", &path))?;
                restored.dirs.insert(topics.to_owned());
            }
            None => {}
        }
    }
    for partition in partitions.values() {
        if let Some(known) = known.remove(&(partition.topic_id, partition.id.0)) {
            restore_partition(files, partition, Some(known), &mut restored)?;
        }
    }
    // The rest belongs to topics that were deleted behind the checkpoint.
    restored.changed |= !known.is_empty();
    Ok(restored)
}

fn is_partition_folder(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(topic, number)| {
        TopicName::parse(topic).is_ok() && number.parse::<u32>().is_ok()
    })
}

/// Brings one partition's folder to what the checkpoint says.
fn restore_partition(
    files: &OpenFiles,
    partition: &Arc<Partition>,
    known: Option<&KnownPartition>,
    restored: &mut Restored,
) -> Result<(), Error> {
    let disk = files.disk();
    let dir = &partition.dir;
    let mut segments = Vec::new();
    for known in known.iter().flat_map(|known| &known.segments) {
        let make = match known.has_gaps {
            true => Segment::with_gaps,
            false => Segment::new,
        };
        let segment = make(Arc::clone(dir), known.base, known.extent);
        if known.swap {
            writer::finish_swap(disk, &segment)?;
            restored.dirs.insert(dir.to_path_buf());
            restored.changed = true;
        }
        segments.push(segment);
    }
    let sizes = remove_unnamed(disk, dir, &segments, restored)?;
    let Some(known) = known else {
        return Ok(());
    };
    for segment in segments.iter().rev().skip(1) {
        let bytes = sizes.get(&segment.base).copied().unwrap_or(0);
        if bytes < segment.extent().bytes {
            report_short(partition, segment, bytes);
        }
    }
    let end = (known.start, known.end);
    let resume = Resume {
        extent: segments.last().map_or(Resume::EMPTY.extent, |s| s.extent()),
        since_index: known.since_index,
        max_timestamp_offset: known.max_timestamp_offset,
        indexed_timestamp: known.indexed_timestamp,
    };
    let mut active = None;
    if let Some(last) = segments.last().cloned() {
        let mut writer = SegmentWriter::new(Arc::clone(&last), resume);
        if !writer.cut(files)? {
            report_short(
                partition,
                &last,
                sizes.get(&last.base).copied().unwrap_or(0),
            );
            // Nothing can be put behind bytes that are missing: a new segment takes what follows.
            let next = Segment::new(Arc::clone(dir), known.end, Resume::EMPTY.extent);
            writer = SegmentWriter::new(Arc::clone(&next), Resume::EMPTY);
            writer.cut(files)?;
            segments.push(next);
            restored.dirs.insert(dir.to_path_buf());
            restored.changed = true;
        }
        active = Some(writer);
    }
    partition.view.lock().segments = segments;
    let store = Store::restored(
        Arc::clone(partition),
        active,
        known.producers.clone(),
        end,
        known.dirty_bytes,
    );
    let key = (partition.topic_id, partition.id.0);
    restored.stores.insert(key, store);
    Ok(())
}

/// Removes files of segments that are not named; returns the sizes of the logs that are.
fn remove_unnamed(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Arc<Segment>],
    restored: &mut Restored,
) -> Result<HashMap<i64, u64>, Error> {
    let named: HashSet<String> = segments
        .iter()
        .flat_map(|s| Kind::ALL.map(|kind| file_name(s.base, kind)))
        .collect();
    let entries = match disk.list(dir) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(Error::io("list the folder", dir))?,
    };
    let mut sizes = HashMap::new();
    for entry in entries {
        let ours = final_name(&entry.name);
        let Some((base, kind)) = parse_name(ours) else {
            continue;
        };
        if named.contains(&entry.name) {
            if kind == Kind::Log {
                sizes.insert(base, entry.bytes);
            }
            continue;
        }
        let path = dir.join(&entry.name);
        disk.remove_file(&path)
            .map_err(Error::io("remove the left-over file", &path))?;
        restored.dirs.insert(dir.to_owned());
    }
    Ok(sizes)
}

fn report_short(partition: &Partition, segment: &Segment, bytes: u64) {
    tracing::error!(
        path = %segment.path(Kind::Log).display(),
        bytes,
        wanted = segment.extent().bytes,
        "a segment is shorter than what was durable in it; its rest can be read, the missing \
         offsets are refused",
    );
    partition.note_damage(&Bad {
        offset: segment.base,
        position: bytes,
        what: "the segment is shorter than what was durable in it",
        resume: None,
    });
}
