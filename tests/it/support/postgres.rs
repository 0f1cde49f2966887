//! Private PostgreSQL servers.
//!
//! A test leases a cluster for itself and gives it back empty: at most as many run as tests run
//! at once. Tests that need other settings start their own. Clusters are copies of one made by
//! `initdb` once a run. They do without fsync: nothing here cuts PostgreSQL's power.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::command::{append_to, ended_within, run, run_with_input, signal_process, tail};
use super::sql::Sql;
use super::wait::wait_until;
use super::{free_port, reaper};

/// How to end a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Clients are cut, walsenders are waited for: `pg_ctl stop -m fast`.
    Fast,
    /// As a crash: `pg_ctl stop -m immediate`.
    Immediate,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
    leased: bool,
}

static IDLE: Mutex<Vec<Postgres>> = Mutex::new(Vec::new());

/// The folder of `initdb`, `postgres` and the rest: `PENSTOCK_TEST_POSTGRES_BIN` or the newest of
/// Debian's.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Ok(folder) = std::env::var("PENSTOCK_TEST_POSTGRES_BIN") {
        return folder.into();
    }
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("postgres").exists())
        .collect();
    versions.sort();
    let newest = versions.pop();
    newest
        .expect("PostgreSQL's server programs (Debian: apt-get install postgresql)")
        .1
});

/// A cluster as `initdb` leaves it.
static TEMPLATE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = reaper::folder("template");
    own(folder.path());
    let finished = run(
        as_postgres(&PROGRAMS.join("initdb"))
            .arg("-D")
            .arg(folder.path().join("data"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync"]),
        Duration::from_secs(120),
    );
    finished.ok("initdb");
    folder
});

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A program as the user that may run PostgreSQL: root may not.
fn as_postgres(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    command
}

fn own(folder: &Path) {
    if is_root() {
        let mut chown = Command::new("chown");
        chown.args(["-R", "postgres"]).arg(folder);
        run(&mut chown, Duration::from_secs(60)).ok("chown");
    }
}

impl Postgres {
    /// A running cluster with `wal_level=logical` for this test alone, without any database,
    /// slot or role of others.
    pub(crate) fn lease() -> Postgres {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut cluster = idle.unwrap_or_else(|| Postgres::own(&[]));
        cluster.leased = true;
        cluster
    }

