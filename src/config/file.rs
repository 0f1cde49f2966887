//! `penstock.hcl` as a list of keys with their lines. Blocks and objects are the same thing here:
//! `http { listen = "..." }` and `http = { listen = "..." }` both give `http.listen`.
//!
//! Expressions are evaluated with one variable, `env`. What a key means is not looked at.

use std::ops::Range;
use std::path::{Path, PathBuf};

use hcl::edit::Span;
use hcl::edit::expr::{Expression, ObjectKey};
use hcl::edit::structure::{Body, Structure};
use hcl::eval::{Context, Evaluate};

use super::environment::Environment;
use super::key::{KEYS, Shape};
use super::problem::{Place, Problem};

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    Text(String),
    List(Vec<String>),
    /// A block or object whose inside belongs to its key.
    Block,
}

/// One key of the file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) raw: Raw,
}

/// Larger files are refused: a configuration is some hundred lines.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads `path`; problems are collected, and keys beside them are still given.
pub(super) fn read(path: &Path, environment: &Environment) -> (Vec<Entry>, Vec<Problem>) {
    match read_limited(path, FILE_BYTES_MAX) {
        Ok(text) => parse(path, &text, environment),
        Err(cause) => {
            let path = path.to_owned();
            (Vec::new(), vec![Problem::Unreadable { path, cause }])
        }
    }
}

/// The text of `path`, which must be a file of at most `bytes_max` bytes.
pub(super) fn read_limited(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    if metadata.len() > bytes_max {
        return Err(std::io::Error::other(format!(
            "larger than {bytes_max} bytes"
        )));
    }
    std::fs::read_to_string(path)
}

fn parse(path: &Path, text: &str, environment: &Environment) -> (Vec<Entry>, Vec<Problem>) {
    let body = match hcl::edit::parser::parse_body(text) {
        Ok(body) => body,
        Err(error) => {
            let place = Place::File {
                path: path.to_owned(),
                line: Some(error.location().line()),
            };
            let what = error.message().trim().replace('\n', ", ");
            return (Vec::new(), vec![Problem::Unparsable { place, what }]);
        }
    };
    let mut context = Context::new();
    let variables: hcl::Map<String, hcl::Value> = environment
        .iter()
        .map(|(name, value)| (name.to_owned(), hcl::Value::from(value)))
        .collect();
    context.declare_var("env", hcl::Value::Object(variables));
    let mut walk = Walk {
        path: path.to_owned(),
        text,
        context,
        entries: Vec::new(),
        problems: Vec::new(),
    };
    walk.body("", &body);
    (walk.entries, walk.problems)
}

struct Walk<'a> {
    path: PathBuf,
    text: &'a str,
    context: Context<'a>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn body(&mut self, prefix: &str, body: &Body) {
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => {
                    let name = join(prefix, attribute.key.as_str());
                    let place = self.place(attribute.span());
                    self.value(name, place, &attribute.value);
                }
                Structure::Block(block) => {
                    let name = join(prefix, block.ident.as_str());
                    let place = self.place(block.span());
                    if block.labels.is_empty() {
                        self.block(name, place, &block.body);
                    } else {
                        self.refuse(name, place, "a block of this file takes no label");
                    }
                }
            }
        }
    }

    fn block(&mut self, name: String, place: Place, body: &Body) {
        if is_block_key(&name) {
            self.push(name, place, Raw::Block);
        } else {
            self.body(&name, body);
        }
    }

    fn value(&mut self, name: String, place: Place, expression: &Expression) {
        let Expression::Object(object) = expression else {
            return self.evaluated(name, place, expression);
        };
        if is_block_key(&name) {
            return self.push(name, place, Raw::Block);
        }
        for (key, value) in object {
            let inner = match key {
                ObjectKey::Ident(ident) => Some(ident.as_str().to_owned()),
                ObjectKey::Expression(Expression::String(text)) => Some(text.as_str().to_owned()),
                ObjectKey::Expression(_) => None,
            };
            let place = self.place(value.expr().span());
            match inner {
                Some(inner) => self.value(join(&name, &inner), place, value.expr()),
                None => self.refuse(name.clone(), place, "a key must be a plain name"),
            }
        }
    }

    fn evaluated(&mut self, name: String, place: Place, expression: &Expression) {
        let expression = hcl::Expression::from(expression.clone());
        let raw = match expression.evaluate(&self.context) {
            Ok(value) => raw(&value),
            Err(error) => {
                let what = error.to_string();
                let what = what.lines().next().unwrap_or_default().to_owned();
                self.problems.push(Problem::Placeholder {
                    key: name,
                    place,
                    placeholder: "the expression".to_owned(),
                    what,
                    mend: "`env.NAME` reads a variable, which must be set and not empty".to_owned(),
                });
                return;
            }
        };
        match raw {
            Some(raw) => self.push(name, place, raw),
            None => self.refuse(
                name,
                place,
                "a value is a text, a number, a boolean or a list",
            ),
        }
    }

    fn push(&mut self, name: String, place: Place, raw: Raw) {
        if let Some(first) = self.entries.iter().find(|entry| entry.name == name) {
            self.problems.push(Problem::Contradiction {
                what: format!("{name} stands here and at {}", first.place),
                place,
                mend: "keep one of them".to_owned(),
            });
            return;
        }
        self.entries.push(Entry { name, place, raw });
    }

    fn refuse(&mut self, key: String, place: Place, what: &str) {
        self.problems.push(Problem::InvalidValue {
            key,
            place,
            what: what.to_owned(),
            mend: None,
        });
    }

    fn place(&self, span: Option<Range<usize>>) -> Place {
        let line = span.map(|span| {
            let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
            1 + memchr::memchr_iter(b'\n', before).count()
        });
        Place::File {
            path: self.path.clone(),
            line,
        }
    }
}

