//! The demo's PostgreSQL: made in the demo's folder, reachable on loopback with a password only,
//! ended with the demo.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::super::error::Error;
use super::folder::system;
use super::programs::Programs;

/// A server on a busy machine answers within this time.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// An orderly end takes at most this long; then it is ended at once.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(50);
/// Tries to find a free port that nobody takes before the server does.
const PORT_TRIES: usize = 3;
/// Lines of the server's log shown when it does not start.
const LOG_LINES: usize = 12;
/// The owner of the cluster.
const ADMIN: &str = "postgres";
/// The shop's database.
const DATABASE: &str = "postgres";

/// Settings of the server. The database is thrown away, so it need not survive a crash.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "wal_level=logical",
    "max_wal_senders=8",
    "max_replication_slots=8",
    "fsync=off",
    "shared_buffers=32MB",
    "max_connections=20",
    "timezone=UTC",
];

/// A running PostgreSQL. Dropping it ends it at once.
#[derive(Debug)]
pub(super) struct Cluster {
    process: Mutex<Child>,
    port: u16,
    password: String,
    log: PathBuf,
}

impl Cluster {
    /// Makes a cluster below `folder`, starts it, and waits until it answers. Not cancel safe: a
    /// dropped call ends the server as soon as it has one.
    pub(super) async fn start(folder: PathBuf) -> Result<Cluster, Error> {
        let (programs, data) = {
            let folder = folder.clone();
            let made = tokio::task::spawn_blocking(move || initialize(&folder)).await;
            made.map_err(|_| Error::Task("demo initdb"))??
        };
        let password_file = folder.join("pg/password");
        let password = std::fs::read_to_string(&password_file)
            .map_err(system("read", &password_file))?
            .trim()
            .to_owned();
        let mut tries = 1;
        loop {
            let cluster = Cluster::launch(&programs, &data, &folder, password.clone())?;
            match cluster.wait_until_up().await {
                Ok(()) => return Ok(cluster),
                Err(error) if tries == PORT_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    fn launch(
        programs: &Programs,
        data: &Path,
        folder: &Path,
        password: String,
    ) -> Result<Cluster, Error> {
        let port = free_port()?;
        let log = folder.join("postgres.log");
        let output = std::fs::File::create(&log).map_err(system("write", &log))?;
        let errors = output.try_clone().map_err(system("write", &log))?;
        let mut command = programs.command("postgres");
        command
            .arg("-D")
            .arg(data)
            .arg("-c")
            .arg(format!("port={port}"));
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let process = command.spawn().map_err(system("run postgres in", data))?;
        Ok(Cluster {
            process: Mutex::new(process),
            port,
            password,
            log,
        })
    }

    async fn wait_until_up(&self) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.ended() {
                return Err(self.broken(&format!("PostgreSQL did not start ({status})")));
            }
            match self.admin().connect(tokio_postgres::NoTls).await {
                // The connection was only a question; both halves are dropped.
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(self.broken(&format!("PostgreSQL does not answer: {error}")));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// How to connect as the owner.
    pub(super) fn admin(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(ADMIN)
            .password(&self.password)
            .dbname(DATABASE)
            .connect_timeout(Duration::from_secs(5));
        config
    }

    /// A URL for `user`.
    pub(super) fn url(&self, user: &str, password: &str) -> String {
        let port = self.port;
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable")
    }

    /// A URL for people to paste.
    pub(super) fn shown_url(&self) -> String {
        self.url(ADMIN, &self.password)
    }

    /// Resolves when the server has ended without being asked. Cancel safe.
    pub(super) async fn failed(&self) -> Error {
        loop {
            if let Some(status) = self.ended() {
                return self.broken(&format!("PostgreSQL has ended ({status})"));
            }
            tokio::time::sleep(POLL * 10).await;
        }
    }

    /// Ends the server in order, at once where that takes too long.
    pub(super) async fn stop(&self) {
        // Sessions are cut, the data is left in order.
        self.signal(Signal::INT);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.ended().is_none() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.process.lock().try_wait().ok().flatten()
    }

    /// Signals the server, which is a child that is not waited for yet, so its id is its own.
    fn signal(&self, signal: Signal) {
        let mut process = self.process.lock();
        if matches!(process.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&process), signal);
        }
    }

    fn broken(&self, what: &str) -> Error {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LOG_LINES));
        let shown: String = last.map(|line| format!("\n    {line}")).collect();
        Error::Demo {
            what: format!("{what}; its log ends with:{shown}"),
            mend: "mend what the log names; `penstock demo --keep` leaves all files behind"
                .to_owned(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The data is left as it is; the server ends its children itself. It does so within moments.
        self.signal(Signal::QUIT);
        let _ = self.process.get_mut().wait();
    }
}

/// Runs initdb in `folder/pg`; the data directory, and a password only its files know.
fn initialize(folder: &Path) -> Result<(Programs, PathBuf), Error> {
    let programs = Programs::find()?;
    let parent = folder.join("pg");
    let made = std::fs::DirBuilder::new().mode(0o700).create(&parent);
    made.map_err(system("make", &parent))?;
    let password = parent.join("password");
    std::fs::write(&password, uuid::Uuid::new_v4().simple().to_string())
        .map_err(system("write", &password))?;
    if let Some(user) = programs.user {
        for path in [&parent, &password] {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
                .map_err(system("give away", path))?;
        }
    }
    let data = parent.join("data");
    let made = programs
        .command("initdb")
        .args(["--username", ADMIN, "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
        .arg("--pwfile")
        .arg(&password)
        .arg("-D")
        .arg(&data)
        .stdin(Stdio::null())
        .output()
        .map_err(system("run initdb in", &data))?;
    if made.status.success() {
        return Ok((programs, data));
    }
    let said = String::from_utf8_lossy(&made.stderr);
    Err(Error::Demo {
        what: format!("initdb failed ({}): {}", made.status, said.trim()),
        mend: "mend what initdb names; TMPDIR chooses another folder".to_owned(),
    })
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let bound = bound.map_err(|cause| Error::System {
        doing: "find a free port".to_owned(),
        cause,
        mend: "check that the loopback interface is up".to_owned(),
    })?;
    Ok(bound.port())
}

#[cfg(test)]
mod tests;
