//! A progress bar on stderr, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Removes itself when it is dropped.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for `total` of what `label` names. Nothing is drawn where stderr is no terminal.
    pub(in crate::cli) fn new(label: &str, total: u64) -> Progress {
        let bar = ProgressBar::new(total);
        let template = "{msg} [{bar:30}] {percent:>3} %  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(label.to_owned());
        Progress { bar }
    }

    pub(in crate::cli) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
