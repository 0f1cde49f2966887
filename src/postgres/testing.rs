//! A private PostgreSQL for the tests of this folder: one server for all tests that run at a time,
//! stopped with the last of them; also when the test process is killed, as its wrapper waits for
//! the end of a pipe that only this process holds.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{ConnectionConfig, Secret, SqlClient, connect_sql};

/// Where the server is, unless `PENSTOCK_TEST_POSTGRES_BIN` names another one.
const BIN: &str = "/usr/lib/postgresql/15/bin";
const START_TIMEOUT: Duration = Duration::from_secs(30);

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Who may come in how; `all` for the database also means logical replication.
const HBA: &str = "
hostssl all tls_only 127.0.0.1/32 scram-sha-256
hostnossl all tls_only 127.0.0.1/32 reject
hostnossl all plain_only 127.0.0.1/32 scram-sha-256
hostssl all plain_only 127.0.0.1/32 reject
host all md5_user 127.0.0.1/32 md5
host all clear_user 127.0.0.1/32 password
host all nobody_user 127.0.0.1/32 reject
hostssl all cert_user 127.0.0.1/32 cert clientcert=verify-full
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";

const ROLES: &str = "
CREATE ROLE tls_only LOGIN REPLICATION PASSWORD 'p';
CREATE ROLE plain_only LOGIN REPLICATION PASSWORD 'p';
CREATE ROLE scram_user LOGIN REPLICATION PASSWORD 'p w';
CREATE ROLE nobody_user LOGIN PASSWORD 'p';
CREATE ROLE no_login NOLOGIN PASSWORD 'p';
CREATE ROLE cert_user LOGIN;
CREATE ROLE limited LOGIN REPLICATION PASSWORD 'p' CONNECTION LIMIT 0;
SET password_encryption = 'md5';
CREATE ROLE md5_user LOGIN PASSWORD 'p';
CREATE ROLE clear_user LOGIN PASSWORD 'p';
";

/// A running server.
#[derive(Debug)]
pub(super) struct Cluster {
    wrapper: Child,
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl Cluster {
    /// The server of all tests; `None`, said on stderr, where PostgreSQL is not installed.
    pub(super) fn shared() -> Option<Arc<Cluster>> {
        if !bin().join("postgres").exists() {
            eprintln!("skipped: no postgres in {}", bin().display());
            return None;
        }
        let mut shared = SHARED.lock();
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let cluster = Arc::new(Cluster::start());
        *shared = Arc::downgrade(&cluster);
        Some(cluster)
    }

    fn start() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        own(folder.path());
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let made = as_postgres("initdb")
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--no-instructions", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        certificates(folder.path());
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let mut settings = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        settings.push_str(&format!(
            "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories='{0}'\n\
             wal_level=logical\nmax_wal_senders=20\nmax_replication_slots=20\nfsync=off\n\
             max_wal_size=64MB\nshared_buffers=16MB\n\
             ssl=on\nssl_cert_file='{0}/server.crt'\nssl_key_file='{0}/server.key'\n\
             ssl_ca_file='{0}/ca.crt'\ntimezone='Asia/Tokyo'\ndatestyle='SQL, DMY'\n",
            folder.path().display()
        ));
        fs::write(data.join("postgresql.conf"), settings).unwrap();
        let wrapper = Command::new("sh")
            .arg("-c")
            .arg(r#""$@" >"$LOG" 2>&1 & pid=$!; cat >/dev/null; kill -INT $pid; wait $pid"#)
            .arg("wrapper")
            .args(argv("postgres"))
            .arg("-D")
            .arg(&data)
            .env("LOG", folder.path().join("log"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let cluster = Cluster {
            wrapper,
            folder,
            port,
        };
        cluster.wait_until_ready();
        cluster.psql(ROLES);
        cluster
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let probe = Command::new("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            if probe.is_ok_and(|status| status.success()) {
                return;
            }
            // The probe itself paces the loop; a refused connection costs a few milliseconds.
            assert!(
                Instant::now() < until,
                "the server does not start: {}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
        }
    }

    fn psql(&self, sql: &str) {
        let ran = Command::new("psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-U", "postgres", "-p", &self.port.to_string(), "-c", sql])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    /// The authority that signed the server's certificate (for `localhost` and `127.0.0.1`).
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A config for `user`, whose password is `p`.
    pub(super) fn config(&self, user: &str, dbname: &str) -> ConnectionConfig {
        let mut config = ConnectionConfig::new("127.0.0.1", user, dbname);
        config.port = self.port;
        config.password = Secret::new("p");
        config
    }

    /// A database of its own for a test, and its superuser's client.
    pub(super) async fn database(&self) -> (ConnectionConfig, SqlClient) {
        let name = unique("db");
        let admin = connect_sql(&self.config("postgres", "postgres"))
            .await
            .unwrap();
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        admin.close().await;
        let config = self.config("postgres", &name);
        let client = connect_sql(&config).await.unwrap();
        (config, client)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.wrapper.stdin.take());
        let _ = self.wrapper.wait();
    }
}

/// A name that no other test of this process has.
pub(super) fn unique(what: &str) -> String {
    format!("{what}_{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn bin() -> PathBuf {
    std::env::var_os("PENSTOCK_TEST_POSTGRES_BIN").map_or_else(|| BIN.into(), PathBuf::from)
}

/// The server refuses to run as root.
fn is_root() -> bool {
    uid() == 0
}

fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(1, |own| own.uid())
}

fn argv(program: &str) -> Vec<String> {
    let program = bin().join(program).display().to_string();
    if is_root() {
        let drop = [
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
        ];
        drop.into_iter()
            .map(str::to_owned)
            .chain([program])
            .collect()
    } else {
        vec![program]
    }
}

fn as_postgres(program: &str) -> Command {
    let argv = argv(program);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir("/");
    command
}

fn own(path: &Path) {
    if !is_root() {
        return;
    }
    let changed = Command::new("chown")
        .arg("postgres:postgres")
        .arg(path)
        .status();
    assert!(changed.is_ok_and(|status| status.success()));
    let opened = Command::new("chmod").arg("755").arg(path).status();
    assert!(opened.is_ok_and(|status| status.success()));
}

/// Writes `ca.crt`, `other-ca.crt`, `server.crt|key` for the address, `client.crt|key`.
fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, key)
    };
    let (params, key) = authority("ours");
    fs::write(
        folder.join("ca.crt"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    let issuer = Issuer::new(params, key);
    let (other, other_key) = authority("other");
    let other = other.self_signed(&other_key).unwrap();
    fs::write(folder.join("other-ca.crt"), other.pem()).unwrap();
    for (file, names, common_name) in [
        ("server", vec!["localhost".to_owned()], "localhost"),
        ("client", Vec::new(), "cert_user"),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let key_file = folder.join(format!("{file}.key"));
        fs::write(folder.join(format!("{file}.crt")), certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        if file == "server" {
            own(&key_file);
        }
        let closed = Command::new("chmod").arg("600").arg(&key_file).status();
        assert!(closed.is_ok_and(|status| status.success()));
    }
}
