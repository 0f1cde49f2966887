//! `penstock doctor`: looks at everything around a server - databases, privileges, slots, disk,
//! Logto, addresses - and prints what to paste where something is wrong. It changes nothing.

use serde_json::{Value, json};

use super::arguments::Doctor;
use super::failure::Failure;
use super::output;
use crate::auth;
use crate::config::{self, Config, Environment};
use crate::connect::{Finding, Level, examine};
use crate::error::{Code, Explain, chain};
use crate::log::{Disk, RealDisk};

/// Below so much of the disk a server that runs for long will meet its floor.
const FREE_PARTS_MIN: u64 = 10;

/// How to mend it where no keys of the issuer can be had.
const NO_KEYS: &str = "check that Logto runs, that this machine reaches it (curl the address), and \
                       PENSTOCK_LOGTO_ENDPOINT; until then tokens are checked with the keys that \
                       are known, if there are any";

/// What was looked at, and what was found there.
struct Area {
    name: String,
    findings: Vec<Finding>,
}

pub(super) async fn run(flags: Doctor) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let pairs = flags.settings.pairs();
    let config = config::load(&config::Sources {
        flags: &pairs,
        environment: &environment,
        file: flags.settings.config.as_deref(),
    })?;
    let mut areas = vec![disk(&config), addresses(&config)];
    areas.push(logto(&config).await);
    areas.extend(sources(&config, &environment).await);
    let failed = areas
        .iter()
        .flat_map(|area| &area.findings)
        .any(|finding| finding.level == Level::Failure);
    if flags.json {
        output::json(&report(&areas, failed))?;
    } else {
        print(&areas)?;
    }
    if failed {
        return Err(Failure::shown());
    }
    Ok(())
}

fn finding(level: Level, what: impl Into<String>, mend: Option<&str>) -> Finding {
    Finding {
        level,
        code: None,
        what: what.into(),
        mend: mend.map(str::to_owned),
    }
}

async fn sources(config: &Config, environment: &Environment) -> Vec<Area> {
    let connectors = config::load_connectors(config, environment);
    let mut areas = Vec::new();
    for one in &connectors.run {
        areas.push(Area {
            name: format!("source {}", one.name),
            findings: examine(one).await,
        });
    }
    for one in &connectors.off {
        areas.push(Area {
            name: format!("source {}", one.name),
            findings: vec![finding(Level::Fine, format!("off: {}", one.reason), None)],
        });
    }
    for one in &connectors.problems {
        let reasons = one.reasons.iter().map(|reason| Finding {
            level: Level::Failure,
            code: Some(reason.code()),
            what: reason.to_string(),
            mend: reason.mend(),
        });
        areas.push(Area {
            name: format!("source {}", one.name),
            findings: reasons.collect(),
        });
    }
    if areas.is_empty() {
        areas.push(Area {
            name: "source".to_owned(),
            findings: vec![finding(
                Level::Fine,
                "none is set; pushes, topics and the console work without",
                Some("set PENSTOCK_SOURCE_URL, or put a connector file into cdc/"),
            )],
        });
    }
    areas
}

/// The disk of the data directory, or of the nearest folder above it that is there.
fn disk(config: &Config) -> Area {
    let absolute =
        std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    let there = absolute.ancestors().find(|folder| folder.exists());
    let shown = config.data_dir.display();
    let found = match there.map(|folder| RealDisk.space(folder)) {
        None => finding(
            Level::Failure,
            format!("\"{shown}\" cannot be made"),
            Some("set PENSTOCK_DATA_DIR to a folder that may be made"),
        ),
        Some(Err(cause)) => finding(
            Level::Failure,
            format!("cannot look at the disk of \"{shown}\": {cause}"),
            Some("set PENSTOCK_DATA_DIR to a folder on a disk of this machine"),
        ),
        Some(Ok(space)) => {
            let what = format!(
                "\"{shown}\" has {} MiB free of {} MiB",
                space.free >> 20,
                space.total >> 20
            );
            if space.free < space.total / FREE_PARTS_MIN {
                let mend = "free some of it: below the larger of 1 GiB and 5 % appends are refused";
                finding(Level::Warning, what, Some(mend))
            } else {
                finding(Level::Fine, what, None)
            }
        }
    };
    Area {
        name: "disk".to_owned(),
        findings: vec![found],
    }
}

