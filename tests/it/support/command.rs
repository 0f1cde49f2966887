//! Running programs: to their end with a deadline, or beside the test.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::reaper;
use super::wait::{pause, wait_until};

/// What a program that ended left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The output, if the program succeeded.
    #[track_caller]
    pub(crate) fn ok(self, what: &str) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "{what} failed\nstdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs `command` to its end; a panic after `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Finished {
    run_with_input(command, "", limit)
}

/// As [`run`], with `input` on the program's standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &str, limit: Duration) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let pid = child.id();
    reaper::started("KILL", pid);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that does not read its input closes the pipe: no failure of the test.
        drop(stdin.write_all(input.as_bytes()));
    });
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let status = ended_within(&mut child, limit);
    if status.is_none() {
        drop(child.kill());
        drop(child.wait());
    }
    reaper::ended("KILL", pid);
    writer.join().unwrap();
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let Some(status) = status else {
        panic!("{command:?} did not end in {limit:?}\nstdout: {stdout}\nstderr: {stderr}");
    };
    Finished {
        code: status.code(),
        stdout,
        stderr,
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The status of `child` if it ends within `limit`.
pub(super) fn ended_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if begin.elapsed() > limit {
            return None;
        }
        pause(Duration::from_millis(5));
    }
}

/// A program that runs beside the test, its output in files. Killed when dropped; its output is
/// printed if the test is failing then.
#[derive(Debug)]
pub(crate) struct Background {
    name: String,
    child: Child,
    over: bool,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Background {
    /// Starts `command`; its output goes to `<name>.out` and `<name>.err` in `folder`.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Background {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(append_to(&stdout))
            .stderr(append_to(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        reaper::started("KILL", child.id());
        Background {
            name: name.to_owned(),
            child,
            over: false,
            stdout,
            stderr,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap()).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// The status, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap();
        self.over |= status.is_some();
        status
    }

    /// Sends `signal` (a name as `kill` takes it).
    pub(crate) fn signal(&self, signal: &str) {
        signal_process(signal, self.child.id());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        wait_until(&format!("the end of {name}"), limit, || {
            self.ended()
                .ok_or_else(|| format!("still running; stderr: {}", tail(&self.stderr())))
        })
    }

    /// Kills and waits.
    pub(crate) fn kill(&mut self) {
        if !self.over {
            drop(self.child.kill());
            drop(self.child.wait());
            self.over = true;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill();
        reaper::ended("KILL", self.child.id());
        if std::thread::panicking() {
            eprintln!(
                "--- {} stdout\n{}\n--- {} stderr\n{}",
                self.name,
                tail(&self.stdout()),
                self.name,
                tail(&self.stderr())
            );
        }
    }
}

/// `kill -SIGNAL PID`.
pub(super) fn signal_process(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "kill -{signal} {pid}");
}

/// A file to append to.
pub(super) fn append_to(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

/// The last lines of an output: what is printed of a failed test's programs.
pub(super) fn tail(text: &str) -> String {
    const LINES: usize = 40;
    const CHARACTERS: usize = 400;
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let cut = |line: &&str| line.chars().take(CHARACTERS).collect::<String>();
    shown.iter().map(cut).collect::<Vec<_>>().join("\n")
}
