//! The course of the demo: start, wait for the end, take everything down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::error::Error;
use super::super::runtime::runtime;
use super::super::server::Server;
use super::super::signals::Signals;
use super::super::{logging, ready, settings as parts};
use super::cluster::Cluster;
use super::folder::{self, Folder};
use super::issuer::Issuer;
use super::{acme, billing, migrations, printer, shop};
use crate::clock::SystemClock;
use crate::config::{self, Environment};
use crate::error::chain;
use crate::tasks;

/// Lines of the log that people see between the events: only what went wrong.
const LOG_FILTER: &str = "warn";
/// Where to listen: what the variable says, else the port of `serve` where it is free, so that
/// commands to paste are short.
const LISTENERS: [(&str, u16); 3] = [
    ("PENSTOCK_HTTP_LISTEN", 8080),
    ("PENSTOCK_KAFKA_LISTEN", 9092),
    ("PENSTOCK_METRICS_LISTEN", 9464),
];
/// Threads that still block at the end are left behind after this time.
const THREADS_TIMEOUT: Duration = Duration::from_millis(500);

/// What the command line says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demo {
    /// Ends by itself after this time.
    pub time: Option<Duration>,
    /// Leaves the folder behind.
    pub keep: bool,
}

/// Runs the demo to its end. `Ok` however it was ended, unless something failed.
pub fn demo(options: Demo) -> Result<(), Error> {
    logging::start(Some(LOG_FILTER));
    let runtime = runtime()?;
    let ended = runtime.block_on(run(options));
    runtime.shutdown_timeout(THREADS_TIMEOUT);
    ended
}

async fn run(options: Demo) -> Result<(), Error> {
    let mut signals = Signals::install()?;
    let stop = CancellationToken::new();
    let shown = show(options, stop.clone());
    tokio::pin!(shown);
    tokio::select! {
        ended = &mut shown => return ended,
        _ = signals.next_of_all() => stop.cancel(),
    }
    tokio::select! {
        ended = &mut shown => ended,
        // Dropping what runs ends the database at once and removes the folder.
        name = signals.next() => Err(Error::Demo {
            what: format!("a second signal ({name}) cut its end short"),
            mend: "wait a moment after the first".to_owned(),
        }),
    }
}

/// Starts everything, waits for the end, takes everything down whatever happened in between.
async fn show(options: Demo, stop: CancellationToken) -> Result<(), Error> {
    let folder = Folder::create(options.keep)?;
    eprintln!(
        "demo: starting a private PostgreSQL in {} ...",
        folder.path().display()
    );
    // Not cut short by a signal: a program that runs in a folder that is removed leaves litter.
    let cluster = Cluster::start(folder.path().to_owned()).await?;
    let shown = match stop.is_cancelled() {
        true => Ok(()),
        false => show_on(&cluster, folder.path(), options.time, stop).await,
    };
    cluster.stop().await;
    drop(cluster);
    folder.remove();
    shown
}

async fn show_on(
    cluster: &Cluster,
    folder: &Path,
    time: Option<Duration>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let role_password = migrations::apply(cluster).await?;
    let (issuer, app) = Issuer::of_integration(acme::NAME, acme::RESOURCE)?;
    let admin_password = admin_password();
    let secrets = Secrets {
        role_password,
        issuer_url: issuer.endpoint().to_owned(),
        admin_password: admin_password.clone(),
    };
    let config = settings(cluster, folder, &secrets)?;
    let environment = Environment::default();
    let recorder = parts::metrics()?;
    let server = Server::start(&config, &environment, Arc::new(SystemClock), recorder).await?;
    tell(&server, cluster, &admin_password);
    let shop = tasks::spawn("demo shop", shop::run(cluster.admin(), stop.clone()));
    let base_url = base_url(&server);
    let partner = acme::Partner::new(&issuer, app, base_url.clone());
    let partner = tasks::spawn("demo integration", acme::run(partner, stop.clone()));
    let booking = billing::run(base_url, admin_password, stop.clone());
    let booking = tasks::spawn("demo consumer", booking);
    let printed = printer::print(server.log().clone(), stop.clone());
    let time_is_up = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = printed => ended,
        () = time_is_up => Ok(()),
        error = server.failed() => Err(error),
        error = cluster.failed() => Err(error),
        error = connector_failed(&server) => Err(error),
    };
    stop.cancel();
    // The shop ends with `stop`, within one transaction.
    if let Ok(Err(error)) = shop.await {
        tracing::warn!(error = %chain(&error), "the demo's shop ended early");
    }
    for ended in [partner.await, booking.await] {
        if let Ok(Err(error)) = ended {
            tracing::warn!(error = %chain(&error), "a client of the demo ended early");
        }
    }
    server.stop().await;
    ended
}

