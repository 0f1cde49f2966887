//! `penstock log verify`.

use std::path::PathBuf;

use super::failure::Failure;

pub(super) fn run(_data_dir: Option<PathBuf>, _json: bool) -> Result<(), Failure> {
    Err(Failure::shown())
}