/// Null counts as unset: an empty text.
fn raw(value: &hcl::Value) -> Option<Raw> {
    if let hcl::Value::Array(items) = value {
        return items.iter().map(text).collect::<Option<_>>().map(Raw::List);
    }
    text(value).map(Raw::Text)
}

fn text(value: &hcl::Value) -> Option<String> {
    match value {
        hcl::Value::Null => Some(String::new()),
        hcl::Value::Bool(boolean) => Some(boolean.to_string()),
        hcl::Value::Number(number) => Some(number.to_string()),
        hcl::Value::String(text) => Some(text.clone()),
        hcl::Value::Array(_) | hcl::Value::Object(_) => None,
    }
}

fn is_block_key(name: &str) -> bool {
    KEYS.iter()
        .any(|key| key.name == name && key.shape == Shape::Block)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Vec<(String, String, Raw)>, Vec<String>) {
        let environment: Environment = [("HOST", "db"), ("EMPTY", "")].into_iter().collect();
        let (entries, problems) = parse(Path::new("p.hcl"), text, &environment);
        (
            entries
                .into_iter()
                .map(|e| (e.name, e.place.to_string(), e.raw))
                .collect(),
            problems.iter().map(Problem::line).collect(),
        )
    }

    #[test]
    fn blocks_and_objects_give_the_same_keys_with_their_lines() {
        let (entries, problems) = check(
            "data_dir = \"d\"\nhttp {\n  listen = \"a:1\"\n}\nkafka = {\n  listen = \"b:${1 + 1}\"\n}\nbroker = { embedded = {} }\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let text = |t: &str| Raw::Text(t.to_owned());
        let entry = |name: &str, place: &str, raw| (name.to_owned(), place.to_owned(), raw);
        assert_eq!(
            entries,
            [
                entry("data_dir", "p.hcl:1", text("d")),
                entry("http.listen", "p.hcl:3", text("a:1")),
                entry("kafka.listen", "p.hcl:6", text("b:2")),
                entry("broker.embedded", "p.hcl:8", Raw::Block),
            ]
        );
    }

    #[test]
    fn env_reads_variables_and_an_unset_one_is_a_problem_with_its_line() {
        let (entries, problems) = check("a = env.HOST\nb = \"${env.HOST}:1\"\nc = env.EMPTY\n");
        assert_eq!(entries[0].2, Raw::Text("db".to_owned()));
        assert_eq!(entries[1].2, Raw::Text("db:1".to_owned()));
        assert_eq!(entries.len(), 2);
        assert!(problems[0].contains("p.hcl:3"), "{problems:?}");
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let (_, problems) = check("a = 1\nb = = 2\n");
        assert!(problems[0].contains("p.hcl:2"), "{problems:?}");
    }

    #[test]
    fn a_key_twice_and_a_label_are_refused() {
        let (_, problems) = check("a = 1\nb \"x\" {}\nc {\n x = 1\n}\nc {\n x = 2\n}\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        for (open, close) in [("[", "]"), ("{a=", "}"), ("(", ")"), ("\"${", "}\"")] {
            let text = format!("a = {}1{}", open.repeat(100_000), close.repeat(100_000));
            let (_, problems) = check(&text);
            assert_eq!(problems.len(), 1, "{open}");
        }
        let blocks = format!("{}{}", "a {\n".repeat(100_000), "}\n".repeat(100_000));
        assert_eq!(check(&blocks).1.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "[a-c={}\\[\\]\"$ \n,.0-9()?:*!|&<>-]{0,60}|\\PC{0,60}"
        ) {
            let _ = check(&text);
        }
    }
}
