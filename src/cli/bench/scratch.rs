//! A folder for one measurement, gone when it is dropped.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::super::failure::Failure;
use crate::error;

#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes a folder that nobody else may look into, below TMPDIR.
    pub(super) fn create() -> Result<Scratch, Failure> {
        let name = format!("penstock-bench-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|cause| {
            let what = format!(
                "failed to make the folder \"{}\": {cause}",
                folder.display()
            );
            let mend = "check that TMPDIR names a folder with free space that you may write to";
            Failure::new(error::CLI_BENCH, what, mend)
        })?;
        Ok(Scratch { folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}
