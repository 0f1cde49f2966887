//! The names topics get (`SchemaTopicNamingStrategy`), on which the names of schemas build.
//!
//! A name is prefix, schema and table joined by the delimiter; parts that are blank are left out,
//! every character Kafka does not allow becomes `_`, and what is longer than Kafka allows is cut.

use crate::topic::TOPIC_NAME_BYTES_MAX;

/// The settings names are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNaming {
    /// `topic.prefix`.
    pub prefix: String,
    /// `topic.delimiter`.
    pub delimiter: String,
}

impl TopicNaming {
    /// With the default delimiter.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> TopicNaming {
        TopicNaming {
            prefix: prefix.into(),
            delimiter: ".".to_owned(),
        }
    }

    /// The topic of a table's changes; also the prefix of its schemas' names.
    #[must_use]
    pub fn table_topic(&self, schema: &str, table: &str) -> String {
        let parts = [self.prefix.as_str(), schema, table];
        let named: Vec<&str> = parts.into_iter().filter(|part| !is_blank(part)).collect();
        sanitized(&named.join(&self.delimiter))
    }
}

/// The topic of a table's changes under the default delimiter.
#[must_use]
pub fn topic_name(prefix: &str, schema: &str, table: &str) -> String {
    TopicNaming::new(prefix).table_topic(schema, table)
}

fn is_blank(part: &str) -> bool {
    part.trim().is_empty()
}

/// Java counts characters beyond the basic plane as two, so they become two underscores.
fn sanitized(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            text.push(c);
        } else {
            (0..c.len_utf16()).for_each(|_| text.push('_'));
        }
    }
    text.truncate(TOPIC_NAME_BYTES_MAX);
    match text.as_str() {
        "." => "_".to_owned(),
        ".." => "__".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_kafka_refuses_become_underscores() {
        assert_eq!(
            topic_name("pg", "My Schema", "Tab-le.x $1"),
            "pg.My_Schema.Tab-le.x__1"
        );
        assert_eq!(
            topic_name("pg", "public", "\u{e9}\u{1f600}"),
            "pg.public.___"
        );
    }

    #[test]
    fn blank_parts_are_left_out_and_long_names_cut() {
        assert_eq!(topic_name("pg", "", "t"), "pg.t");
        assert_eq!(topic_name("pg", "s", &"x".repeat(300)).len(), 249);
        assert_eq!(topic_name(".", "", ""), "_");
    }

    #[test]
    fn delimiter_is_the_configured_one() {
        let mut naming = TopicNaming::new("pg");
        naming.delimiter = "_".to_owned();
        assert_eq!(naming.table_topic("public", "t"), "pg_public_t");
    }
}
