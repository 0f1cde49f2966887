//! A YAML file as a tree of values, each with its line and column.
//!
//! What the parser refuses (bad syntax, too deep, too many aliases) is one problem, since nothing
//! can be read behind it. Everything else, such as a key that stands twice, is left to who reads
//! the tree, so that all of it can be told at once.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, MergeKeyPolicy, Spanned};

use crate::config::problem::{Place, Problem, Problems};

/// Larger files are refused: thousands of declarations fit.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Levels of a file: a schema that is written inline may nest ten objects, deeper ones stand in a
/// file of their own. Reading recurses, with some ten KiB of stack a level in a debug build.
const DEPTH_MAX: usize = 24;

/// Values of a file: a file of [`FILE_BYTES_MAX`] of declarations has a few ten thousand.
const NODES_MAX: usize = 100_000;

/// Values that aliases may add; a file repeats a schema or a policy some hundred times.
const ALIASED_MAX: usize = 20_000;

/// Where a value begins; both count from 1, 0 is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Spot {
    /// This spot of the file `path`.
    pub(super) fn of(self, path: &Path) -> Place {
        Place::Spot {
            path: path.to_owned(),
            line: self.line,
            column: self.column,
        }
    }
}

impl From<Location> for Spot {
    fn from(location: Location) -> Spot {
        Spot {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// A value and where it is used.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) spot: Spot,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the file's order; a key may stand twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) spot: Spot,
    pub(super) node: Node,
}

impl Node {
    /// The value for a message: what it is, shortened.
    pub(super) fn shown(&self) -> String {
        /// Characters of a text that a message repeats.
        const SHOWN: usize = 80;
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(yes) => yes.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) if text.chars().count() > SHOWN => {
                let begin: String = text.chars().take(SHOWN).collect();
                format!("\"{begin}...\"")
            }
            Value::Text(text) => format!("\"{text}\""),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// The tree of `text`; a file without a value is [`Value::Null`].
pub(super) fn parse(path: &Path, text: &str) -> Result<Node, Problems> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX, max_nodes: NODES_MAX },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_MAX },
        // Both are seen by who reads the tree, and refused with their places.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let unknown = Spot { line: 1, column: 1 };
        let spot = error.location().map_or(unknown, Spot::from);
        Problems(vec![Problem::Unparsable {
            place: spot.of(path),
            what: match error.without_snippet() {
                serde_saphyr::Error::MultipleDocuments { .. } => {
                    "a second document begins here; write all into one".to_owned()
                }
                other => one_line(&other.to_string()),
            },
        }])
    })
}

/// The parser's text on one line, without the place that it repeats at its end.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let line = lines.join(" ");
    match line.rsplit_once(" at line ") {
        Some((what, place)) if place.split_once(", column ").is_some() => what.to_owned(),
        _ => line,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node {
            spot: spanned.referenced.into(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        let finite = Number::from_f64(number);
        Ok(finite.map_or_else(|| Value::Text(number.to_string()), Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let node = entries.next_value()?;
            map.push(Entry {
                key: key.value,
                spot: key.referenced.into(),
                node,
            });
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match parse(Path::new("t.yaml"), text) {
            Ok(node) => panic!("{text:.60?} was read as {:.200}", format!("{node:?}")),
            Err(problems) => problems.0[0].line(),
        }
    }

    #[test]
    fn values_know_their_line_and_column_also_behind_an_alias() {
        let text = "a: &x\n  b: 1\nc:\n  - *x\n  -  yes\n";
        let Value::Map(top) = parse(Path::new("t.yaml"), text).unwrap().value else {
            panic!("no map");
        };
        assert_eq!((top[1].spot.line, top[1].spot.column), (3, 1));
        let Value::List(items) = &top[1].node.value else {
            panic!("no list");
        };
        assert_eq!((items[0].spot.line, items[0].spot.column), (4, 5));
        assert_eq!((items[1].spot.line, items[1].spot.column), (5, 6));
        assert!(matches!(&items[1].value, Value::Text(text) if text == "yes"));
    }

    #[test]
    fn nothing_but_comments_is_nothing() {
        for text in ["", "# a\n\n", "---\n", "\u{feff}# a\r\n"] {
            let node = parse(Path::new("t.yaml"), text).unwrap();
            assert!(matches!(node.value, Value::Null), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_kept_twice() {
        let node = parse(Path::new("t.yaml"), "a: 1\nb: 2\na: 3\n").unwrap();
        let Value::Map(map) = node.value else {
            panic!("no map");
        };
        assert_eq!(map.len(), 3);
        assert_eq!((map[2].spot.line, map[2].spot.column), (3, 1));
    }

    #[test]
    fn syntax_errors_name_line_and_column() {
        for (text, at) in [
            ("a: 1\nb: [1, 2\n", "t.yaml:"),
            ("a: 1\n\tb: 2\n", "t.yaml:1:4"),
            ("a: b: c\n", "t.yaml:1:"),
            ("a: *nowhere\n", "t.yaml:1:4"),
            ("a: \"x\n", "t.yaml:"),
        ] {
            let line = refused(text);
            assert!(line.starts_with("PEN-CONFIG-004"), "{line}");
            assert!(line.contains(at) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn bombs_and_depth_are_refused_within_the_budget() {
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (this, last) in ('b'..='k').zip('a'..) {
            let items = vec![format!("*{last}"); 9].join(", ");
            laughs += &format!("{this}: &{this} [{items}]\n");
        }
        refused(&laughs);
        refused(&"[".repeat(10_000));
        refused(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)));
        let mut nested = String::new();
        for level in 0..1_000 {
            nested += &format!("{}a:\n", " ".repeat(level));
        }
        refused(&nested);
        refused(&format!("[{}]", "1,".repeat(400_000)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "[a-c:*&!{}\\[\\]\"'# \n,.0-9?<>|~%@-]{0,60}|\\PC{0,60}"
        ) {
            let _ = parse(Path::new("t.yaml"), &text);
        }
    }
}
