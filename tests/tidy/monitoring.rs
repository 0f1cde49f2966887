//! Alerts and dashboard name metrics and labels that exist, and the dashboard is one that Grafana
//! draws.
//!
//! PromQL is read only as far as names and labels go; `promtool` parses it in the integration
//! tests.

use penstock::metrics::compatible::{DEBEZIUM, KAFKA};
use penstock::metrics::names::{ALL, Form, Metric, PROCESS};
use serde_json::Value;

use crate::assert_none;
use crate::tree::{self, File};

/// Labels that Prometheus adds to every series.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// Ends of the series of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// A metric that a page of Penstock has, with the labels of its series.
fn metric(name: &str) -> Option<(&'static Metric, Vec<&'static str>)> {
    let all = || ALL.iter().chain(PROCESS).chain(KAFKA).chain(DEBEZIUM);
    if let Some(found) = all().find(|metric| metric.name == name && metric.form != Form::Histogram)
    {
        return Some((found, found.labels.to_vec()));
    }
    let bare = OF_HISTOGRAMS
        .iter()
        .find_map(|end| name.strip_suffix(end))?;
    let found = all().find(|metric| metric.name == bare && metric.form == Form::Histogram)?;
    let mut labels = found.labels.to_vec();
    if name.ends_with("_bucket") {
        labels.push("le");
    }
    Some((found, labels))
}

/// Words of `text` that name a metric of one of the pages, with what follows each.
fn metric_words(text: &str) -> Vec<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_part) {
        let word = &rest[begin..];
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        let pages = ["penstock_", "kafka_", "debezium_metrics_", "process_"];
        if pages.iter().any(|page| word.starts_with(page)) {
            words.push((word, behind));
        }
        rest = behind;
    }
    words
}

/// The names of the labels in the braces that `behind` begins with.
fn selected(behind: &str) -> Vec<&str> {
    let Some((selector, _)) = behind.strip_prefix('{').and_then(|r| r.split_once('}')) else {
        return Vec::new();
    };
    // No value in these files has a comma.
    let matchers = selector.split(',');
    matchers
        .filter_map(|matcher| matcher.split(['=', '!']).next())
        .map(str::trim)
        .collect()
}

/// The labels listed after `by`, `on`, `ignoring` and the like.
fn listed(expression: &str) -> Vec<&str> {
    let words = ["by (", "on (", "without (", "ignoring (", "group_left ("];
    let lists = words
        .iter()
        .flat_map(|word| expression.split(word).skip(1))
        .filter_map(|rest| rest.split(')').next());
    lists
        .flat_map(|list| list.split(',').map(str::trim))
        .collect()
}

/// The labels that a text with `{{label}}` or `{{ $labels.label }}` uses.
fn templated(text: &str) -> Vec<&str> {
    let holes = text
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next());
    holes
        .map(str::trim)
        .filter_map(|hole| match hole.strip_prefix('$') {
            None => Some(hole),
            Some(variable) => variable.strip_prefix("labels."),
        })
        .collect()
}

/// What is wrong with the names of an expression, and of the texts around it.
fn check(place: &str, expression: &str, texts: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut known: Vec<&str> = OF_PROMETHEUS.to_vec();
    for (word, behind) in metric_words(expression) {
        let Some((_, labels)) = metric(word) else {
            findings.push(format!("{place}: {word} does not exist"));
            continue;
        };
        for label in selected(behind) {
            if !labels.contains(&label) && !OF_PROMETHEUS.contains(&label) {
                findings.push(format!("{place}: {word} has no label {label}"));
            }
        }
        known.extend(labels);
    }
    let used = texts.iter().flat_map(|text| templated(text));
    for label in listed(expression).into_iter().chain(used) {
        if !known.contains(&label) {
            findings.push(format!("{place}: no metric of it has the label {label}"));
        }
    }
    findings
}

fn file(path: &str) -> File {
    let mut found = tree::files(&[path]);
    assert_eq!(found.len(), 1, "{path}");
    found.remove(0)
}

/// The rules of alerts.yaml: name, expression, and the text of all of it.
fn rules() -> Vec<(String, String, String)> {
    let yaml: Value = serde_saphyr::from_str(&file("monitoring/alerts.yaml").text).unwrap();
    let groups = yaml["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| {
            let of = |key: &str| rule[key].as_str().unwrap().to_owned();
            for key in ["summary", "description"] {
                assert!(rule["annotations"][key].is_string(), "{key} of {rule}");
            }
            let severity = rule["labels"]["severity"].as_str().unwrap();
            assert!(["critical", "warning"].contains(&severity), "{rule}");
            assert!(!rule["for"].is_null(), "{rule}");
            let description = rule["annotations"]["description"].as_str().unwrap();
            assert!(
                description.to_lowercase().contains("run: penstock "),
                "{description}"
            );
            (of("alert"), of("expr"), rule.to_string())
        })
        .collect()
}

