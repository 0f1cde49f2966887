//! A disk in memory that forgets what was not synced, tears writes, fails and fills up; for tests.
//!
//! Every file has its live bytes and those that a power cut is sure to leave; writes in between may
//! survive page by page, in any combination. Names behave the same: what was created, renamed or
//! removed in a folder since its last sync survives up to some point. A failed sync marks the
//! file's writes as done although they are not, as Linux does.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{DirEntry, Disk, DiskFile, DiskLock, Open, Space};

/// What a power cut keeps or loses as a whole.
const PAGE_BYTES: usize = 512;

/// What happens at an I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum Fault {
    /// The machine stops before it.
    Stop,
    /// A write is half done, then the machine stops.
    Tear,
    /// It fails once.
    Fail,
    /// This and the following ones that need space fail until so many I/Os later.
    Full(u64),
}

/// A small generator, so that a run can be repeated by its seed.
#[derive(Debug, Clone)]
pub(in crate::log) struct Random(u64);

impl Random {
    pub(in crate::log) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(in crate::log) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit.max(1)
    }
}

#[derive(Debug, Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Changes since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(len) => bytes.resize(*len, 0),
            Change::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Dir,
}

#[derive(Debug, Clone)]
enum Named {
    Set(String, Node),
    Gone(String),
}

#[derive(Debug, Clone, Default)]
struct Folder {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    unsynced: Vec<Named>,
}

fn name_it(names: &mut BTreeMap<String, Node>, change: &Named) {
    match change {
        Named::Set(name, node) => drop(names.insert(name.clone(), *node)),
        Named::Gone(name) => drop(names.remove(name)),
    }
}

