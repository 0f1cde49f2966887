//! A page of metrics that are looked at rather than recorded, in Prometheus' text format 0.0.4.
//!
//! ```text
//! # HELP name what it means
//! # TYPE name gauge
//! name{label="value",other="value"} 1
//! ```
//!
//! Invariant: a value of a label cannot end its quotes: backslash, quote and line feed are escaped,
//! so that a name chosen by a client adds no series and no label. Since a page is made anew of what
//! is there, a series goes away with its object.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::names::{Form, Metric};

/// Series of many metrics, each metric's together.
#[derive(Debug, Default)]
pub struct Samples {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    form: Form,
    help: &'static str,
    lines: String,
}

impl Samples {
    /// Adds one series of a metric of `table`; the labels are those of the table, in its order.
    pub fn set(
        &mut self,
        table: &'static [Metric],
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let Some(metric) = table.iter().find(|metric| metric.name == name) else {
            debug_assert!(false, "{name} is not in the table");
            return;
        };
        debug_assert!(
            metric
                .labels
                .iter()
                .eq(labels.iter().map(|(label, _)| label)),
            "{name} has the labels {:?}, not {labels:?}",
            metric.labels
        );
        let family = self.families.entry(name).or_insert_with(|| Family {
            form: metric.form,
            help: metric.help,
            lines: String::new(),
        });
        write_series(&mut family.lines, name, labels, value);
    }

    /// The page.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        for (name, family) in &self.families {
            let form = match family.form {
                Form::Counter => "counter",
                Form::Gauge => "gauge",
                Form::Histogram => "histogram",
                Form::Untyped => "untyped",
            };
            let Family { help, lines, .. } = family;
            // Writing to a String does not fail.
            let _ = write!(
                page,
                "# HELP {name} {help}\n# TYPE {name} {form}\n{lines}\n"
            );
        }
        page
    }
}

fn write_series(lines: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    lines.push_str(name);
    for (at, (label, text)) in labels.iter().enumerate() {
        lines.push(if at == 0 { '{' } else { ',' });
        lines.push_str(label);
        lines.push_str("=\"");
        for character in text.chars() {
            match character {
                '\\' => lines.push_str("\\\\"),
                '"' => lines.push_str("\\\""),
                '\n' => lines.push_str("\\n"),
                other => lines.push(other),
            }
        }
        lines.push('"');
    }
    if !labels.is_empty() {
        lines.push('}');
    }
    // Writing to a String does not fail.
    let _ = writeln!(lines, " {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::names::{ALL, DISK_FREE_BYTES, LOG_BYTES};

    #[test]
    fn a_page_has_every_metric_once_with_its_series_together() {
        let mut samples = Samples::default();
        samples.set(ALL, LOG_BYTES, &[("topic", "a")], 1.0);
        samples.set(ALL, DISK_FREE_BYTES, &[], 12_345_678_901.0);
        samples.set(ALL, LOG_BYTES, &[("topic", "b")], 0.5);
        let page = samples.render();
        let lines: Vec<&str> = page.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "# HELP penstock_disk_free_bytes Free bytes of the data directory's disk.",
                "# TYPE penstock_disk_free_bytes gauge",
                "penstock_disk_free_bytes 12345678901",
                "# HELP penstock_log_bytes Bytes that the topic takes on disk.",
                "# TYPE penstock_log_bytes gauge",
                "penstock_log_bytes{topic=\"a\"} 1",
                "penstock_log_bytes{topic=\"b\"} 0.5",
            ]
        );
    }

    #[test]
    fn a_name_cannot_add_series_or_labels() {
        let mut samples = Samples::default();
        let name = "x\",y=\"1\"} 1\nevil{z=\"\\";
        samples.set(ALL, LOG_BYTES, &[("topic", name)], 1.0);
        let page = samples.render();
        let series: Vec<&str> = page.lines().filter(|l| !l.starts_with('#')).collect();
        let wanted = r#"penstock_log_bytes{topic="x\",y=\"1\"} 1\nevil{z=\"\\"} 1"#;
        assert_eq!(series, [wanted, ""]);
    }
}
