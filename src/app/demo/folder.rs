//! The demo's temporary folder, gone when the demo is.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::error::Error;
use super::watchdog::Watchdog;

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
    /// Does the same should we be killed. Dropped last, so after the removal.
    _watchdog: Watchdog,
}

impl Folder {
    /// Makes a folder that nobody else has. Others may pass through it but not list it, because
    /// PostgreSQL runs as another user where we are root.
    pub(super) fn create(keep: bool) -> Result<Folder, Error> {
        let name = format!("penstock-demo-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o711).create(&path);
        made.map_err(system("make", &path))?;
        let _watchdog = Watchdog::start(&path, keep);
        let folder = Folder {
            path,
            keep,
            _watchdog,
        };
        // The umask may have taken the right to pass through.
        let passable = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder.path(), passable)
            .map_err(system("open up", folder.path()))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, as dropping does, and says so.
    pub(super) fn remove(self) {
        let path = self.path.clone();
        drop(self);
        if !path.exists() {
            eprintln!("demo: ended; everything it made is gone");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("demo: kept {}", self.path.display());
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("demo: could not remove {}: {error}", self.path.display());
        }
    }
}

/// Turns an error of the system about `path` into ours.
pub(super) fn system(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let doing = format!("{doing} \"{}\"", path.display());
    |cause| Error::System {
        doing,
        cause,
        mend: "check that TMPDIR names a folder with free space that you may write to".to_owned(),
    }
}
