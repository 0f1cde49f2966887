//! Opens a data directory: checkpoint, then what the journal holds behind it.
//!
//! 1. The checkpoint says what segments hold durably. Longer files are cut, files it does not name
//!    are left over from a crash and removed.
//! 2. The whole journal is checked before anything of it is applied.
//! 3. Topics are those of `__cluster_metadata`, the journal's part of it included, so entries of
//!    topics that were deleted later are passed over.
//! 4. Entries behind the checkpoint are written to segments, and a new checkpoint covers them.
//!
//! Nothing is removed on the word of a file that cannot be read: such a directory is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::appender::{Appender, Shared};
use super::batch;
use super::checkpoint::{self, Checkpoint, KnownPartition};
use super::config::{Config, TopicConfig};
use super::disk::{self, Disk, DiskLock, Open};
use super::error::Error;
use super::journal::{Entries, Journal, Part, Scan, scan};
use super::metadata::{self, Metadata};
use super::partition::Chunk;
use super::restore::restore;
use super::segment::{Kind, OpenFiles, file_name, temporary_path};
use super::status::Status;
use super::topic::{Catalog, Topic};
use super::writer::Writer;
use crate::clock::Clock;
use crate::topic::{CLUSTER_METADATA, PartitionId, TopicName};

/// Replayed batches are written to segments when this much has come together.
const REPLAY_BYTES: usize = 8 << 20;

/// An opened data directory, before its threads run.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) lock: Box<dyn DiskLock>,
    pub(super) shared: Shared,
    pub(super) appender: Appender,
    pub(super) writer: Writer,
    pub(super) cluster_id: Option<String>,
    pub(super) next_producer_id: i64,
}

/// The data directory's folders.
struct Dirs {
    data: PathBuf,
    journal: PathBuf,
    topics: PathBuf,
}

/// Opens or makes a data directory.
pub(super) fn open(
    config: &Config,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
) -> Result<Opened, Error> {
    let dirs = Dirs {
        data: config.dir.clone(),
        journal: config.dir.join("journal"),
        topics: config.dir.join("topics"),
    };
    let lock = prepare(&*disk, &dirs)?;
    let checkpoint = load_or_begin(&*disk, &dirs)?;
    let files = Arc::new(OpenFiles::new(Arc::clone(&disk)));
    let mut metadata = Metadata::default();
    let known_metadata = checkpoint
        .partitions
        .iter()
        .find(|known| known.topic == metadata::TOPIC_ID);
    if let Some(known) = known_metadata {
        read_metadata(&*disk, &dirs.topics, known, &mut metadata)?;
    }
    let scan = scan(&*disk, &dirs.journal, checkpoint.sequence)?;
    read_journal_metadata(&*disk, &scan, &dirs, &mut metadata)?;

    let catalog = catalog(config, &dirs.topics, &metadata);
    let restored = restore(&files, &dirs.topics, &catalog, &checkpoint)?;
    let shared = Shared {
        queue: Arc::default(),
        backlog: Arc::default(),
        status: Arc::new(Status::new(
            Arc::clone(&disk),
            Arc::clone(&clock),
            config.dir.clone(),
            config.floors,
        )),
        files,
        catalog: Arc::new(ArcSwap::from_pointee(catalog)),
        answering: Arc::default(),
    };
    let mut journal = Journal::new(
        disk,
        &dirs.journal,
        (config.journal_file_bytes, config.journal_files),
        scan.next_sequence,
        checkpoint.generation.max(scan.generation),
    )?;
    let mut writer = Writer::new(
        shared.clone(),
        clock,
        dirs.data,
        journal.freeing(),
        restored.stores,
        checkpoint.sequence,
    );
    replay(&mut writer, &shared, &scan, &metadata)?;
    writer.dirs.extend(restored.dirs);
    if scan.entries_count() > 0 || restored.changed {
        writer.checkpoint()?;
    }
    journal.remove_old()?;
    writer.show_restored();
    Ok(Opened {
        lock,
        appender: Appender::new(shared.clone(), journal),
        shared,
        writer,
        cluster_id: metadata.cluster_id,
        next_producer_id: metadata.next_producer_id,
    })
}

/// Makes the folders and takes the lock.
fn prepare(disk: &dyn Disk, dirs: &Dirs) -> Result<Box<dyn DiskLock>, Error> {
    let make = |dir: &Path| {
        disk.create_dir_all(dir)
            .map_err(Error::io("make the folder", dir))
    };
    make(&dirs.data)?;
    let path = dirs.data.join("lock");
    let lock = disk
        .lock(&path)
        .map_err(Error::io("lock", &path))?
        .ok_or_else(|| Error::InUse(dirs.data.clone()))?;
    make(&dirs.journal)?;
    make(&dirs.topics)?;
    disk.sync_dir(&dirs.data)
        .map_err(Error::io("sync the folder", &dirs.data))?;
    if let Some(parent) = dirs.data.parent().filter(|p| !p.as_os_str().is_empty()) {
        disk.sync_dir(parent)
            .map_err(Error::io("sync the folder", parent))?;
    }
    Ok(lock)
}

/// The checkpoint, or the first one of a new directory. A directory that holds a log but no
/// checkpoint is refused: without it nothing says what is durable.
fn load_or_begin(disk: &dyn Disk, dirs: &Dirs) -> Result<Checkpoint, Error> {
    if let Some(checkpoint) = Checkpoint::load(disk, &dirs.data)? {
        return Ok(checkpoint);
    }
    for dir in [&dirs.journal, &dirs.topics] {
        let entries = disk.list(dir).map_err(Error::io("list the folder", dir))?;
        if let Some(entry) = entries.first() {
            return Err(Error::Format {
                path: dirs.data.join(checkpoint::FILE_NAME),
                what: format!(
                    "it is missing, and \"{}\" is there",
                    dir.join(&entry.name).display()
                ),
            });
        }
    }
    let checkpoint = Checkpoint::default();
    checkpoint.store(disk, &dirs.data)?;
    Ok(checkpoint)
}

