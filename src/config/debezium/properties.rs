//! Java properties files, as `java.util.Properties.load` reads them.

/// The pairs of `text` in their order; a later one of the same name wins in Java.
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    logical_lines(text)
        .iter()
        .map(|line| {
            let (key, value) = split(line);
            (unescape(key), unescape(value))
        })
        .collect()
}

/// Joins lines that end in an odd number of backslashes, and drops comments and empty lines.
fn logical_lines(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start();
        let is_comment = line.is_empty() || line.starts_with(['#', '!']);
        if open.is_none() && is_comment {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            whole.push_str(line.strip_suffix('\\').unwrap_or(line));
            open = Some(whole);
        } else {
            whole.push_str(line);
            all.push(whole);
        }
    }
    all.extend(open);
    all
}

/// Splits at the first `=`, `:` or white space that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if matches!(character, '=' | ':') || character.is_whitespace() {
            let (key, rest) = line.split_at(at);
            let rest = rest.trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest.trim_start());
        }
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                out.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_java_reads_them() {
        let text =
            "# c\n! c\n\na=1\n b : 2 \nc 3\nd\\=x=4\ne=one \\\n   two\nf=\\u0041\\n\\q\ng\nlast=\\";
        let pairs = parse(text);
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("a", "1"),
                ("b", "2 "),
                ("c", "3"),
                ("d=x", "4"),
                ("e", "one two"),
                ("f", "A\nq"),
                ("g", ""),
                ("last", ""),
            ]
        );
    }
}