#[derive(Debug, Default)]
struct State {
    folders: HashMap<PathBuf, Folder>,
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    count: u64,
    fault: Option<(u64, Fault)>,
    stopped: bool,
    /// Syncs say that they are done and do nothing.
    lying: bool,
    /// Writes are cut to this length.
    short: Option<usize>,
    locked: bool,
    /// What each I/O was, for failing tests.
    history: Vec<String>,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub(in crate::log) struct CrashDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct CrashFile {
    disk: CrashDisk,
    inode: u64,
    path: PathBuf,
}

#[derive(Debug)]
struct CrashLock(CrashDisk);

impl DiskLock for CrashLock {}

impl Drop for CrashLock {
    fn drop(&mut self) {
        self.0.0.lock().locked = false;
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// How an I/O goes on.
#[derive(PartialEq, Eq)]
enum Go {
    On,
    Half,
}

impl State {
    /// Counts an I/O that changes something and says whether it goes on.
    fn step(&mut self, what: &str, path: &Path, needs_space: bool) -> io::Result<Go> {
        if self.stopped {
            return Err(error(EIO));
        }
        self.count += 1;
        self.history
            .push(format!("{} {what} {}", self.count, path.display()));
        let Some((at, fault)) = self.fault else {
            return Ok(Go::On);
        };
        match fault {
            Fault::Full(length) if (at..at + length).contains(&self.count) && needs_space => {
                Err(error(ENOSPC))
            }
            Fault::Stop if self.count == at => {
                self.stopped = true;
                Err(error(EIO))
            }
            Fault::Tear if self.count == at => {
                self.stopped = true;
                Ok(Go::Half)
            }
            Fault::Fail if self.count == at => Err(error(EIO)),
            _ => Ok(Go::On),
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let inode = self.inodes.get_mut(&inode).unwrap();
        change.apply(&mut inode.live);
        inode.unsynced.push(change);
    }

    fn name(&mut self, dir: &Path, change: Named) -> io::Result<()> {
        let folder = self.folders.get_mut(dir).ok_or(ErrorKind::NotFound)?;
        name_it(&mut folder.live, &change);
        folder.unsynced.push(change);
        Ok(())
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
            && (path.parent().is_none() || self.node(path) == Some(Node::Dir))
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let (dir, name) = split(path);
        self.folders.get(dir)?.live.get(&name).copied()
    }
}

fn split(path: &Path) -> (&Path, String) {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    (path.parent().unwrap(), name)
}

impl CrashDisk {
    /// Sets what happens at the I/O of this number (from 1).
    pub(in crate::log) fn fault(&self, at: u64, fault: Fault) {
        self.0.lock().fault = Some((at, fault));
    }

    /// Makes syncs lie.
    pub(in crate::log) fn lie(&self) {
        self.0.lock().lying = true;
    }

    /// Cuts every write to so many bytes.
    pub(in crate::log) fn short_writes(&self, bytes: usize) {
        self.0.lock().short = Some(bytes);
    }

    /// Number of I/Os so far.
    pub(in crate::log) fn count(&self) -> u64 {
        self.0.lock().count
    }

    /// What the last I/Os were.
    pub(in crate::log) fn history(&self) -> Vec<String> {
        let state = self.0.lock();
        let from = state.history.len().saturating_sub(12);
        state.history[from..].to_vec()
    }

    /// The disk after the power was cut.
    pub(in crate::log) fn after_power_cut(&self, random: &mut Random) -> CrashDisk {
        let state = self.0.lock();
        let mut after = State {
            next_inode: state.next_inode,
            ..State::default()
        };
        let mut inodes: Vec<_> = state.inodes.iter().collect();
        inodes.sort_by_key(|(id, _)| **id);
        for (id, inode) in inodes {
            let bytes = survivors(inode, random);
            let inode = Inode {
                live: bytes.clone(),
                durable: bytes,
                unsynced: Vec::new(),
            };
            after.inodes.insert(*id, inode);
        }
        let mut folders: Vec<_> = state.folders.iter().collect();
        folders.sort_by_key(|(path, _)| path.as_path());
        for (path, folder) in folders {
            let mut names = folder.durable.clone();
            let kept = random.below(folder.unsynced.len() as u64 + 1) as usize;
            for change in &folder.unsynced[..kept] {
                name_it(&mut names, change);
            }
            after.folders.insert(
                path.clone(),
                Folder {
                    live: names.clone(),
                    durable: names,
                    unsynced: Vec::new(),
                },
            );
        }
        CrashDisk(Arc::new(Mutex::new(after)))
    }

    /// The disk after only the process was killed.
    pub(in crate::log) fn after_kill(&self) -> CrashDisk {
        let state = self.0.lock();
        CrashDisk(Arc::new(Mutex::new(State {
            folders: state.folders.clone(),
            inodes: state.inodes.clone(),
            next_inode: state.next_inode,
            ..State::default()
        })))
    }

    /// Changes a file's bytes, live and durable.
    pub(in crate::log) fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let Some(Node::File(inode)) = state.node(path) else {
            panic!("{} is no file", path.display());
        };
        let inode = state.inodes.get_mut(&inode).unwrap();
        change(&mut inode.live);
        inode.durable = inode.live.clone();
        inode.unsynced.clear();
    }
}

/// The bytes a power cut leaves of a file.
fn survivors(inode: &Inode, random: &mut Random) -> Vec<u8> {
    let mut bytes = inode.durable.clone();
    // All, nothing, or any pages of what was not synced.
    let how = random.below(3);
    for change in &inode.unsynced {
        match change {
            _ if how == 0 => {}
            Change::Length(_) => change.apply(&mut bytes),
            Change::Write(at, data) => {
                let mut from = 0;
                while from < data.len() {
                    let to = ((at + from) / PAGE_BYTES + 1) * PAGE_BYTES - at;
                    let to = to.min(data.len());
                    if how == 1 || random.below(2) == 0 {
                        let page = data[from..to].to_vec();
                        Change::Write(at + from, page).apply(&mut bytes);
                    }
                    from = to;
                }
            }
        }
    }
    bytes
}

impl Disk for CrashDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !state.is_folder(dir))
            .collect();
        if let Some(root) = missing.last().filter(|dir| dir.parent().is_none()) {
            state.folders.insert(root.to_path_buf(), Folder::default());
            missing.pop();
        }
        for dir in missing.into_iter().rev() {
            state.step("create folder", dir, true)?;
            // A folder made again finds the old names again should its removal be lost.
            state.folders.entry(dir.to_path_buf()).or_default();
            let (parent, name) = split(dir);
            state.name(parent, Named::Set(name, Node::Dir))?;
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.0.lock();
        let there = state.is_folder(path);
        let folder = state
            .folders
            .get(path)
            .filter(|_| there)
            .ok_or(ErrorKind::NotFound)?;
        let entry = |(name, node): (&String, &Node)| DirEntry {
            name: name.clone(),
            is_dir: *node == Node::Dir,
            bytes: match node {
                Node::File(inode) => state.inodes[inode].live.len() as u64,
                Node::Dir => 0,
            },
        };
        Ok(folder.live.iter().map(entry).collect())
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        if state.stopped {
            return Err(error(EIO));
        }
        let inode = match state.node(path) {
            Some(Node::Dir) => return Err(ErrorKind::IsADirectory.into()),
            Some(Node::File(inode)) => {
                if how == Open::Replace {
                    state.step("empty", path, false)?;
                    state.change(inode, Change::Length(0));
                }
                inode
            }
            None if how == Open::Read => return Err(ErrorKind::NotFound.into()),
            None => {
                state.step("create", path, true)?;
                let inode = state.next_inode;
                let (dir, name) = split(path);
                state.name(dir, Named::Set(name, Node::File(inode)))?;
                state.next_inode += 1;
                state.inodes.insert(inode, Inode::default());
                inode
            }
        };
        Ok(Arc::new(CrashFile {
            disk: self.clone(),
            inode,
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let node = state.node(from).ok_or(ErrorKind::NotFound)?;
        state.step("rename to", to, false)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (split(from), split(to));
        assert_eq!(from_dir, to_dir, "a rename within one folder is atomic");
        state.name(to_dir, Named::Set(to_name, node))?;
        // Both halves are one change: the name that goes is dropped with the one that comes.
        let folder = state.folders.get_mut(from_dir).unwrap();
        folder.live.remove(&from_name);
        folder.unsynced.push(Named::Gone(from_name));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        if !matches!(state.node(path), Some(Node::File(_))) {
            return Err(ErrorKind::NotFound.into());
        }
        state.step("remove", path, false)?;
        let (dir, name) = split(path);
        state.name(dir, Named::Gone(name))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let folder = state.folders.get(path).ok_or(ErrorKind::NotFound)?;
        if !folder.live.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        state.step("remove folder", path, false)?;
        let (dir, name) = split(path);
        state.name(dir, Named::Gone(name))?;
        state.folders.get_mut(path).unwrap().live.clear();
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step("sync folder", path, false)?;
        if state.lying {
            return Ok(());
        }
        let folder = state.folders.get_mut(path).ok_or(ErrorKind::NotFound)?;
        folder.durable = folder.live.clone();
        folder.unsynced.clear();
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space {
            free: 1 << 40,
            total: 1 << 41,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        drop(self.open(path, Open::Write)?);
        let mut state = self.0.lock();
        if state.locked {
            return Ok(None);
        }
        state.locked = true;
        Ok(Some(Box::new(CrashLock(self.clone()))))
    }
}

impl DiskFile for CrashFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.lock();
        if state.stopped {
            return Err(error(EIO));
        }
        let live = &state.inodes[&self.inode].live;
        let from = (offset as usize).min(live.len());
        let len = buf.len().min(live.len() - from);
        buf[..len].copy_from_slice(&live[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        let mut data: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
        let go = state.step("write", &self.path, true)?;
        if go == Go::Half {
            data.truncate(data.len() / 2);
        }
        if let Some(short) = state.short {
            data.truncate(short);
        }
        let len = data.len();
        state.change(self.inode, Change::Write(offset as usize, data));
        match go {
            Go::On => Ok(len),
            Go::Half => Err(error(EIO)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let outcome = state.step("sync", &self.path, false);
        if state.stopped && outcome.is_err() {
            return Err(error(EIO));
        }
        if state.lying {
            return Ok(());
        }
        let inode = state.inodes.get_mut(&self.inode).unwrap();
        match outcome {
            Ok(_) => {
                for change in std::mem::take(&mut inode.unsynced) {
                    change.apply(&mut inode.durable);
                }
                Ok(())
            }
            Err(error) => {
                // The kernel gives up on these pages and will not say so again.
                inode.unsynced.clear();
                Err(error)
            }
        }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.step("set length", &self.path, false)?;
        state.change(self.inode, Change::Length(bytes as usize));
        Ok(())
    }

    fn reserve(&self, bytes: u64, keep_len: bool) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.step("reserve", &self.path, true)?;
        let len = state.inodes[&self.inode].live.len();
        if !keep_len && len < bytes as usize {
            state.change(self.inode, Change::Length(bytes as usize));
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().inodes[&self.inode].live.len() as u64)
    }
}
