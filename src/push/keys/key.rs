//! A key, its hash and the fingerprint of its payload.

use sha2::{Digest, Sha256};

use crate::push::error::Error;
use crate::push::name::Name;

/// Characters of a key: room for a URL or several UUIDs, small enough for a header.
const CHARACTERS_MAX: usize = 255;

/// The header of records that carries the key.
pub(in crate::push) const HEADER: &str = "penstock.idempotency_key";

/// 128 bits that stand for an integration and a key of it.
pub(in crate::push) type Hash = [u64; 2];

/// A key of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::push) struct Key {
    /// As it stands in the records' header.
    pub(in crate::push) text: String,
    /// What is remembered of it.
    pub(in crate::push) hash: Hash,
}

impl Key {
    /// A key by its text, which has been checked.
    pub(in crate::push) fn new(name: &Name, text: String) -> Key {
        let mut hash = Sha256::new();
        hash.update(name.as_str());
        hash.update(b"\0");
        hash.update(&text);
        let hash = first_words(hash);
        Key { text, hash }
    }

    /// Reads an `Idempotency-Key`: a quoted string of RFC 9651 or a bare token; both name the
    /// same key where their characters are the same.
    pub(in crate::push) fn parse(header: &[u8]) -> Result<String, Error> {
        let header = header.trim_ascii();
        let inner = match header.strip_prefix(b"\"") {
            None => header.to_vec(),
            Some(quoted) => unquote(quoted)?,
        };
        if inner.is_empty() {
            return Err(Error::Key("it is empty"));
        }
        if inner.len() > CHARACTERS_MAX {
            return Err(Error::Key("it is longer than 255 characters"));
        }
        if !inner.iter().all(u8::is_ascii_graphic) {
            return Err(Error::Key("it has a character that is not visible ASCII"));
        }
        String::from_utf8(inner).map_err(|_| Error::Key("it is not ASCII"))
    }
}

fn unquote(quoted: &[u8]) -> Result<Vec<u8>, Error> {
    let mut inner = Vec::with_capacity(quoted.len().min(CHARACTERS_MAX));
    let mut rest = quoted.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' if rest.next().is_none() => return Ok(inner),
            b'"' => return Err(Error::Key("something follows its closing quote")),
            b'\\' => match rest.next() {
                Some(escaped @ (b'"' | b'\\')) => inner.push(escaped),
                _ => {
                    return Err(Error::Key(
                        "a backslash escapes neither quote nor backslash",
                    ));
                }
            },
            other => inner.push(other),
        }
        if inner.len() > CHARACTERS_MAX {
            return Err(Error::Key("it is longer than 255 characters"));
        }
    }
    Err(Error::Key("its closing quote is missing"))
}

/// The fingerprint of a payload as it comes in.
#[derive(Debug, Clone)]
pub(in crate::push) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Of a body that is read as `kind` and goes under `key`.
    pub(in crate::push) fn new(kind: &str, key: Option<&[u8]>) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(kind);
        hash.update(if key.is_some() { b"\0k" } else { b"\0-" });
        hash.update(key.unwrap_or_default());
        hash.update(b"\0");
        Fingerprint(hash)
    }

    /// Takes a piece.
    pub(in crate::push) fn feed(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// 64 bits of it.
    pub(in crate::push) fn finish(self) -> u64 {
        let [first, _] = first_words(self.0);
        first
    }
}

fn first_words(hash: Sha256) -> Hash {
    let digest = hash.finalize();
    let word = |from: usize| {
        let bytes = digest.get(from..from.saturating_add(8));
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        u64::from_be_bytes(bytes.unwrap_or_default())
    };
    [word(0), word(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_keys_are_read() {
        for (header, text) in [
            ("abc", "abc"),
            (" \"8e03-1\" ", "8e03-1"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(Key::parse(header.as_bytes()).unwrap(), text, "{header}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let long = "x".repeat(256);
        let quoted = format!("\"{long}\"");
        for header in [
            "", "\"\"", "\"a", "\"a\"b", "\"a\\n\"", "a b", "\"a b\"", "\u{e9}", &long, &quoted,
        ] {
            assert!(Key::parse(header.as_bytes()).is_err(), "{header}");
        }
        assert!(Key::parse(b"a\x7f").is_err());
        assert!(Key::parse(&vec![b'x'; 1 << 20]).is_err());
        assert!(Key::parse("x".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn keys_belong_to_their_integration() {
        let hash = |name: &str| Key::new(&Name::parse(name).unwrap(), "k".to_owned()).hash;
        assert_eq!(hash("a"), hash("a"));
        assert_ne!(hash("a"), hash("b"));
    }

    #[test]
    fn fingerprints_do_not_depend_on_the_pieces() {
        let of = |pieces: &[&[u8]], key| {
            let mut fingerprint = Fingerprint::new("application/json", key);
            pieces.iter().for_each(|piece| fingerprint.feed(piece));
            fingerprint.finish()
        };
        assert_eq!(of(&[b"ab", b"c"], None), of(&[b"abc"], None));
        assert_ne!(of(&[b"abc"], None), of(&[b"abd"], None));
        assert_ne!(of(&[b"abc"], None), of(&[b"abc"], Some(b"k")));
    }
}
