//! Cleans up after a demo that was killed: a shell that waits for the end of a pipe.
//!
//! The other end of the pipe is ours, so the system closes it whatever ends us. An orderly end
//! says so first, and then the shell does nothing.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits; then ends the server whose lock file names it, and removes the folder. The second
/// removal takes what initdb wrote after the first.
const SCRIPT: &str = r#"
read -r said && [ "$said" = over ] && exit 0
server=$(head -n 1 "$1/pg/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$server"
[ "$2" = keep ] && exit 0
for second in 1 2 3; do
    sleep 1
    rm -rf "$1"
done
"#;

/// The shell. Dropping it sends it home.
#[derive(Debug)]
pub(super) struct Watchdog(Option<Child>);

impl Watchdog {
    /// Watches over `folder`. Without a shell the demo does without.
    pub(super) fn start(folder: &Path, keep: bool) -> Watchdog {
        let started = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "penstock-demo-watchdog"])
            .arg(folder)
            .arg(if keep { "keep" } else { "remove" })
            .current_dir("/")
            // An interrupt from the terminal is not for the shell.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => Watchdog(Some(child)),
            Err(error) => {
                tracing::warn!(%error, "nobody cleans up should the demo be killed");
                Watchdog(None)
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else {
            return;
        };
        if let Some(mut pipe) = child.stdin.take() {
            // If the shell is gone there is nothing to send home.
            let _ = pipe.write_all(b"over\n");
        }
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn an_orderly_end_leaves_the_folder_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        drop(Watchdog::start(folder.path(), false));
        assert!(folder.path().exists());
    }

    #[test]
    fn the_folder_is_removed_when_nobody_said_that_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut watchdog = Watchdog::start(folder.path(), false);
        // What the system does when the demo is killed.
        drop(watchdog.0.as_mut().unwrap().stdin.take());
        let deadline = Instant::now() + Duration::from_secs(20);
        while folder.path().exists() {
            assert!(Instant::now() < deadline, "still there: {watchdog:?}");
            std::thread::yield_now();
        }
    }
}
