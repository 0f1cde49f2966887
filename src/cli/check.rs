//! `penstock check`: the whole configuration and every connector file, key by key, without
//! starting anything.

use std::path::Path;

use serde_json::{Value, json};

use super::arguments::Check;
use super::failure::Failure;
use super::output::{self, Table};
use crate::config::debezium::{KeyReport, Treatment};
use crate::config::{self, Config, ConnectorProblem, Connectors, Environment, Problem};
use crate::error::{Explain, chain};

/// Prints what it finds; fails where something is wrong.
pub(super) fn run(flags: &Check) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let pairs = flags.settings.pairs();
    let loaded = config::load(&config::Sources {
        flags: &pairs,
        environment: &environment,
        file: flags.settings.config.as_deref(),
    });
    let config = match loaded {
        Ok(config) => config,
        Err(problems) => {
            if flags.json {
                let errors: Vec<Value> = problems.0.iter().map(problem_json).collect();
                output::json(&json!({"ok": false, "errors": errors}))?;
            }
            for problem in &problems.0 {
                eprintln!("error: {}", problem.line());
            }
            return Err(Failure::shown());
        }
    };
    let connectors = config::load_connectors(&config, &environment);
    if flags.json {
        output::json(&report(&config, &connectors))?;
    } else {
        print(&config, &connectors)?;
    }
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    for problem in &connectors.problems {
        for reason in &problem.reasons {
            eprintln!("error: connector \"{}\": {}", problem.name, reason.line());
        }
    }
    if connectors.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::shown())
}

fn print(config: &Config, connectors: &Connectors) -> Result<(), Failure> {
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    for setting in &config.settings {
        table.row([
            setting.key.name.to_owned(),
            setting.shown().to_owned(),
            setting.place().to_string(),
        ]);
    }
    table.print()?;
    output::line(b"")?;
    let mut table = Table::new(&["CONNECTOR", "WOULD BE", "DATABASE", "SLOT", "PUBLICATION"]);
    for one in &connectors.run {
        let database = &one.database;
        table.row([
            one.name.clone(),
            "run".to_owned(),
            format!("{}:{}/{}", database.host, database.port, database.dbname),
            one.slot_name.clone(),
            one.publication_name.clone(),
        ]);
    }
    for one in &connectors.off {
        let off = format!("off: {}", one.reason);
        table.row([
            one.name.clone(),
            off,
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    for one in &connectors.problems {
        let failed = "FAILED".to_owned();
        table.row([
            one.name.clone(),
            failed,
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    table.print()?;
    let declared = declared(config);
    if !declared.is_empty() {
        output::line(b"")?;
        let mut table = Table::new(&["DECLARED", "NAME"]);
        for (kind, name) in declared {
            table.row([kind.to_owned(), name.to_owned()]);
        }
        table.print()?;
    }
    for (path, keys) in &connectors.reports {
        output::line(b"")?;
        let file = path.display().to_string();
        let mut table = Table::new(&[file.as_str(), "IS", "NOTE"]);
        for key in keys {
            table.row([key.key.clone(), treatment(key).to_owned(), key.note.clone()]);
        }
        table.print()?;
    }
    for one in &connectors.run {
        for warning in &one.warnings {
            eprintln!("warning: connector \"{}\": {warning}", one.name);
        }
    }
    Ok(())
}

/// What topics.yaml declares, in its order.
fn declared(config: &Config) -> Vec<(&'static str, &str)> {
    let declared = &config.declarations;
    let topics = declared
        .topics
        .iter()
        .map(|one| ("topic", one.name.as_str()));
    let groups = declared.groups.iter().map(|one| ("group", one.id.as_str()));
    let integrations = declared.integrations.iter();
    let integrations = integrations.map(|one| ("integration", one.name.as_str()));
    topics.chain(groups).chain(integrations).collect()
}

fn report(config: &Config, connectors: &Connectors) -> Value {
    let setting = |setting: &config::Setting| {
        json!({
            "name": setting.key.name,
            "value": setting.shown(),
            "from": setting.place().to_string(),
        })
    };
    let run = connectors.run.iter().map(|one| {
        json!({"name": one.name, "ok": true, "slot": one.slot_name,
               "publication": one.publication_name, "warnings": one.warnings})
    });
    let off = connectors.off.iter().map(
        |one| json!({"name": one.name, "ok": true, "file": shown(&one.file), "off": one.reason}),
    );
    let problems = connectors.problems.iter().map(|one: &ConnectorProblem| {
        json!({"name": one.name, "ok": false, "file": one.file.as_deref().map(shown),
               "errors": one.reasons.iter().map(problem_json).collect::<Vec<_>>()})
    });
    let key = |key: &KeyReport| json!({"key": key.key, "is": treatment(key), "note": key.note});
    let files = connectors.reports.iter().map(|(path, keys)| {
        json!({"file": shown(path), "keys": keys.iter().map(key).collect::<Vec<_>>()})
    });
    json!({
        "ok": connectors.problems.is_empty(),
        "errors": [],
        "warnings": config.warnings,
        "settings": config.settings.iter().map(setting).collect::<Vec<_>>(),
        "declared": declared(config)
            .into_iter()
            .map(|(kind, name)| json!({"kind": kind, "name": name}))
            .collect::<Vec<_>>(),
        "connectors": run.chain(off).chain(problems).collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "code": problem.code().as_str(),
        "detail": format!("failed to {}", chain(problem)),
        "mend": problem.mend(),
    })
}

fn treatment(key: &KeyReport) -> &'static str {
    match key.treatment {
        Treatment::Used => "used",
        Treatment::Translated => "translated",
        Treatment::Ignored => "ignored",
        Treatment::NotBuilt => "not built",
        Treatment::Unknown => "unknown",
    }
}
