//! Ends what the tests started and removes their folders, even when the test process is killed.
//!
//! A shell in a process group of its own reads what to clean up from a pipe. The pipe closes when
//! this process ends, however it ends. (The parent-death signal is no help: it fires when the
//! starting *thread* ends, and every test is a thread.)

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use tempfile::TempDir;

const SCRIPT: &str = r#"
trap "" INT TERM HUP
living=" "
mounts=""
while read -r word item; do
  case $word in
    start) living="$living$item " ;;
    end) case $living in *" $item "*) living="${living%%" $item "*} ${living#*" $item "}" ;; esac ;;
    mount) mounts="$item $mounts" ;;
    root) root=$item ;;
  esac
done
for item in $living; do kill "-${item%%:*}" "${item#*:}" 2>/dev/null; done
tries=0
while [ $tries -lt 20 ]; do
  left=""
  for item in $living; do kill -0 "${item#*:}" 2>/dev/null && left=1; done
  [ -z "$left" ] && break
  tries=$((tries + 1)); sleep 0.1
done
for item in $living; do kill -KILL "${item#*:}" 2>/dev/null; done
for item in $mounts; do umount -l "$item" 2>/dev/null; done
[ -n "$root" ] && rm -rf "$root"
"#;

struct Reaper {
    pipe: ChildStdin,
    root: PathBuf,
}

static REAPER: LazyLock<Mutex<Reaper>> = LazyLock::new(|| {
    let root = tempfile::Builder::new()
        .prefix("penstock-it-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
        .keep();
    #[expect(
        clippy::zombie_processes,
        reason = "it outlives this process: that is what it is for"
    )]
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    writeln!(pipe, "root {}", root.display()).unwrap();
    Mutex::new(Reaper { pipe, root })
});

fn tell(line: &str) {
    // A poisoned lock still holds a good pipe: another test's panic must not leak processes.
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(reaper.pipe, "{line}").unwrap();
}

/// A process that gets `signal` (then KILL) if it outlives this one.
pub(super) fn started(signal: &str, pid: u32) {
    tell(&format!("start {signal}:{pid}"));
}

/// The process has ended and was waited for.
pub(super) fn ended(signal: &str, pid: u32) {
    tell(&format!("end {signal}:{pid}"));
}

/// A mount point that is unmounted at the end.
pub(crate) fn keep_mount(path: &Path) {
    tell(&format!("mount {}", path.display()));
}

/// A folder of this run, readable by other users (PostgreSQL runs as one), removed when dropped
/// and in any case at the end of the run.
pub(crate) fn folder(name: &str) -> TempDir {
    let root = REAPER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .root
        .clone();
    tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in(root)
        .unwrap()
}
