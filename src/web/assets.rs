//! The stylesheet and the icon: compiled in, and named after their content, so that a browser
//! may keep them for ever and never shows an old one.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;

const STYLESHEET: &str = include_str!("assets/signoff.css");
const ICON: &str = include_str!("assets/icon.svg");
const FOREVER: &str = "public, max-age=31536000, immutable";

static STYLESHEET_PATH: LazyLock<String> = LazyLock::new(|| named_after("signoff", STYLESHEET, "css"));
static ICON_PATH: LazyLock<String> = LazyLock::new(|| named_after("icon", ICON, "svg"));

/// Where the stylesheet is.
pub fn stylesheet_path() -> &'static str {
    &STYLESHEET_PATH
}

/// Where the icon is.
pub fn icon_path() -> &'static str {
    &ICON_PATH
}

/// `GET` of the stylesheet.
pub async fn stylesheet() -> Response {
    served("text/css; charset=utf-8", STYLESHEET)
}

/// `GET` of the icon.
pub async fn icon() -> Response {
    served("image/svg+xml", ICON)
}

fn served(media_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, FOREVER)], content).into_response()
}

fn named_after(name: &str, content: &str, extension: &str) -> String {
    let digest = URL_SAFE_NO_PAD.encode(sha256(content.as_bytes()));
    let short: String = digest.chars().take(12).collect();
    format!("/assets/{name}-{short}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stylesheet_names_no_other_host() {
        assert!(
            !STYLESHEET.contains("//") && !STYLESHEET.contains("@import") && !STYLESHEET.contains("url(")
        );
    }

    #[test]
    fn other_content_has_another_name() {
        assert_ne!(named_after("a", "x", "css"), named_after("a", "y", "css"));
        assert!(stylesheet_path().starts_with("/assets/signoff-"));
    }
}
