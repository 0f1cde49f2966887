//! A `penstock serve` under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::command::{append_to, ended_within, signal_process, tail};
use super::http::{Answer, http};
use super::kcat::Kcat;
use super::wait::wait_until;
use super::{free_port, reaper};

/// A start under strace or after recovery of a large journal still fits in here.
const READY: Duration = Duration::from_secs(60);
/// An orderly end: drain, last sync, connections closed.
const TERMINATED: Duration = Duration::from_secs(20);

/// The binary under test: `PENSTOCK_TEST_BIN` (a release build, a control build) or the one that
/// cargo built for these tests.
fn binary() -> PathBuf {
    std::env::var_os("PENSTOCK_TEST_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_penstock").into(), PathBuf::from)
}

/// What to start Penstock with. Listeners get ports that stay the same over restarts.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    environment: BTreeMap<String, String>,
    connectors: BTreeMap<String, String>,
    binary: PathBuf,
    wrapper: Vec<String>,
    data: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new() -> Setup {
        let listen = || format!("127.0.0.1:{}", free_port());
        let environment = [
            ("PENSTOCK_HTTP_LISTEN", listen()),
            ("PENSTOCK_KAFKA_LISTEN", listen()),
            ("PENSTOCK_METRICS_LISTEN", listen()),
            ("PENSTOCK_SQL_LISTEN", "127.0.0.1:0".to_owned()),
            ("PENSTOCK_CAPNP_LISTEN", "127.0.0.1:0".to_owned()),
            ("TZ", "UTC".to_owned()),
        ];
        Setup {
            environment: environment.map(|(k, v)| (k.to_owned(), v)).into(),
            connectors: BTreeMap::new(),
            binary: binary(),
            wrapper: Vec::new(),
            data: None,
        }
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a connector file: `<name>.json`.
    pub(crate) fn connector(mut self, name: &str, json: &Value) -> Setup {
        self.connectors.insert(name.to_owned(), json.to_string());
        self
    }

    /// The short form of a source: one URL, its tables, topics below `prefix`.
    pub(crate) fn source(self, url: &str, tables: &str, prefix: &str) -> Setup {
        self.env("PENSTOCK_SOURCE_URL", url)
            .env("PENSTOCK_TABLES", tables)
            .env("PENSTOCK_TOPIC_PREFIX", prefix)
    }

    /// Another binary.
    pub(crate) fn binary(mut self, path: &Path) -> Setup {
        self.binary = path.to_owned();
        self
    }

    /// A program that runs the binary, such as strace with its options.
    pub(crate) fn wrapper(mut self, words: &[&str]) -> Setup {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// A data directory on a file system of the test.
    pub(crate) fn data(mut self, path: &Path) -> Setup {
        self.data = Some(path.to_owned());
        self
    }

    /// Makes its folder, without starting it.
    pub(crate) fn build(self) -> Penstock {
        let penstock = Penstock {
            setup: self,
            folder: reaper::folder("penstock"),
            child: None,
            addresses: Value::Null,
        };
        std::fs::create_dir(penstock.path("cdc")).unwrap();
        for (name, json) in &penstock.setup.connectors {
            penstock.write_connector(name, json);
        }
        penstock
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(self) -> Penstock {
        let mut penstock = self.build();
        penstock.start();
        penstock
    }
}

/// A running, or stopped, server with its folder: connector files, data, output.
#[derive(Debug)]
pub(crate) struct Penstock {
    setup: Setup,
    folder: TempDir,
    child: Option<Child>,
    addresses: Value,
}

impl Penstock {
    /// A path in the server's working folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        let own = || self.path("data");
        self.setup.data.clone().unwrap_or_else(own)
    }

    /// Writes `cdc/<name>.json`; read at the next start.
    pub(crate) fn write_connector(&self, name: &str, json: &str) {
        std::fs::write(self.path("cdc").join(format!("{name}.json")), json).unwrap();
    }

    /// A command of the same binary that finds this server.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.setup.binary);
        self.clean_environment(&mut command);
        command.current_dir(self.folder.path()).args(words);
        command
    }

    fn clean_environment(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PENSTOCK_") {
                command.env_remove(name);
            }
        }
        command
            .env("PENSTOCK_DATA_DIR", self.data())
            .env("PENSTOCK_CONNECTORS", self.path("cdc/*.json"))
            .env("PENSTOCK_TOPICS", self.path("topics.yaml"))
            .envs(&self.setup.environment);
    }

    /// Starts the process and waits until it is ready.
    pub(crate) fn start(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Starts the process only.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it is running");
        let ready = self.path("ready.json");
        drop(std::fs::remove_file(&ready));
        let mut words: Vec<&std::ffi::OsStr> =
            self.setup.wrapper.iter().map(AsRef::as_ref).collect();
        words.push(self.setup.binary.as_os_str());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.clean_environment(&mut command);
        let child = command
            .args(["serve", "--ready-file"])
            .arg(&ready)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(append_to(&self.path("stdout.txt")))
            .stderr(append_to(&self.path("stderr.txt")))
            .spawn()
            .unwrap();
        reaper::started("KILL", child.id());
        self.child = Some(child);
    }

    /// Waits for the ready file.
    pub(crate) fn wait_ready(&mut self) {
        let ready = self.path("ready.json");
        let stderr = self.path("stderr.txt");
        let child = self.child.as_mut().expect("a started process");
        self.addresses = wait_until("penstock to be ready", READY, || {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                return Ok(serde_json::from_str(&text).unwrap());
            }
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(&stderr).unwrap_or_default();
                panic!("penstock ended with {status} instead: {}", tail(&log));
            }
            Err("no ready file".to_owned())
        });
    }

    /// The process id (of the wrapper where there is one).
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running process").id()
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().unwrap().is_none(),
            None => false,
        }
    }

    /// `kill -9`, and waits for the corpse.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
            reaper::ended("KILL", child.id());
        }
    }

    /// Asks it to read its declarations again.
    pub(crate) fn hang_up(&self) {
        signal_process("HUP", self.pid());
    }

    /// Asks it to end, waits, and gives its status.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        signal_process("TERM", self.pid());
        self.ended(TERMINATED)
            .unwrap_or_else(|| panic!("penstock did not end in {TERMINATED:?} after SIGTERM"))
    }

    /// The status, if it ends within `limit`.
    pub(crate) fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut().expect("a process");
        let status = ended_within(child, limit)?;
        reaper::ended("KILL", child.id());
        self.child = None;
        Some(status)
    }

    /// An address of the ready file.
    #[track_caller]
    pub(crate) fn address(&self, listener: &str) -> &str {
        self.addresses[listener]
            .as_str()
            .unwrap_or_else(|| panic!("no {listener} in the ready file {}", self.addresses))
    }

    pub(crate) fn ready_file(&self) -> &Value {
        &self.addresses
    }

    /// A stock client of its Kafka port.
    pub(crate) fn kcat(&self) -> Kcat {
        Kcat::new(self.address("kafka"))
    }

    /// A request to its HTTP port.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        http(self.address("http"), "GET", path, None)
    }

    /// `/status`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.get("/status").unwrap().json()
    }

    /// State and reason of a connector; empty where `/status` does not list it or not yet.
    pub(crate) fn connector(&self, name: &str) -> (String, String) {
        let Ok(answer) = self.get("/status") else {
            return Default::default();
        };
        let status = answer.json();
        let of = |connector: &Value, key: &str| connector[key].as_str().unwrap_or("").to_owned();
        status["connectors"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|connector| connector["name"] == name)
            .map(|connector| (of(connector, "state"), of(connector, "reason")))
            .unwrap_or_default()
    }

    /// Waits until a connector is in `state`; its reason.
    pub(crate) fn wait_for_state(&self, connector: &str, state: &str) -> String {
        let what = format!("connector {connector} to be {state}");
        wait_until(&what, Duration::from_secs(30), || {
            let (now, reason) = self.connector(connector);
            if now == state {
                Ok(reason)
            } else {
                Err(format!("{now:?}, reason {reason:?}"))
            }
        })
    }

    /// The page of the metrics listener.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let answer = http(self.address("metrics"), "GET", "/metrics", None).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// What it wrote on standard output, over all starts.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.path("stdout.txt")).unwrap_or_default()
    }

    /// What it wrote on standard error, over all starts.
    pub(crate) fn stderr(&self) -> String {
        let bytes = std::fs::read(self.path("stderr.txt")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A line such as `VmHWM` of the process's status, in KiB.
    #[track_caller]
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let found = status.lines().find_map(|l| l.strip_prefix(line));
        let found = found.unwrap_or_else(|| panic!("no {line} in {status}"));
        let number = found.split_whitespace().nth(1);
        number.unwrap().parse().unwrap()
    }
}

impl Drop for Penstock {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- penstock stderr\n{}", tail(&self.stderr()));
        }
    }
}
