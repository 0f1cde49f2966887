//! The key `schema`: a JSON Schema written inline, or the path of a file beside this one.

use std::path::{Component, Path};

use super::Schema;
use super::checker::{Checker, Field};
use super::tree::{FILE_BYTES_MAX, Spot, Value};
use crate::config::file::read_limited;
use crate::config::problem::Problem;

pub(super) fn read(checker: &mut Checker, field: &Field<'_>) -> Option<Schema> {
    match &field.node.value {
        Value::Text(path) => from_file(checker, field, path),
        Value::Map(_) => {
            let known = checker.problems.len();
            let source = checker.json(&field.name, field.node);
            if checker.problems.len() > known {
                return None;
            }
            compile(checker, field, source, "")
        }
        _ => {
            let what = format!("{} is neither a path nor a schema", field.node.shown());
            let mend = "write the path of a JSON Schema beside this file, or the schema itself";
            checker.refuse(&field.name, field.node.spot, what, mend);
            None
        }
    }
}

fn from_file(checker: &mut Checker, field: &Field<'_>, path: &str) -> Option<Schema> {
    let (name, spot) = (&field.name, field.node.spot);
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || !Path::new(path).components().all(plain) {
        let what = format!("{} does not lie beside this file", field.node.shown());
        checker.refuse(name, spot, what, "write a path such as orders.schema.json");
        return None;
    }
    let folder = checker.path.parent().unwrap_or(Path::new("."));
    let full = folder.join(path);
    let text = match read_limited(&full, FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(cause) => {
            let what = format!("cannot read \"{}\": {cause}", full.display());
            let mend = "put the JSON Schema there; the path counts from this file's folder";
            checker.refuse(name, spot, what, mend);
            return None;
        }
    };
    match serde_json::from_str(&text) {
        Ok(source) => compile(checker, field, source, &format!(" in \"{path}\"")),
        Err(error) => {
            let at = Spot {
                line: u64::try_from(error.line()).unwrap_or(0),
                column: u64::try_from(error.column()).unwrap_or(0),
            };
            let what = format!("it is no JSON ({})", category(&error));
            checker.push(Problem::Unparsable {
                place: at.of(&full),
                what,
            });
            None
        }
    }
}

fn category(error: &serde_json::Error) -> String {
    // The error's text repeats line and column behind " at line".
    let text = error.to_string();
    text.split(" at line").next().unwrap_or(&text).to_owned()
}

fn compile(
    checker: &mut Checker,
    field: &Field<'_>,
    source: serde_json::Value,
    whence: &str,
) -> Option<Schema> {
    match Schema::compile(source) {
        Ok(schema) => Some(schema),
        Err(error) => {
            let what = format!("the JSON Schema{whence} cannot be used: {error}");
            let mend = "correct it; references to other documents are not followed";
            checker.refuse(&field.name, field.node.spot, what, mend);
            None
        }
    }
}
