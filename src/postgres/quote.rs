//! Identifiers and literals inside SQL and replication commands.

use std::borrow::Cow;

/// `name` as a quoted identifier: `"a""b"`. A NUL, which no identifier can hold, is left out.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    let name = without_nul(name);
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a literal that reads the same whatever `standard_conforming_strings` says. A NUL,
/// which no text of PostgreSQL can hold, is left out.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let text = without_nul(text);
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_every_awkward_name() {
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_identifier("a\0b"), "\"ab\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'"), "E'a\\\\'''");
    }
}
