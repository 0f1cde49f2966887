//! Everything the log asks of a file system, so that tests can lose unsynced bytes, tear writes,
//! fill up and fail at every single call. All calls block.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

/// Slices handed to one vectored write; Linux takes at most 1024 (`UIO_MAXIOV`).
const SLICES_MAX: usize = 1024;

/// Free and total bytes of the file system that holds the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes an ordinary process may still use.
    pub free: u64,
    /// Size of the file system.
    pub total: u64,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the folder's path.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Size of a file.
    pub bytes: u64,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; made if missing, otherwise kept as it is.
    Write,
    /// For reading and writing; emptied if it exists.
    Replace,
}

/// Held for as long as the data directory is in use.
pub trait DiskLock: Send + Sync + fmt::Debug {}

/// Where bytes are kept.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Entries of a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Opens a regular file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file or folder over what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes what was created, renamed or removed in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Free and total bytes.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the exclusive lock on a file, which is made if missing; `None` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads at an offset; may be short, 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset; may be short.
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Makes the file's bytes and its length durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts or extends the file, freeing space that was reserved behind its end.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Reserves space from the start up to `bytes`; `keep_len` leaves the file's length as it is.
    fn reserve(&self, bytes: u64, keep_len: bool) -> io::Result<()>;
    /// The file's length.
    fn size(&self) -> io::Result<u64>;
}

/// Writes all of `slices` at `offset`, going on after short writes.
pub(super) fn write_all(file: &dyn DiskFile, slices: &[&[u8]], offset: u64) -> io::Result<()> {
    let mut at = offset;
    let mut first = 0;
    let mut skip = 0;
    while first < slices.len() {
        let vector: Vec<IoSlice<'_>> = slices
            .iter()
            .skip(first)
            .take(SLICES_MAX)
            .enumerate()
            .map(|(i, s)| IoSlice::new(s.get(if i == 0 { skip } else { 0 }..).unwrap_or_default()))
            .collect();
        let mut written = match file.write_at(&vector, at) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if written == 0 && vector.iter().any(|s| !s.is_empty()) {
            return Err(ErrorKind::WriteZero.into());
        }
        at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        // Slices that are done are passed over, empty ones with them.
        while let Some(slice) = slices.get(first) {
            let left = slice.len().saturating_sub(skip);
            if written < left {
                skip += written;
                break;
            }
            written -= left;
            first += 1;
            skip = 0;
        }
    }
    Ok(())
}

/// Reads until `buf` is full or the file ends; returns how much was read.
pub(super) fn read_full(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads a whole file of at most `max` bytes.
pub(super) fn read_file(disk: &dyn Disk, path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let bytes = file.size()?;
    if bytes > max {
        return Err(io::Error::other(format!("{bytes} bytes, more than {max}")));
    }
    let mut buf = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    let read = read_full(&*file, &mut buf, 0)?;
    buf.truncate(read);
    Ok(buf)
}

/// Replaces a small file so that a crash leaves the old one or the new one.
pub(super) fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let write = || {
        let file = disk.open(&temporary, Open::Replace)?;
        write_all(&*file, &[bytes], 0)?;
        file.sync()
    };
    if let Err(error) = write() {
        // A file whose sync failed is not used again.
        remove_if_there(disk, &temporary)?;
        return Err(error);
    }
    disk.rename(&temporary, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file; one that is missing is fine.
pub(super) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held, not read: closing it unlocks")] File);

impl DiskLock for RealLock {}

impl Disk for RealDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue; // The log writes ASCII names only; others are not its own.
            };
            let meta = entry.metadata()?;
            if meta.is_dir() || meta.is_file() {
                entries.push(DirEntry {
                    name,
                    is_dir: meta.is_dir(),
                    bytes: meta.len(),
                });
            }
        }
        Ok(entries)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        // Opening a FIFO would block for ever.
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.is_file() => return Err(io::Error::other("not a regular file")),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.read(true);
        if how != Open::Read {
            options
                .write(true)
                .create(true)
                .truncate(how == Open::Replace);
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(RealLock(file)))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.0, slices, offset)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn reserve(&self, bytes: u64, keep_len: bool) -> io::Result<()> {
        let mode = if keep_len {
            FallocateFlags::KEEP_SIZE
        } else {
            FallocateFlags::empty()
        };
        match rustix::fs::fallocate(&self.0, mode, 0, bytes) {
            // Some file systems cannot reserve; there the floors alone protect.
            Err(rustix::io::Errno::OPNOTSUPP) if keep_len => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(bytes),
            other => Ok(other?),
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectored_writes_go_on_after_short_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = RealDisk.open(&path, Open::Write).unwrap();
        let many: Vec<Vec<u8>> = (0..3000_u32).map(|i| vec![(i % 251) as u8; 3]).collect();
        let mut slices: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        slices.insert(7, &[]);
        slices.push(&[]);
        write_all(&*file, &slices, 5).unwrap();
        let found = fs::read(&path).unwrap();
        assert_eq!(found.get(5..).unwrap(), many.concat());
    }

    #[test]
    fn a_second_lock_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealDisk.lock(&path).unwrap();
        assert!(first.is_some());
        assert!(RealDisk.lock(&path).unwrap().is_none());
        drop(first);
        assert!(RealDisk.lock(&path).unwrap().is_some());
    }
}
