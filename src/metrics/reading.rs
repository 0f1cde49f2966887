//! Single values out of the rendered page, for faces that show them to people.
//!
//! The page is read back because the recorder gives its values in no other form. Invariant:
//! counters and gauges only; histograms stay on the page.

use super::recorder::Handle;

/// A value with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The metric's name.
    pub name: String,
    /// Labels in the page's order.
    pub labels: Vec<(String, String)>,
    /// What it stands at.
    pub value: f64,
}

impl Reading {
    /// The value of a label; empty where it is absent.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Handle {
    /// What the counters and gauges called `names` stand at. As much work as rendering the page.
    #[must_use]
    pub fn readings(&self, names: &[&str]) -> Vec<Reading> {
        read(&self.render(), names)
    }
}

fn read(page: &str, names: &[&str]) -> Vec<Reading> {
    let lines = page.lines().filter(|line| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        names.contains(&name)
    });
    lines.filter_map(line).collect()
}

/// `name{label="value",...} 1`.
fn line(line: &str) -> Option<Reading> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at_checked(end)?;
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while let Some((label, after)) = rest.split_once("=\"") {
            if label.contains('}') {
                break;
            }
            let (value, after) = quoted(after)?;
            labels.push((label.trim_start_matches(',').to_owned(), value));
            rest = after;
        }
        rest = rest.strip_prefix('}')?;
    }
    Some(Reading {
        name: name.to_owned(),
        labels,
        value: rest.trim().parse().ok()?,
    })
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_labels() {
        let page = "# HELP a help\n# TYPE a counter\na 3\nb{x=\"1\",y=\"q\\\"}\\\\\\n=\\\"\"} 0.5\n\
                    ab 4\nb{x=\"2\"} NaN\nc_bucket{le=\"+Inf\"} 9\n";
        let found = read(page, &["a", "b"]);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].name.as_str(), found[0].value), ("a", 3.0));
        assert_eq!(found[1].label("x"), "1");
        assert_eq!(found[1].label("y"), "q\"}\\\n=\"");
        assert_eq!((found[1].label("z"), found[1].value), ("", 0.5));
        assert!(found[2].value.is_nan());
    }

    #[test]
    fn lines_that_are_none_give_nothing() {
        for text in [
            "",
            "a",
            "a{",
            "a{x=\"1} 1",
            "a{x=\"1\" 1",
            "a one",
            "a{x=\"\\",
        ] {
            assert_eq!(read(text, &["a"]), [], "{text}");
        }
    }
}
