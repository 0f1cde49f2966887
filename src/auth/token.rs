//! The form of a token: a JSON Web Signature in its compact form, taken apart. Pure.
//!
//! ```text
//! base64url(header) . base64url(claims) . base64url(signature)      no padding anywhere
//! ```
//!
//! The header only says which key and algorithm the token claims to have; `jku`, `x5u`, `jwk` and
//! `x5c` in it are ignored, so it cannot bring a key along. Not here: whether anything is true.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{ACCEPTED, Algorithm};
use super::error::{Error, Quoted};
use super::json;

/// Longest token: Logto's have about 700 bytes, and HTTP servers take 8 KiB of a header.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest name of a key; Logto's have 43 bytes.
pub(super) const KID_BYTES_MAX: usize = 256;
/// Types that an access token may say it is, in small letters.
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// A token taken apart; nothing in it is verified.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    pub(super) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(super) signed: &'a str,
    pub(super) signature: &'a str,
}

/// Takes a token apart.
pub(super) fn read(token: &str) -> Result<Token<'_>, Error> {
    check_text(token)?;
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(match parts.len() {
            1 => Error::Opaque,
            5 => Error::Encrypted,
            count => malformed(format!("it has {count} parts, and three are expected")),
        });
    };
    let header = object("header", header)?;
    let algorithm = algorithm(&header)?;
    check_header(&header)?;
    let kid = kid(&header)?;
    if signature.is_empty() {
        return Err(malformed("its signature is empty"));
    }
    Ok(Token {
        algorithm,
        kid,
        claims: object("claims", claims)?,
        signed: &token[..token.len() - signature.len() - 1],
        signature,
    })
}

fn malformed(what: impl Into<String>) -> Error {
    Error::Malformed(what.into())
}

fn check_text(token: &str) -> Result<(), Error> {
    if token.is_empty() {
        return Err(Error::NoToken("nothing follows Bearer"));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(malformed(format!(
            "it has {} bytes, and at most {TOKEN_BYTES_MAX} are taken",
            token.len()
        )));
    }
    if token.contains('=') {
        return Err(malformed("it has padding (=)"));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !token.bytes().all(legal) {
        return Err(malformed(
            "it has characters other than letters, digits, - and _",
        ));
    }
    Ok(())
}

/// The JSON object in one part.
fn object(part: &str, text: &str) -> Result<Map<String, Value>, Error> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| malformed(format!("its {part} part is no base64url")))?;
    json::object(&bytes).map_err(|what| malformed(format!("its {part} part is not JSON: {what}")))
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, Error> {
    let Some(Value::String(name)) = header.get("alg") else {
        return Err(malformed("its header has no alg"));
    };
    Algorithm::named(name).ok_or_else(|| Error::Algorithm {
        found: Quoted::new(name),
        accepted: ACCEPTED,
    })
}

fn check_header(header: &Map<String, Value>) -> Result<(), Error> {
    if header.contains_key("crit") {
        return Err(malformed(
            "its header has crit, and no extension is understood",
        ));
    }
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(typ)) if TYPES.contains(&&*typ.to_ascii_lowercase()) => Ok(()),
        Some(Value::String(typ)) => Err(malformed(format!(
            "its typ is {}, and at+jwt is expected",
            Quoted::new(typ)
        ))),
        Some(_) => Err(malformed("its typ is no text")),
    }
}

