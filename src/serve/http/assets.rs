//! Files of the console, handed down by `app`: answered with their entity tags and under a policy
//! that lets a page load from this server only.
//!
//! Invariant: nothing here runs inline and nothing comes from elsewhere, so a value that found its
//! way into the page as markup still could not act. Not here: what the files hold.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::guard::Shared;

/// What a page may load, and who may frame it: this server, and nobody.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
);

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Where it is answered, with its leading slash.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
}

/// Files by their paths. Cheap to clone; none by default.
#[derive(Debug, Clone, Default)]
pub struct Assets(Arc<[Asset]>);

impl Assets {
    /// These files; each path stands once.
    #[must_use]
    pub fn new(assets: &[Asset]) -> Assets {
        Assets(assets.into())
    }
}

/// A route for each file.
pub(super) fn routes(assets: &Assets) -> Router<Arc<Shared>> {
    assets.0.iter().fold(Router::new(), |router, asset| {
        let (asset, tag) = (*asset, entity_tag(asset.bytes));
        let answer = move |headers: HeaderMap| std::future::ready(answer(asset, &tag, &headers));
        router.route(asset.path, get(answer))
    })
}

/// A strong tag: the bytes' CRC-32C and length. It tells two builds apart; it is no protection.
fn entity_tag(bytes: &[u8]) -> HeaderValue {
    let text = format!("\"{:08x}-{:x}\"", crc32c::crc32c(bytes), bytes.len());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

fn answer(asset: Asset, tag: &HeaderValue, headers: &HeaderMap) -> Response {
    let mut response = if is_known(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(asset.bytes).into_response()
    };
    let fixed: [(HeaderName, HeaderValue); 8] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.media_type),
        ),
        (header::ETAG, tag.clone()),
        // Asked for again each time, so that a page never runs with scripts of another build.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    response.headers_mut().extend(fixed);
    response
}

/// Whether the caller already has the file with this tag (RFC 9110, weak comparison).
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Ok(tag) = tag.to_str() else {
        return false;
    };
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    lists.filter_map(|list| list.to_str().ok()).any(|list| {
        let mut tags = list.split(',').map(str::trim);
        tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Asset = Asset {
        path: "/",
        media_type: "text/html; charset=utf-8",
        bytes: b"<!doctype html>",
    };

    fn asked(if_none_match: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(tags) = if_none_match {
            headers.insert(header::IF_NONE_MATCH, tags.parse().unwrap());
        }
        answer(PAGE, &entity_tag(PAGE.bytes), &headers)
    }

    #[test]
    fn a_file_is_sent_once_for_each_of_its_versions() {
        let first = asked(None);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = asked(Some(&known));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG], *tag);
        }
        assert_eq!(asked(Some("\"x\"")).status(), StatusCode::OK);
        assert_ne!(entity_tag(b"a"), entity_tag(b"b"));
    }

    #[test]
    fn a_page_may_load_from_this_server_only_and_be_framed_by_nobody() {
        let answered = asked(None);
        let policy = answered.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            answered.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff"
        );
        assert_eq!(answered.headers()[header::REFERRER_POLICY], "no-referrer");
    }
}
