//! A real Prometheus that scrapes Penstock and evaluates the shipped alerts, and its promtool.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::command::{Background, run};
use super::http::http;
use super::wait::wait_until;
use super::{free_port, reaper};

/// A start with an empty database, beside other tests.
const READY: Duration = Duration::from_secs(60);

/// The folder of what is shipped.
pub(crate) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring")
}

/// Runs promtool in the folder of what is shipped; its output, if it succeeds.
#[track_caller]
pub(crate) fn promtool(words: &[&str]) -> String {
    let mut command = Command::new("promtool");
    command.args(words).current_dir(shipped());
    run(&mut command, READY).ok(&format!("promtool {words:?}"))
}

/// A Prometheus with the shipped alerts, as they are.
#[derive(Debug)]
pub(crate) struct Prometheus {
    address: String,
    _process: Background,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes the metrics listener at `target` every second, as the shipped jobs do.
    pub(crate) fn start(target: &str) -> Prometheus {
        let folder = reaper::folder("prometheus");
        let shipped = std::fs::read_to_string(shipped().join("prometheus.yml")).unwrap();
        // The shipped file with this target, and quicker.
        let config = shipped
            .replace("penstock:9464", target)
            .replace("_interval: 15s", "_interval: 1s");
        assert_ne!(config, shipped);
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let alerts = self::shipped().join("alerts.yaml");
        std::fs::copy(alerts, folder.path().join("alerts.yaml")).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path());
        let process = Background::start("prometheus", folder.path(), &mut command);
        let prometheus = Prometheus {
            address,
            _process: process,
            _folder: folder,
        };
        wait_until("Prometheus to be ready", READY, || {
            let answer = http(&prometheus.address, "GET", "/-/ready", None)?;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(format!("{answer:?}"))
            }
        });
        prometheus
    }

    /// What its API answers below `/api/v1`.
    pub(crate) fn api(&self, path: &str) -> Result<Value, String> {
        let answer = http(&self.address, "GET", &format!("/api/v1/{path}"), None)?;
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        Ok(answer.json()["data"].clone())
    }

    /// The values of an instant query, with their labels.
    pub(crate) fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let encoded: String = expression
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let data = self.api(&format!("query?query={encoded}"))?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        Ok(series
            .into_iter()
            .map(|one| {
                let value = one["value"][1].as_str().unwrap_or("NaN");
                (one["metric"].clone(), value.parse().unwrap())
            })
            .collect())
    }

    /// Waits until `expression` gives one series whose value `is` as wanted.
    pub(crate) fn wait_for(&self, expression: &str, limit: Duration, is: impl Fn(f64) -> bool) {
        wait_until(expression, limit, || {
            let found = self.query(expression)?;
            match found.as_slice() {
                [(_, value)] if is(*value) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// The labels of the alerts of this name that fire.
    pub(crate) fn firing(&self, alert: &str) -> Result<Vec<Value>, String> {
        let data = self.api("alerts")?;
        let alerts = data["alerts"].as_array().cloned().unwrap_or_default();
        let is_it = |one: &Value| one["labels"]["alertname"] == alert && one["state"] == "firing";
        Ok(alerts.into_iter().filter(is_it).collect())
    }
}