fn kid(header: &Map<String, Value>) -> Result<String, Error> {
    match header.get("kid") {
        None => Err(Error::NoKey),
        Some(Value::String(kid)) if kid.is_empty() => Err(Error::NoKey),
        Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Ok(kid.clone()),
        Some(Value::String(_)) => Err(malformed(format!(
            "its kid has more than {KID_BYTES_MAX} bytes"
        ))),
        Some(_) => Err(malformed("its kid is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{AUTH_ALGORITHM, AUTH_MALFORMED, AUTH_NO_TOKEN, AUTH_UNKNOWN_KEY, Explain};

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(
            r#"{"alg":"ES384","typ":"at+jwt","kid":"k","jku":"https://evil.example","jwk":{}}"#,
            r#"{"sub":"app"}"#,
        );
        let token = read(&text).unwrap();
        assert_eq!((token.algorithm, &*token.kid), (Algorithm::Es384, "k"));
        assert_eq!(token.claims["sub"], "app");
        assert_eq!(format!("{}.c2ln", token.signed), text);
        for typ in ["JWT", "AT+JWT", "application/at+jwt"] {
            let header = format!(r#"{{"alg":"RS256","typ":"{typ}","kid":"k"}}"#);
            assert!(read(&self::token(&header, "{}")).is_ok(), "{typ}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn anything_else_is_refused_with_its_own_words() {
        let good = r#"{"alg":"ES384","kid":"k"}"#;
        let kid = |kid: &str| token(&format!(r#"{{"alg":"ES384","kid":{kid}}}"#), "{}");
        let alg = |alg: &str| token(&format!(r#"{{"alg":{alg},"kid":"k"}}"#), "{}");
        let long = format!("\"{}\"", "k".repeat(257));
        let cases = [
            (String::new(), AUTH_NO_TOKEN, "nothing follows"),
            ("b2JqZWN0".to_owned(), AUTH_MALFORMED, "lacked resource="),
            ("a.b".to_owned(), AUTH_MALFORMED, "2 parts"),
            ("a.b.c.d".to_owned(), AUTH_MALFORMED, "4 parts"),
            ("a.b.c.d.e".to_owned(), AUTH_MALFORMED, "encrypted"),
            ("x".repeat(8193), AUTH_MALFORMED, "8193 bytes"),
            (format!("{}=", token(good, "{}")), AUTH_MALFORMED, "padding"),
            (
                format!("{} x", token(good, "{}")),
                AUTH_MALFORMED,
                "characters",
            ),
            ("a.b.c\u{e9}".to_owned(), AUTH_MALFORMED, "characters"),
            ("e.e.e".to_owned(), AUTH_MALFORMED, "no base64url"),
            ("..".to_owned(), AUTH_MALFORMED, "not JSON"),
            (token("[]", "{}"), AUTH_MALFORMED, "no JSON object"),
            (token("{}", "{}"), AUTH_MALFORMED, "no alg"),
            (
                token(good, r#"{"a":1,"a":2}"#),
                AUTH_MALFORMED,
                "stands twice",
            ),
            (
                token(good, r#"{"exp":1e400}"#),
                AUTH_MALFORMED,
                "out of range",
            ),
            (
                token(r#"{"alg":"none","alg":"ES384","kid":"k"}"#, "{}"),
                AUTH_MALFORMED,
                "stands twice",
            ),
            (
                token(r#"{"alg":"ES384","kid":"k","crit":["exp"]}"#, "{}"),
                AUTH_MALFORMED,
                "crit",
            ),
            (
                token(r#"{"alg":"ES384","kid":"k","typ":"logout+jwt"}"#, "{}"),
                AUTH_MALFORMED,
                "logout+jwt",
            ),
            (
                token(r#"{"alg":"ES384"}"#, "{}"),
                AUTH_UNKNOWN_KEY,
                "no kid",
            ),
            (kid("\"\""), AUTH_UNKNOWN_KEY, "no kid"),
            (kid("7"), AUTH_MALFORMED, "kid is no text"),
            (kid(&long), AUTH_MALFORMED, "256 bytes"),
            (alg("\"none\""), AUTH_ALGORITHM, "\"none\""),
            (alg("\"nOnE\""), AUTH_ALGORITHM, "\"nOnE\""),
            (alg("\"HS256\""), AUTH_ALGORITHM, "HS256"),
            (alg("\"ES512\""), AUTH_ALGORITHM, "ES384, ES256"),
            (alg("\"es384\""), AUTH_ALGORITHM, "es384"),
            (alg("[\"ES384\"]"), AUTH_MALFORMED, "no alg"),
        ];
        for (text, code, part) in cases {
            let error = read(&text).unwrap_err();
            assert_eq!(error.code(), code, "{text:.60}: {error}");
            assert!(error.to_string().contains(part), "{text:.60}: {error}");
            assert!(error.mend().is_some());
        }
        let unsigned = format!(
            "{}.",
            token(good, "{}")
                .trim_end_matches("c2ln")
                .trim_end_matches('.')
        );
        assert_eq!(read(&unsigned).unwrap_err().code(), AUTH_MALFORMED);
    }
}