/// Penstock's settings: of this machine's configuration only the addresses are taken.
fn settings(cluster: &Cluster, folder: &Path, secrets: &Secrets) -> Result<config::Config, Error> {
    let environment = Environment::of_process();
    let [http, kafka, metrics] = LISTENERS.map(|(variable, port)| {
        let chosen = environment.get(variable).map(str::to_owned);
        let free = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_or_any(port))).to_string();
        chosen.unwrap_or_else(free)
    });
    let below = |name: &str| folder.join(name).display().to_string();
    let flags = [
        ("data_dir", below("data")),
        ("http.listen", http),
        ("kafka.listen", kafka),
        ("metrics.listen", metrics),
        (
            "source.url",
            cluster.url(migrations::ROLE, &secrets.role_password),
        ),
        ("logto.endpoint", secrets.issuer_url.clone()),
        ("logto.resource", acme::RESOURCE.to_owned()),
        ("admin.password", secrets.admin_password.clone()),
        ("topics.file", below("topics.yaml")),
        ("connectors", below("cdc/*.json")),
        ("log.disk_floor_bytes", DISK_FLOOR_BYTES.to_string()),
        ("log.journal_file_bytes", JOURNAL_FILE_BYTES.to_string()),
    ];
    let file = folder.join("penstock.hcl");
    std::fs::write(&file, "").map_err(folder::system("write", &file))?;
    Ok(config::load(&config::Sources {
        flags: &flags,
        environment: &Environment::default(),
        file: Some(&file),
    })?)
}

/// What is made anew for each demo.
struct Secrets {
    role_password: String,
    issuer_url: String,
    admin_password: String,
}

/// The password of the console: what the variable says, else one that is short to type.
fn admin_password() -> String {
    let chosen = Environment::of_process();
    let chosen = chosen.get("PENSTOCK_ADMIN_PASSWORD").map(str::to_owned);
    chosen.unwrap_or_else(|| {
        let random = uuid::Uuid::new_v4().simple().to_string();
        random.chars().take(8).collect()
    })
}

/// `http://host:port` of the running server.
fn base_url(server: &Server) -> String {
    let http = server.listeners().http.map(ready::reachable);
    http.map_or_else(String::new, |address| format!("http://{address}"))
}

/// The demo writes a few MiB; a laptop's full disk need not stop it.
const DISK_FLOOR_BYTES: u64 = 64 << 20;
/// Small files: the demo leaves little behind and starts at once.
const JOURNAL_FILE_BYTES: u64 = 32 << 20;

/// `port` where nobody listens on it, else 0.
fn free_or_any(port: u16) -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_or(0, |_| port)
}

/// Tells people where everything is.
fn tell(server: &Server, cluster: &Cluster, password: &str) {
    let listeners = server.listeners();
    let shown = |address: Option<SocketAddr>| {
        address.map_or_else(|| "off".to_owned(), |it| ready::reachable(it).to_string())
    };
    let (http, kafka) = (shown(listeners.http), shown(listeners.kafka));
    eprintln!("demo: console  http://{http}/  (user admin, password {password})");
    eprintln!("demo: metrics  http://{}/metrics", shown(listeners.metrics));
    eprintln!("demo: kafka    kcat -b {kafka} -t app.public.orders -C -o beginning");
    eprintln!(
        "demo: curl     curl -u admin:{password} 'http://{http}/topics/app.public.orders/records?limit=3'"
    );
    eprintln!(
        "demo: letters  PENSTOCK_URL=http://{http} PENSTOCK_ADMIN_PASSWORD={password} penstock dlq list"
    );
    eprintln!("demo: psql     psql '{}'", cluster.shown_url());
    eprintln!("demo: events follow on stdout, one JSON object a line; Ctrl-C ends and cleans up");
}

/// Resolves when the connector has failed for good.
async fn connector_failed(server: &Server) -> Error {
    loop {
        let failed = server.connectors().list().into_iter();
        let mut failed = failed.filter(|one| one.state == crate::connect::State::Failed);
        if let Some(failed) = failed.next() {
            return Error::Demo {
                what: failed
                    .reason
                    .unwrap_or_else(|| "the connector failed".to_owned()),
                mend: "see the reason; `penstock demo --keep` leaves all files behind".to_owned(),
            };
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
