//! The tables of README.md that are generated from the code: settings, connector keys, Kafka APIs,
//! metrics.
//!
//! Each stands between `<!-- NAME -->` and `<!-- end of NAME -->`. `UPDATE=1` writes them.

use penstock::config::{Built, KEYS, Key, Shape, debezium};
use penstock::kafka::ApiKey;
use penstock::metrics::names;

use crate::tree;

/// Compares the block called `name` with `wanted`, or writes it.
#[track_caller]
fn check(name: &str, wanted: &str) {
    let path = tree::root().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- {name} -->\n");
    let end = format!("<!-- end of {name} -->");
    let (before, rest) = text.split_once(&begin).expect("README.md has the block");
    let (found, after) = rest.split_once(&end).expect("the block has an end");
    if found == wanted {
        return;
    }
    if std::env::var("UPDATE").as_deref() == Ok("1") {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    panic!("the block \"{name}\" of README.md is out of date: UPDATE=1 cargo test --test tidy");
}

#[test]
fn the_readme_lists_what_the_code_has() {
    // The blocks are written one after the other, so this is one test.
    check("settings", &settings());
    let keys: Vec<String> = debezium::USED
        .iter()
        .map(|key| format!("`{key}`"))
        .collect();
    check("connector keys", &format!("{}\n", keys.join(" ")));
    check("kafka apis", &apis());
    check("metrics", &metrics());
}

fn settings() -> String {
    let mut table = "| key | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for key in KEYS {
        let default = match key.default {
            "" => "-".to_owned(),
            default => format!("`{default}`"),
        };
        let variable = match key.shape {
            Shape::Block => "-".to_owned(),
            _ => format!("`{}`", key.variables().swap_remove(0)),
        };
        let state = match key.built {
            Built::Yes => "",
            Built::Off => " *Not built: accepted, stays off.*",
            Built::Ignored(_) => " *Not built: accepted with a warning.*",
            Built::Refused(_) => " *Not built: refused.*",
        };
        let row = format!(
            "| `{}` | {variable} | {default} | {}{state} |\n",
            key.name, key.doc
        );
        table.push_str(&row);
    }
    table
}

fn apis() -> String {
    let mut table = "| API | key | versions |\n|---|---|---|\n".to_owned();
    for api in ApiKey::ALL {
        let (least, most) = (*api.versions().start(), api.version_max());
        let row = format!(
            "| {} | {} | {least} to {most} |\n",
            api.name(),
            api.number()
        );
        table.push_str(&row);
    }
    table
}

fn metrics() -> String {
    let mut table = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in recorded() {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let form = format!("{:?}", metric.form).to_lowercase();
        let (name, labels, help) = (metric.name, labels.join(" "), metric.help);
        table.push_str(&format!("| `{name}` | {form} | {labels} | {help} |\n"));
    }
    table
}

/// The metrics whose constant some code outside of the table uses.
fn recorded() -> Vec<&'static names::Metric> {
    let source: Vec<tree::File> = tree::rust()
        .into_iter()
        .filter(|file| file.path.starts_with("src/") && !file.path.ends_with("metrics/names.rs"))
        .collect();
    let constant = |metric: &names::Metric| {
        let bare = metric.name.trim_start_matches("penstock_");
        bare.to_ascii_uppercase()
    };
    let is_used = |name: &str| {
        source.iter().any(|file| {
            let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
            code.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == name)
        })
    };
    names::ALL
        .iter()
        .chain(names::PROCESS)
        .filter(|metric| is_used(&constant(metric)))
        .collect()
}

#[test]
fn the_sample_connector_file_runs_with_its_variables_and_is_off_without() {
    let path = tree::root().join("cdc/debezium.json");
    let read = |variables: &[(&str, &str)]| {
        let environment = variables.iter().copied().collect();
        debezium::read_file(&path, &environment, &[]).outcome
    };
    assert!(matches!(read(&[]), debezium::Outcome::Off(_)));
    let outcome = read(&[
        ("DATABASE_HOST", "db"),
        ("DATABASE_USER", "u"),
        ("DATABASE_PASSWORD", "p"),
        ("DATABASE_NAME", "d"),
    ]);
    let debezium::Outcome::Run(connector) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(connector.warnings.is_empty(), "{:?}", connector.warnings);
}

#[test]
fn every_key_can_be_found_by_its_name() {
    assert!(KEYS.iter().all(|key| Key::find(key.name).is_some()));
}