fn addresses(config: &Config) -> Area {
    let mut findings = vec![match &config.kafka_advertise {
        Some(advertise) => finding(
            Level::Fine,
            format!(
                "Kafka clients are told to connect to {}:{}",
                advertise.host,
                advertise.port.map_or_else(
                    || "the port of the listener".to_owned(),
                    |port| port.to_string()
                )
            ),
            None,
        ),
        None => finding(
            Level::Fine,
            "Kafka clients are told the address they reached; behind a port mapping or NAT that is not enough",
            Some("there set PENSTOCK_KAFKA_ADVERTISE=host:port"),
        ),
    }];
    let is_open = !matches!(
        config.http_listen.host.as_str(),
        "127.0.0.1" | "::1" | "localhost"
    );
    if is_open && config.admin_password.is_none() && config.logto.is_none() {
        findings.push(finding(
            Level::Warning,
            format!(
                "HTTP listens on {} and no password is set: callers from elsewhere get 403",
                config.http_listen
            ),
            Some("set PENSTOCK_ADMIN_PASSWORD"),
        ));
    }
    Area {
        name: "addresses".to_owned(),
        findings,
    }
}

async fn logto(config: &Config) -> Area {
    let found = match &config.logto {
        None => finding(
            Level::Fine,
            "not set: pushes get 503",
            Some("set PENSTOCK_LOGTO_ENDPOINT and PENSTOCK_LOGTO_RESOURCE"),
        ),
        Some(logto) => {
            let config = auth::Config {
                issuers: logto.issuers.clone(),
                audience: logto.resource.clone(),
                jwks_url: logto.jwks_url.clone(),
            };
            match auth::examine(&config).await {
                Ok(keys) => finding(
                    Level::Fine,
                    format!(
                        "{} gives {keys} keys; tokens have to name {}",
                        config.issuers.join(", "),
                        config.audience
                    ),
                    None,
                ),
                Err(error) => {
                    let what = match &error {
                        auth::Error::KeysUnavailable { why, .. } => {
                            format!("failed to get the issuer's keys: {why}")
                        }
                        other => format!("failed to {}", chain(other)),
                    };
                    Finding {
                        what,
                        mend: Some(NO_KEYS.to_owned()),
                        ..Finding::failure(&error)
                    }
                }
            }
        }
    };
    Area {
        name: "logto".to_owned(),
        findings: vec![found],
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Fine => "ok",
        Level::Warning => "warning",
        Level::Failure => "failed",
    }
}

fn print(areas: &[Area]) -> Result<(), Failure> {
    for area in areas {
        output::line(area.name.as_bytes())?;
        for one in &area.findings {
            let code = one
                .code
                .map_or_else(String::new, |code| format!("{code}: "));
            output::line(format!("  {:8} {code}{}", word(one.level), one.what).as_bytes())?;
            for line in one.mend.iter().flat_map(|mend| mend.lines()) {
                output::line(format!("           {line}").as_bytes())?;
            }
        }
    }
    Ok(())
}

fn report(areas: &[Area], failed: bool) -> Value {
    let one = |finding: &Finding| {
        json!({
            "level": word(finding.level),
            "code": finding.code.map(Code::as_str),
            "what": finding.what,
            "mend": finding.mend,
        })
    };
    let areas = areas.iter().map(|area| {
        let findings: Vec<Value> = area.findings.iter().map(one).collect();
        json!({"name": area.name, "findings": findings})
    });
    json!({"ok": !failed, "areas": areas.collect::<Vec<Value>>()})
}
