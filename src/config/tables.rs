//! Which tables a connector captures.
//!
//! Two ways to say it, one result: Debezium's lists (comma-separated regular expressions, each
//! matching the whole of `schema.table` or of the schema, without regard to case) and globs.
//! Tables of PostgreSQL itself, temporary ones and PostGIS's `spatial_ref_sys` are never captured.

use std::fmt;

use regex::Regex;
use regex::RegexBuilder;

use super::glob;

/// Decides for a schema and table whether its changes are captured.
#[derive(Debug, Clone)]
pub struct TableFilter {
    rules: Vec<Rule>,
}

/// All rules of a filter must agree.
#[derive(Debug, Clone)]
enum Rule {
    /// One of the expressions matches `schema.table`, or none where `include` is false.
    Tables { include: bool, any: Vec<Regex> },
    /// The same for the schema alone.
    Schemas { include: bool, any: Vec<Regex> },
    /// One of the globs matches; pairs of schema and table.
    Globs(Vec<(String, String)>),
}

/// Bytes of memory that one compiled expression may take: a list written by hand stays far below,
/// and one made to hurt is refused.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl TableFilter {
    /// Captures everything but system tables.
    #[must_use]
    pub fn all() -> TableFilter {
        TableFilter { rules: Vec::new() }
    }

    /// Adds `table.include.list` (`include`) or `table.exclude.list`.
    pub fn and_tables(mut self, include: bool, list: &str) -> Result<TableFilter, String> {
        let any = expressions(list)?;
        self.rules.push(Rule::Tables { include, any });
        Ok(self)
    }

    /// Adds `schema.include.list` (`include`) or `schema.exclude.list`.
    pub fn and_schemas(mut self, include: bool, list: &str) -> Result<TableFilter, String> {
        let any = expressions(list)?;
        self.rules.push(Rule::Schemas { include, any });
        Ok(self)
    }

    /// Captures what one of the globs matches; `*` and `?` stay within the schema or the table.
    pub fn globs(globs: &[String]) -> Result<TableFilter, String> {
        let mut pairs = Vec::new();
        for text in globs {
            let Some((schema, table)) = text.split_once('.') else {
                return Err(format!("\"{text}\" is not of the form schema.table"));
            };
            if schema.is_empty() || table.is_empty() {
                return Err(format!("\"{text}\" is not of the form schema.table"));
            }
            pairs.push((schema.to_owned(), table.to_owned()));
        }
        if pairs.is_empty() {
            return Err("no table is named".to_owned());
        }
        Ok(TableFilter {
            rules: vec![Rule::Globs(pairs)],
        })
    }

    /// Whether changes of this table are captured.
    #[must_use]
    pub fn captures(&self, schema: &str, table: &str) -> bool {
        if is_system(schema, table) {
            return false;
        }
        let full = format!("{schema}.{table}");
        self.rules.iter().all(|rule| match rule {
            Rule::Tables { include, any } => *include == any.iter().any(|r| r.is_match(&full)),
            Rule::Schemas { include, any } => *include == any.iter().any(|r| r.is_match(schema)),
            Rule::Globs(pairs) => pairs
                .iter()
                .any(|(s, t)| glob::matches(s, schema) && glob::matches(t, table)),
        })
    }
}

impl fmt::Display for TableFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("all tables");
        }
        for (i, rule) in self.rules.iter().enumerate() {
            let and = if i == 0 { "" } else { " and " };
            let not = |include: &bool| if *include { "" } else { "not " };
            match rule {
                Rule::Tables { include, any } => {
                    write!(f, "{and}tables {}like {}", not(include), joined(any))?;
                }
                Rule::Schemas { include, any } => {
                    write!(f, "{and}schemas {}like {}", not(include), joined(any))?;
                }
                Rule::Globs(pairs) => {
                    let texts: Vec<String> =
                        pairs.iter().map(|(s, t)| format!("{s}.{t}")).collect();
                    write!(f, "{and}tables {}", texts.join(","))?;
                }
            }
        }
        Ok(())
    }
}

fn joined(any: &[Regex]) -> String {
    any.iter().map(Regex::as_str).collect::<Vec<_>>().join(",")
}

