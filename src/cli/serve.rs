//! `penstock serve` and `penstock demo`.

use super::arguments::{Demo, Serve};
use super::failure::Failure;
use crate::app;

pub(super) fn serve(flags: Serve) -> Result<(), Failure> {
    let options = app::Serve {
        flags: flags.settings.pairs(),
        config: flags.settings.config,
        ready_file: flags.ready_file,
    };
    Ok(app::serve(&options)?)
}

pub(super) fn demo(flags: &Demo) -> Result<(), Failure> {
    let options = app::Demo {
        time: flags.time,
        keep: flags.keep,
    };
    Ok(app::demo(options)?)
}