    /// A running cluster with settings of its own, removed afterwards.
    pub(crate) fn own(settings: &[&str]) -> Postgres {
        let folder = reaper::folder("postgres");
        run(
            Command::new("cp")
                .arg("-a")
                .arg(TEMPLATE.path().join("data"))
                .arg(folder.path()),
            Duration::from_secs(60),
        )
        .ok("copy of the template cluster");
        let port = free_port();
        let mut lines = format!(
            "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories=''\n\
             wal_level=logical\nmax_wal_senders=20\nmax_replication_slots=20\n\
             max_prepared_transactions=10\ntimezone='UTC'\nfsync=off\nfull_page_writes=off\n"
        );
        for setting in settings {
            lines += setting;
            lines.push('\n');
        }
        let file = folder.path().join("data/postgresql.conf");
        let standard = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, standard + &lines).unwrap();
        own(folder.path());
        let mut cluster = Postgres {
            folder,
            port,
            server: None,
            leased: false,
        };
        cluster.start();
        cluster
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's programs.
    pub(crate) fn programs() -> &'static Path {
        &PROGRAMS
    }

    /// The URL of a database, for its superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    pub(crate) fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database and connects to it.
    pub(crate) fn database(&self, name: &str) -> Sql {
        self.connect("postgres")
            .exec(&format!("create database {name} template template0"));
        self.connect(name)
    }

    #[track_caller]
    pub(crate) fn connect(&self, database: &str) -> Sql {
        Sql::try_connect(&self.url(database))
            .unwrap_or_else(|error| panic!("connect to {database}: {error}"))
    }

    /// Runs a script by psql, statement for statement, as recordings and users do.
    pub(crate) fn psql(&self, database: &str, script: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-At", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-v", "ON_ERROR_STOP=1", "-d", database, "-p"])
            .arg(self.port.to_string());
        run_with_input(&mut psql, script, Duration::from_secs(120)).ok("psql")
    }

    /// Waits until somebody streams from `slot`.
    #[track_caller]
    pub(crate) fn wait_streaming(&self, slot: &str) {
        let sql = self.connect("postgres");
        wait_until(
            &format!("{slot} to stream"),
            Duration::from_secs(60),
            || {
                let rows = sql.rows(&format!(
                "select coalesce(r.state, 'not connected'), s.active from pg_replication_slots s \
                 left join pg_stat_replication r on s.active_pid = r.pid where s.slot_name = '{slot}'"
            ));
                match rows.first().and_then(|row| row[0].as_deref()) {
                    Some("streaming") => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            },
        );
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&mut self) {
        let log = append_to(&self.folder.path().join("server.log"));
        let mut server = as_postgres(&PROGRAMS.join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        reaper::started("QUIT", server.id());
        wait_until("PostgreSQL to start", Duration::from_secs(60), || {
            if let Some(status) = server.try_wait().unwrap() {
                panic!("PostgreSQL ended with {status}: {}", self.log());
            }
            Sql::try_connect(&self.url("postgres")).map(drop)
        });
        self.server = Some(server);
    }

    /// Ends the server; how long that took.
    pub(crate) fn stop(&mut self, how: Stop) -> Duration {
        let begin = Instant::now();
        self.begin_stop(how);
        let took = self.stopped_within(Duration::from_secs(60));
        assert!(took, "PostgreSQL did not stop: {}", self.log());
        begin.elapsed()
    }

    /// Asks the server to end.
    pub(crate) fn begin_stop(&self, how: Stop) {
        let server = self.server.as_ref().expect("a running server");
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        signal_process(signal, server.id());
    }

    /// Whether a server that was asked to end has ended within `limit`.
    pub(crate) fn stopped_within(&mut self, limit: Duration) -> bool {
        let server = self.server.as_mut().expect("a server that was running");
        if ended_within(server, limit).is_none() {
            return false;
        }
        reaper::ended("QUIT", server.id());
        self.server = None;
        true
    }

    pub(crate) fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start();
    }

    /// The end of the server's log.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("server.log"));
        tail(&text.unwrap_or_default())
    }

    /// Removes all slots, databases and roles of tests.
    fn clear(&self) -> Result<(), String> {
        let sql = Sql::try_connect(&self.url("postgres"))?;
        sql.try_rows("select pg_terminate_backend(pid) from pg_stat_activity where backend_type in ('walsender', 'client backend') and pid <> pg_backend_pid()")?;
        for _ in 0..100 {
            sql.try_rows(
                "select pg_terminate_backend(active_pid) from pg_replication_slots where active",
            )?;
            sql.try_rows(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active",
            )?;
            if sql
                .try_rows("select 1 from pg_replication_slots")?
                .is_empty()
            {
                break;
            }
        }
        for row in sql.try_rows("select quote_ident(datname) from pg_database where datname not in ('postgres', 'template0', 'template1')")? {
            let name = row.into_iter().flatten().next().unwrap_or_default();
            sql.try_rows(&format!("drop database {name} with (force)"))?;
        }
        for row in sql.try_rows("select quote_ident(rolname) from pg_roles where rolname !~ '^pg_' and rolname <> 'postgres'")? {
            let name = row.into_iter().flatten().next().unwrap_or_default();
            sql.try_rows(&format!("drop owned by {name}; drop role {name}"))?;
        }
        Ok(())
    }

    /// The server moved to another owner.
    fn take(&mut self) -> Option<Postgres> {
        let server = self.server.take()?;
        Some(Postgres {
            folder: std::mem::replace(&mut self.folder, reaper::folder("moved")),
            port: self.port,
            server: Some(server),
            leased: false,
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- PostgreSQL\n{}", self.log());
        } else if self.leased
            && self.server.is_some()
            && self.clear().is_ok()
            && let Some(cluster) = self.take()
        {
            IDLE.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(cluster);
            return;
        }
        if let Some(mut server) = self.server.take() {
            signal_process("QUIT", server.id());
            if ended_within(&mut server, Duration::from_secs(20)).is_none() {
                drop(server.kill());
                drop(server.wait());
            }
            reaper::ended("QUIT", server.id());
        }
    }
}
