//! A file system whose power can be cut: ext4 in a file, on a loop device.
//!
//! The cut stops the file system at once (the request that `xfs_io -x -c shutdown` sends): what
//! was not synced is gone after the next mount. Needs root and loop devices.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::command::run;
use super::penstock::Penstock;
use super::reaper;
use super::toolchain::{Toolchain, skipped};

const LIMIT: Duration = Duration::from_secs(60);

/// A folder on a file system of its own whose power can be cut.
pub(crate) struct PowerCut {
    folder: TempDir,
    program: PathBuf,
}

impl PowerCut {
    /// A file system in a file, or `None` after saying why the test is skipped.
    #[track_caller]
    pub(crate) fn new(megabytes: u32) -> Option<PowerCut> {
        let program = Toolchain::PowerCut.program()?;
        let folder = reaper::folder("powercut");
        let disk = PowerCut { folder, program };
        let image = disk.folder.path().join("image");
        let size = format!("{megabytes}M");
        run(
            Command::new("truncate").args(["-s", &size]).arg(&image),
            LIMIT,
        )
        .ok("truncate");
        let made = run(
            Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image),
            LIMIT,
        );
        std::fs::create_dir(disk.mount_point()).unwrap();
        if made.code != Some(0) || !disk.try_mount() {
            skipped("no loop-mounted ext4 here (root and loop devices are needed)");
            return None;
        }
        reaper::keep_mount(&disk.mount_point());
        Some(disk)
    }

    pub(crate) fn mount_point(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn try_mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", "loop"])
            .arg(self.folder.path().join("image"));
        let finished = run(mount.arg(self.mount_point()), LIMIT);
        finished.code == Some(0)
    }

    fn unmount(&self) {
        let mut unmount = Command::new("umount");
        run(unmount.arg(self.mount_point()), LIMIT).ok("umount");
    }

    /// Cuts the power under a running server, and starts both again.
    pub(crate) fn cut(&self, penstock: &mut Penstock) {
        self.stop_disk();
        penstock.kill();
        self.mount_again();
        penstock.start();
    }

    fn stop_disk(&self) {
        let mut cut = Command::new(&self.program);
        run(cut.arg(self.mount_point()), LIMIT).ok("powercut");
    }

    fn mount_again(&self) {
        self.unmount();
        assert!(self.try_mount(), "the disk mounts again");
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        unmount.arg("-l").arg(self.mount_point());
        drop(run(&mut unmount, LIMIT));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// The cut, judged: it takes what was not synced, in a file whose space was there before, and
    /// leaves what was.
    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        let Some(disk) = PowerCut::new(64) else {
            return;
        };
        let write = |name: &str, bytes: &[u8]| {
            let path = disk.mount_point().join(name);
            let mut options = fs::File::options();
            let mut file = options
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)
                .unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        for name in ["synced", "unsynced"] {
            write(name, &[b'-'; 4096]).sync_all().unwrap();
        }
        fs::File::open(disk.mount_point())
            .unwrap()
            .sync_all()
            .unwrap();
        write("synced", b"new").sync_data().unwrap();
        drop(write("unsynced", b"new"));
        disk.stop_disk();
        disk.mount_again();
        let read = |name: &str| fs::read(disk.mount_point().join(name)).unwrap();
        assert!(read("synced").starts_with(b"new-"));
        assert!(read("unsynced").starts_with(b"----"));
    }
}
