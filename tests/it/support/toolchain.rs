//! Client programs that are built where their toolchain is found.
//!
//! A test whose toolchain is missing prints `skipped: ...` and ends; with `CI=true` it fails
//! instead, so that a run which is trusted has run everything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::command::run;

/// Long enough to download modules or jars.
const BUILD: Duration = Duration::from_secs(900);

/// What a test may need beside PostgreSQL and kcat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The franz-go client of tests/clients/franz: Go.
    Franz,
    /// The librdkafka client of tests/clients/librdkafka: a C compiler and librdkafka's headers.
    Librdkafka,
    /// tests/clients/powercut: a C compiler.
    PowerCut,
}

/// Says that a test did not run. A failure where `CI=true`.
#[track_caller]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
    eprintln!("skipped: {why}");
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "skipped, which CI does not allow: {why}"
    );
}

impl Toolchain {
    /// The built program, or `None` after saying that the test is skipped.
    #[track_caller]
    pub(crate) fn program(self) -> Option<PathBuf> {
        static FRANZ: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        static LIBRDKAFKA: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        static POWER_CUT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = match self {
            Toolchain::Franz => FRANZ.get_or_init(build_franz),
            Toolchain::Librdkafka => LIBRDKAFKA.get_or_init(build_librdkafka),
            Toolchain::PowerCut => POWER_CUT.get_or_init(build_power_cut),
        };
        match built {
            Ok(program) => Some(program.clone()),
            Err(why) => {
                skipped(why);
                None
            }
        }
    }
}

/// Where built clients are kept: `target/clients`, beside cargo's own output.
fn output() -> PathBuf {
    let folder = target().join("clients");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The target folder that this test was built in (`CARGO_TARGET_TMPDIR` lies in it).
pub(super) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// Whether a program can be started.
pub(super) fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// Whether the long checks run.
pub(crate) fn is_proving() -> bool {
    std::env::var("PENSTOCK_PROVE").as_deref() == Ok("1")
}

/// One of Apache Kafka's own tools (benches/peers/kafka/tool.sh); its jars are downloaded into
/// `target/peers`. `None` after saying that the test is skipped.
#[track_caller]
pub(crate) fn kafka_tool(class: &str) -> Option<Command> {
    for program in ["java", "mvn"] {
        if !is_installed(program) {
            skipped(&format!("{program} was not found (Apache Kafka's {class})"));
            return None;
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/kafka/tool.sh");
    let mut tool = Command::new(script);
    tool.arg(class).env("PEERS_CACHE", target().join("peers"));
    Some(tool)
}

fn build_franz() -> Result<PathBuf, String> {
    if !is_installed("go") {
        return Err("go was not found (the franz-go client)".to_owned());
    }
    let program = output().join("franz");
    let mut go = Command::new("go");
    go.args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source("franz"));
    run(&mut go, BUILD).ok("go build of tests/clients/franz");
    Ok(program)
}

fn build_librdkafka() -> Result<PathBuf, String> {
    if !is_installed("cc") {
        return Err("cc was not found (the librdkafka client)".to_owned());
    }
    if !Path::new("/usr/include/librdkafka/rdkafka.h").exists() {
        return Err("librdkafka's headers were not found (librdkafka-dev)".to_owned());
    }
    compile("librdkafka/reader.c", "librdkafka-reader", &["-lrdkafka"])
}

fn build_power_cut() -> Result<PathBuf, String> {
    if !is_installed("cc") {
        return Err("cc was not found (the power cut)".to_owned());
    }
    compile("powercut/powercut.c", "powercut", &[])
}

fn compile(name: &str, program: &str, libraries: &[&str]) -> Result<PathBuf, String> {
    let program = output().join(program);
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(source(name))
        .args(libraries);
    run(&mut cc, BUILD).ok("cc");
    Ok(program)
}
