//! The list of embedded files.

use crate::serve::http::{Asset, Assets};

/// Bytes of all files together: they are part of every process and of the image.
pub const BYTES_MAX: usize = 128 * 1024;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file of this folder under its own name below `/console/`.
macro_rules! asset {
    ($name:literal, $media_type:expr) => {
        Asset {
            path: concat!("/console/", $name),
            media_type: $media_type,
            bytes: include_bytes!(concat!("assets/", $name)),
        }
    };
}

const INDEX: &[u8] = include_bytes!("assets/index.html");

const ALL: &[Asset] = &[
    Asset {
        path: "/",
        media_type: HTML,
        bytes: INDEX,
    },
    // What people type who do not know that it is at the root.
    Asset {
        path: "/console",
        media_type: HTML,
        bytes: INDEX,
    },
    asset!("app.css", CSS),
    asset!("icon.svg", IMAGE),
    asset!("main.js", SCRIPT),
    asset!("view.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("parts.js", SCRIPT),
    asset!("overview.js", SCRIPT),
    asset!("sources.js", SCRIPT),
    asset!("topics.js", SCRIPT),
    asset!("tail.js", SCRIPT),
    asset!("groups.js", SCRIPT),
    asset!("letters.js", SCRIPT),
    asset!("push.js", SCRIPT),
];

/// All files, for the HTTP face.
#[must_use]
pub fn assets() -> Assets {
    Assets::new(ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(asset: &Asset) -> &str {
        std::str::from_utf8(asset.bytes).unwrap()
    }

    #[test]
    fn everything_together_is_small() {
        let bytes: usize = ALL.iter().map(|asset| asset.bytes.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let paths: Vec<&str> = ALL.iter().map(|asset| asset.path).collect();
        for asset in ALL {
            let names = text(asset).split(['"', '\'']).filter_map(|word| {
                let local = word
                    .strip_prefix("./")
                    .map(|name| format!("/console/{name}"));
                local.or_else(|| word.starts_with("/console/").then(|| word.to_owned()))
            });
            for name in names {
                assert!(paths.contains(&name.as_str()), "{}: {name}", asset.path);
            }
        }
    }

    #[test]
    fn texts_never_become_markup_or_code_and_nothing_is_inline() {
        for asset in ALL {
            let text = text(asset);
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "javascript:",
                "style=\"",
                " onclick=\"",
                "@import",
            ] {
                assert!(!text.contains(word), "{}: {word}", asset.path);
            }
            let is_inline = text.contains("<style") || text.contains("<script>");
            assert!(!is_inline, "{}", asset.path);
        }
    }
}
