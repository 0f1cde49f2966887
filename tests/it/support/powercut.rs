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
        let mut cut = Command::new(&self.program);
        run(cut.arg(self.mount_point()), LIMIT).ok("powercut");
        penstock.kill();
        self.unmount();
        assert!(self.try_mount(), "the disk mounts again");
        penstock.start();
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        unmount.arg("-l").arg(self.mount_point());
        drop(run(&mut unmount, LIMIT));
    }
}
