//! What a caller shows in the header `Authorization`, read and compared. Not here: who is let in.

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::auth;

/// Names under which clients put tokens into an address, from where they go into logs.
const TOKEN_PARAMETERS: [&str; 6] = [
    "access_token",
    "authorization",
    "bearer",
    "id_token",
    "jwt",
    "token",
];

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    Nothing,
    /// The scheme Basic; `None` where user and password cannot be read.
    Password(Option<(String, String)>),
    Token(&'a str),
    /// Something that is neither.
    Other,
}

/// Reads the one `Authorization` of a request; two are refused, since two readers could take
/// different ones.
pub(super) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, auth::Error> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(only) = all.next() else {
        return Ok(Shown::Nothing);
    };
    if all.next().is_some() {
        return Err(auth::Error::Request("the header Authorization came twice"));
    }
    let Ok(text) = only.to_str() else {
        return Ok(Shown::Other);
    };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(if scheme.eq_ignore_ascii_case("bearer") {
        Shown::Token(rest.trim())
    } else if scheme.eq_ignore_ascii_case("basic") {
        Shown::Password(user_and_password(rest))
    } else {
        Shown::Other
    })
}

fn user_and_password(encoded: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The one Bearer token of a request.
pub(super) fn bearer<'a>(shown: &Shown<'a>) -> Result<&'a str, auth::Error> {
    match shown {
        Shown::Token(token) => Ok(token),
        Shown::Nothing => Err(auth::Error::NoToken("the header Authorization is missing")),
        Shown::Password(_) | Shown::Other => Err(auth::Error::NoToken(
            "the header Authorization does not begin with Bearer",
        )),
    }
}

/// Refuses a token in the address.
pub(super) fn check_query(uri: &Uri) -> Result<(), auth::Error> {
    let names = uri.query().unwrap_or_default().split('&');
    let mut names = names.map(|pair| pair.split('=').next().unwrap_or_default());
    if names.any(|name| {
        TOKEN_PARAMETERS
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name))
    }) {
        return Err(auth::Error::Request(
            "it is in the address, where proxies log it",
        ));
    }
    Ok(())
}

/// Whether `shown` equals `expected`, in a time that depends on the length of `shown` only.
pub(super) fn same(shown: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(shown.len() != expected.len());
    let padded = expected.iter().chain(std::iter::repeat(&0));
    for (left, right) in shown.iter().zip(padded) {
        difference |= std::hint::black_box(left ^ right);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::error::{AUTH_NO_TOKEN, AUTH_REQUEST, Explain};

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn one_authorization_is_read_and_two_are_refused() {
        let shown_by = |values: &[&str]| match shown(&headers(values)) {
            Ok(shown) => format!("{shown:?}"),
            Err(error) => error.code().to_string(),
        };
        assert_eq!(shown_by(&[]), "Nothing");
        assert_eq!(shown_by(&["bearer a.b.c"]), "Token(\"a.b.c\")");
        assert_eq!(shown_by(&["BEARER  x "]), "Token(\"x\")");
        let basic = shown_by(&["Basic YTpiOmM="]);
        assert_eq!(basic, "Password(Some((\"a\", \"b:c\")))");
        assert_eq!(shown_by(&["Basic !"]), "Password(None)");
        assert_eq!(shown_by(&["Bearer"]), "Token(\"\")");
        assert_eq!(shown_by(&["Digest x"]), "Other");
        let twice = shown_by(&["Bearer x", "Bearer x"]);
        assert_eq!(twice, AUTH_REQUEST.as_str());
        for none in [&[][..], &["Basic YTpi"], &["x"]] {
            let headers = headers(none);
            let error = bearer(&shown(&headers).unwrap()).unwrap_err();
            assert_eq!(error.code(), AUTH_NO_TOKEN, "{none:?}");
        }
    }

    #[test]
    fn a_token_in_the_address_is_refused() {
        for refused in ["/?access_token=x", "/t?a=1&Token=x", "/?jwt", "/?bearer=&x"] {
            assert!(check_query(&refused.parse().unwrap()).is_err(), "{refused}");
        }
        for taken in ["/", "/topics/token", "/?from=token", "/?access_tokens=1"] {
            assert!(check_query(&taken.parse().unwrap()).is_ok(), "{taken}");
        }
    }

    #[test]
    fn texts_are_compared_whole() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        for (shown, expected) in [("abc", "abd"), ("ab", "abc"), ("abc", "ab"), ("", "a")] {
            assert!(!same(shown.as_bytes(), expected.as_bytes()));
        }
    }
}