/// What Debezium calls built-in tables.
fn is_system(schema: &str, table: &str) -> bool {
    ["pg_catalog", "information_schema"].contains(&schema.to_ascii_lowercase().as_str())
        || schema.starts_with("pg_temp")
        || schema == "pg_toast"
        || table.eq_ignore_ascii_case("spatial_ref_sys")
}

fn expressions(list: &str) -> Result<Vec<Regex>, String> {
    let mut all = Vec::new();
    for text in split(list) {
        let expression = RegexBuilder::new(&format!("^(?:{text})$"))
            .case_insensitive(true)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| explain(&text, &error))?;
        all.push(expression);
    }
    if all.is_empty() {
        return Err("the list is empty".to_owned());
    }
    Ok(all)
}

fn explain(text: &str, error: &regex::Error) -> String {
    let looks = ["(?=", "(?!", "(?<=", "(?<!"];
    if looks.iter().any(|look| text.contains(look)) {
        return format!("\"{text}\" looks around, which is not built; use the exclude list");
    }
    let error = error.to_string();
    let reason = error.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    format!("\"{text}\" is no regular expression: {reason}")
}

/// Splits at commas; `\,` is a comma within an expression.
fn split(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        let part = parts.last_mut().expect("there is always one part");
        match character {
            ',' => parts.push(String::new()),
            '\\' => match characters.next() {
                Some(',') => part.push(','),
                Some(other) => part.extend(['\\', other]),
                None => part.push('\\'),
            },
            other => part.push(other),
        }
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn included(list: &str, table: &str) -> bool {
        let filter = TableFilter::all().and_tables(true, list).unwrap();
        let (schema, table) = table.split_once('.').unwrap();
        filter.captures(schema, table)
    }

    #[test]
    fn expressions_match_the_whole_name_without_regard_to_case() {
        assert!(included("public.t", "public.t"));
        assert!(included("PUBLIC.T", "public.t"));
        assert!(included(r".*\.t", "s2.t"));
        assert!(included("public.a, public.t", "public.t"));
        assert!(included("a|public.t", "public.t"));
        assert!(!included("public.t", "public.t2"));
        assert!(!included("t", "public.t"));
    }

    #[test]
    fn an_escaped_comma_belongs_to_the_expression() {
        assert!(included(r"public.t\d{1\,2}", "public.t12"));
        assert!(!included(r"public.t\d{1\,2}", "public.t123"));
    }

    #[test]
    fn lists_of_schemas_and_tables_must_both_agree() {
        let filter = TableFilter::all()
            .and_schemas(true, "a")
            .and_then(|filter| filter.and_tables(false, "a.secret"))
            .unwrap();
        assert!(filter.captures("a", "t"));
        assert!(!filter.captures("a", "secret"));
        assert!(!filter.captures("b", "t"));
    }

    #[test]
    fn system_tables_are_never_captured() {
        let filter = TableFilter::all();
        assert!(filter.captures("public", "t"));
        assert!(!filter.captures("pg_catalog", "pg_class"));
        assert!(!filter.captures("information_schema", "tables"));
        assert!(!filter.captures("pg_temp_3", "t"));
        assert!(!filter.captures("public", "spatial_ref_sys"));
    }

    #[test]
    fn a_star_of_a_glob_stays_within_a_name() {
        let filter = TableFilter::globs(&["public.*".to_owned(), "app_*.o?ders".to_owned()]);
        let filter = filter.unwrap();
        assert!(filter.captures("public", "any"));
        assert!(filter.captures("app_x", "orders"));
        assert!(!filter.captures("other", "any"));
        assert!(!filter.captures("Public", "any"));
        assert!(TableFilter::globs(&["orders".to_owned()]).is_err());
    }

    #[test]
    fn what_is_no_expression_is_refused_with_a_reason() {
        let refused = |list| TableFilter::all().and_tables(true, list).unwrap_err();
        assert!(refused("public.(t").contains("unclosed group"));
        assert!(refused("(?!audit).*").contains("looks around"));
        assert!(refused(" , ").contains("empty"));
        assert!(refused("(((a{1000}){1000}){1000})").contains("no regular expression"));
    }

    proptest::proptest! {
        #[test]
        fn any_list_is_read_or_refused(list in "\\PC{0,60}", table in "\\PC{0,20}") {
            if let Ok(filter) = TableFilter::all().and_tables(true, &list) {
                let _ = filter.captures("public", &table);
            }
        }
    }
}