#[test]
fn every_alert_of_the_contract_is_there_and_names_metrics_and_labels_that_exist() {
    let rules = rules();
    let names: Vec<&str> = rules.iter().map(|(name, _, _)| name.as_str()).collect();
    for name in [
        "DlqNotEmpty",
        "DlqFlood",
        "ConsumerStalled",
        "ConsumerLagGrowing",
        "SourceDisconnected",
        "SourceLagHigh",
        "SlotInactive",
        "SlotLost",
        "SlotWalRetentionHigh",
        "PushErrorRateHigh",
        "DiskAlmostFull",
        "Down",
    ] {
        assert!(names.contains(&name), "{name} is missing");
    }
    let about = file("monitoring/README.md").text;
    let mut findings = Vec::new();
    for (name, expression, all) in &rules {
        let place = format!("alert {name}");
        findings.extend(check(&place, expression, &[all]));
        if !about.contains(&format!("`{name}`")) {
            findings.push(format!("{place}: monitoring/README.md does not tell of it"));
        }
    }
    assert_none(&findings);
}

/// The dashboard's panels.
fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&file("monitoring/grafana/dashboards/penstock.json").text).unwrap()
}

#[test]
fn the_dashboard_names_metrics_labels_and_variables_that_exist() {
    let dashboard = dashboard();
    let mut findings = Vec::new();
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    for wanted in ["datasource", "connector", "topic", "group", "integration"] {
        assert!(variables.contains(&wanted), "variable {wanted}");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(definition) = variable["definition"].as_str() {
            let inside = definition.strip_prefix("label_values(").unwrap();
            let (name, label) = inside.trim_end_matches(')').split_once(", ").unwrap();
            let labels = metric(name).map(|(_, labels)| labels).unwrap_or_default();
            if !labels.contains(&label) {
                findings.push(format!("variable: {definition}"));
            }
            assert_eq!(variable["includeAll"], true, "{definition}");
        }
    }
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            findings.extend(check(&format!("panel {title}"), expression, &[legend]));
            for used in expression.split('$').skip(1) {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let name = used.split(|c| !is_part(c)).next().unwrap();
                if !variables.contains(&name) && name != "__rate_interval" {
                    findings.push(format!("panel {title}: ${name} is no variable"));
                }
            }
            if ["rate(", "histogram_quantile("]
                .iter()
                .any(|f| expression.contains(f))
            {
                assert!(expression.contains("[$__rate_interval]"), "{expression}");
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn the_dashboard_can_be_imported_anywhere_and_its_panels_do_not_overlap() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38);
    assert_eq!(dashboard["uid"], "penstock");
    assert!(
        dashboard.get("id").is_none(),
        "an id belongs to one Grafana"
    );
    let mut taken: Vec<(u64, u64, u64, u64, &str)> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "id of {title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let (x, y, w, h) = (at("x"), at("y"), at("w"), at("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for (x2, y2, w2, h2, other) in &taken {
            let apart = x + w <= *x2 || x2 + w2 <= x || y + h <= *y2 || y2 + h2 <= y;
            assert!(apart, "{title} overlaps {other}");
        }
        taken.push((x, y, w, h, title));
        if panel["type"] == "row" {
            continue;
        }
        assert!(["stat", "timeseries"].contains(&panel["type"].as_str().unwrap()));
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "unit of {title}"
        );
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        for source in panel["targets"].as_array().unwrap().iter().chain([panel]) {
            assert_eq!(source["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    let rows = panels(&dashboard)
        .iter()
        .filter(|panel| panel["type"] == "row");
    let rows: Vec<&str> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    let wanted = [
        "Overview",
        "Source and slot",
        "Topics",
        "Consumers",
        "Dead letters",
        "Push",
        "Storage",
        "Process",
    ];
    assert_eq!(rows, wanted);
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alert() {
    let mut shown = file("monitoring/grafana/dashboards/penstock.json").text;
    shown.push_str(&file("monitoring/alerts.yaml").text);
    let words = metric_words(&shown);
    let is_shown = |name: &str| {
        words.iter().any(|(word, _)| {
            *word == name
                || OF_HISTOGRAMS
                    .iter()
                    .any(|end| word.strip_suffix(end) == Some(name))
        })
    };
    let missing: Vec<String> = ALL
        .iter()
        .filter(|metric| !is_shown(metric.name))
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_none(&missing);
}

#[test]
fn names_in_the_other_files_of_monitoring_exist() {
    let mut findings = Vec::new();
    for file in tree::files(&["monitoring"]) {
        if file.path.ends_with(".json") {
            continue;
        }
        for (number, line) in file.lines() {
            for (word, _) in metric_words(line) {
                // A histogram is spoken of by its own name.
                let is_named = ALL.iter().any(|metric| metric.name == word);
                // The programs whose names the pages have, and beginnings of names.
                let is_other = ["kafka_exporter"].contains(&word) || word.ends_with('_');
                if metric(word).is_none() && !is_named && !is_other {
                    findings.push(file.finding(number, &format!("{word} does not exist")));
                }
            }
        }
    }
    assert_none(&findings);
}
