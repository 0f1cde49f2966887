//! A real browser, driven through WebDriver: Debian's chromium and its chromedriver.
//!
//! WebDriver is plain HTTP with JSON, so no client library is needed. The page is driven by what a
//! person sees: texts, roles, clicks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::Background;
use super::toolchain::{is_installed, skipped};
use super::wait::wait_until;
use super::{free_port, reaper};

/// A browser starts and a page appears within this time, also beside a build.
const LIMIT: Duration = Duration::from_secs(60);
/// The name under which WebDriver gives an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Without a sandbox, since tests may run as root; without anything that would ask the network. By
/// its pipe the browser notices that the driver is gone, and ends.
const FLAGS: [&str; 11] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
];

/// A browser with one window.
#[derive(Debug)]
pub(crate) struct Browser {
    /// The driver's; it takes nothing below HTTP/1.1.
    address: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    session: String,
    /// Before the folder, in which it still writes.
    driver: Background,
    folder: TempDir,
}

impl Browser {
    /// A browser with a profile of its own, or `None` after saying that the test is skipped.
    #[track_caller]
    pub(crate) fn start() -> Option<Browser> {
        for program in ["chromium", "chromedriver"] {
            if !is_installed(program) {
                skipped(&format!(
                    "{program} was not found (the console in a browser)"
                ));
                return None;
            }
        }
        let folder = reaper::folder("browser");
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let driver = Background::start("chromedriver", folder.path(), &mut command);
        let mut browser = Browser {
            address: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            session: String::new(),
            driver,
            folder,
        };
        browser.open_session();
        Some(browser)
    }

    fn open_session(&mut self) {
        let profile = self.folder.path().join("profile");
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.display()));
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let opened = wait_until("a browser", LIMIT, || {
            self.send("POST", "/session", Some(&body))
        });
        opened["sessionId"]
            .as_str()
            .expect("a session")
            .clone_into(&mut self.session);
    }

    /// The value of the driver's answer, or what it says went wrong.
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let method = method.parse().unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.address))
            .timeout(LIMIT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = self.runtime.block_on(async {
            let answer = request.send().await?;
            let is_good = answer.status().is_success();
            Ok((is_good, answer.json::<Value>().await?["value"].take()))
        });
        match answered {
            Ok((true, value)) => Ok(value),
            Ok((false, problem)) => Err(problem.to_string()),
            Err(error) => Err(reqwest::Error::to_string(&error)),
        }
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_ask(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Goes to an address.
    #[track_caller]
    pub(crate) fn go(&self, url: &str) {
        self.ask("POST", "/url", Some(&json!({"url": url})));
    }

    /// Gives the window this size, and the colours of the day or the night.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    #[track_caller]
    fn devtools(&self, command: &str, parameters: &Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.ask("POST", "/goog/cdp/execute", Some(&body));
    }

    /// The value of a script's `return`.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        self.ask("POST", "/execute/sync", Some(&body))
    }

    /// All text that is to be seen.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let text = self.script("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows every one of `texts`.
    #[track_caller]
    pub(crate) fn wait_for(&self, texts: &[&str]) -> String {
        wait_until(&format!("a page with {texts:?}"), LIMIT, || {
            let shown = self.text();
            if texts.iter().all(|text| shown.contains(text)) {
                Ok(shown)
            } else {
                Err(shown)
            }
        })
    }

    /// Clicks what the selector finds first, once it is there and can be clicked.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let find = json!({"using": "css selector", "value": selector});
        wait_until(&format!("a click on {selector}"), LIMIT, || {
            let found = self.try_ask("POST", "/element", Some(&find))?;
            let element = found[ELEMENT].as_str().unwrap_or_default();
            let path = format!("/element/{element}/click");
            self.try_ask("POST", &path, Some(&json!({})))
        });
    }

    /// What the page's console says, warnings and errors only, since the last call.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", Some(&json!({"type": "browser"})));
        let entries = log.as_array().cloned().unwrap_or_default();
        let bad = entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The addresses the browser asked for since the last call, of the page's own doing.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", Some(&json!({"type": "performance"})));
        let entries = log.as_array().cloned().unwrap_or_default();
        let address = |entry: &Value| {
            let text = entry["message"].as_str()?;
            let message: Value = serde_json::from_str(text).ok()?;
            let message = &message["message"];
            let sent = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            sent.then(|| url.to_owned())
        };
        entries.iter().filter_map(address).collect()
    }

    /// Writes a picture of the window as `<name>.png` into `PENSTOCK_TEST_SHOTS`, where that is
    /// set, else into the browser's own folder, which goes with it.
    #[track_caller]
    pub(crate) fn shoot(&self, name: &str) -> PathBuf {
        let kept = std::env::var_os("PENSTOCK_TEST_SHOTS").map(PathBuf::from);
        let folder = kept.unwrap_or_else(|| self.folder.path().to_owned());
        std::fs::create_dir_all(&folder).unwrap();
        let encoded = self.ask("GET", "/screenshot", None);
        let bytes = BASE64_STANDARD
            .decode(encoded.as_str().unwrap_or_default())
            .unwrap();
        let path: &Path = &folder.join(format!("{name}.png"));
        std::fs::write(path, bytes).unwrap();
        path.to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, which the driver's end alone may not.
        drop(self.try_ask("DELETE", "", None));
        self.driver.kill();
    }
}