fn format_error(path: &Path, what: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        what,
    }
}

/// Reads the part of `__cluster_metadata` that is in segments. Changes nothing.
pub(super) fn read_metadata(
    disk: &dyn Disk,
    topics: &Path,
    known: &KnownPartition,
    metadata: &mut Metadata,
) -> Result<(), Error> {
    let dir: PathBuf = topics.join(format!("{CLUSTER_METADATA}-0"));
    for segment in &known.segments {
        let path = dir.join(file_name(segment.base, Kind::Log));
        let temporary = temporary_path(&path);
        let file = match disk.open(&temporary, Open::Read) {
            Ok(file) if segment.swap => Ok(file),
            _ => disk.open(&path, Open::Read),
        };
        let file = file.map_err(Error::io("open the segment file", &path))?;
        let bytes = usize::try_from(segment.extent.bytes).unwrap_or(usize::MAX);
        if file.size().map_err(Error::io("read the segment", &path))? < segment.extent.bytes {
            let what = "it is shorter than what was durable in it".to_owned();
            return Err(format_error(&path, what));
        }
        let mut buf = vec![0; bytes];
        disk::read_full(&*file, &mut buf, 0).map_err(Error::io("read the segment", &path))?;
        let mut rest = buf.as_slice();
        while !rest.is_empty() {
            let (header, batch, behind) =
                batch::split_first(rest).map_err(|what| format_error(&path, what.to_owned()))?;
            if !batch::crc_holds(&header, batch) {
                let what = format!(
                    "the batch at offset {} fails its checksum",
                    header.base_offset
                );
                return Err(format_error(&path, what));
            }
            metadata
                .read(batch)
                .map_err(|what| format_error(&path, what))?;
            rest = behind;
        }
    }
    Ok(())
}

/// Reads the part of `__cluster_metadata` that is in the journal.
fn read_journal_metadata(
    disk: &dyn Disk,
    scan: &Scan,
    dirs: &Dirs,
    metadata: &mut Metadata,
) -> Result<(), Error> {
    let mut entries = Entries::new(disk, scan);
    while let Some((sequence, parts)) = entries.next()? {
        for part in parts
            .iter()
            .filter(|p| p.header.topic == metadata::TOPIC_ID)
        {
            metadata
                .read(&part.bytes)
                .map_err(|what| format_error(&dirs.journal, format!("entry {sequence}: {what}")))?;
        }
    }
    Ok(())
}

/// The topics there are.
fn catalog(config: &Config, dir: &Path, metadata: &Metadata) -> Catalog {
    let mut catalog = Catalog::default();
    let name = TopicName::parse(CLUSTER_METADATA).expect("the constant is a legal name");
    let defaults = config.topic_defaults(&name);
    catalog.insert(Arc::new(Topic::new(
        name,
        metadata::TOPIC_ID,
        1,
        defaults,
        dir,
    )));
    for (name, stored) in &metadata.topics {
        let topic_config = TopicConfig::from(stored.config.clone());
        let topic = Topic::new(
            name.clone(),
            stored.id,
            stored.partitions,
            topic_config,
            dir,
        );
        catalog.insert(Arc::new(topic));
    }
    catalog
}

/// Writes the journal's entries to segments.
fn replay(
    writer: &mut Writer,
    shared: &Shared,
    scan: &Scan,
    metadata: &Metadata,
) -> Result<(), Error> {
    let catalog = shared.catalog.load_full();
    let mut entries = Entries::new(shared.files.disk(), scan);
    let mut bytes = 0;
    while let Some((sequence, parts)) = entries.next()? {
        let mut chunks = Vec::with_capacity(parts.len());
        for part in parts {
            let id = part.header.topic;
            let Some(topic) = catalog.by_id(id) else {
                if !metadata.seen.contains(&id) {
                    tracing::error!(sequence, topic = %id, "an entry of an unknown topic is passed over");
                }
                continue;
            };
            let Some(partition) = topic.partition(PartitionId(part.header.partition)) else {
                tracing::error!(sequence, topic = %topic.name, partition = part.header.partition,
                    "an entry of an unknown partition is passed over");
                continue;
            };
            bytes += part.bytes.len();
            chunks.push((Arc::clone(partition), chunk(sequence, &part)?));
        }
        writer.replay(sequence, chunks)?;
        if bytes >= REPLAY_BYTES {
            writer.write_replayed()?;
            bytes = 0;
        }
    }
    writer.write_replayed()
}

/// A part of an entry as the writer takes it.
fn chunk(sequence: u64, part: &Part) -> Result<Chunk, Error> {
    let mut next = part.header.base_offset;
    let mut bytes = 0;
    for (header, _) in batch::whole(&part.bytes) {
        if header.base_offset != next {
            break;
        }
        next = header.next_offset();
        bytes += header.total_bytes();
    }
    if bytes != part.bytes.len() {
        return Err(Error::Format {
            path: PathBuf::from("journal"),
            what: format!("entry {sequence} does not hold whole batches"),
        });
    }
    Ok(Chunk {
        base: part.header.base_offset,
        end: next,
        bytes: part.bytes.clone(),
    })
}
