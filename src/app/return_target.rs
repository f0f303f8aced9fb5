//! Where a browser may be sent when a story is over (SSO-25, F-30).

use crate::config::BaseUrl;
use crate::logout::return_url::{self, LogoutUrl, ReturnUrl};

/// A place to which a browser may be sent: a path of ours, or a URL that is listed, or of a listed
/// origin. Only the functions here make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTarget(String);

impl ReturnTarget {
    /// Our own start page.
    #[must_use]
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// Takes a same-origin path, or an absolute URL of `base` or of one of `origins`
    /// (`scheme://host[:port]`), as a browser would understand it; anything else is none.
    ///
    /// The text is parsed once, as the WHATWG tells browsers to, and what is handed out is the
    /// parsed URL written anew: there is no second reading that could differ.
    #[must_use]
    pub fn parse(text: &str, base: &BaseUrl, origins: &[String]) -> Option<Self> {
        if text.starts_with('/') {
            return Self::own(text, base);
        }
        let url = ReturnUrl::parse(text).ok()?;
        let origin = url.origin()?;
        let known = origin == base.as_str() || origins.contains(&origin);
        if known { Self::of(&url, base) } else { None }
    }

    /// Takes an absolute URL that one of these means; anything else is none.
    #[must_use]
    pub(super) fn listed(text: &str, base: &BaseUrl, urls: &[LogoutUrl]) -> Option<Self> {
        let url = ReturnUrl::parse(text).ok()?;
        if urls.iter().any(|known| known.allows(&url)) { Self::of(&url, base) } else { None }
    }

    /// Reads a target back that was allowed when it was written down.
    #[must_use]
    pub(super) fn recorded(text: &str, base: &BaseUrl) -> Option<Self> {
        if text.starts_with('/') {
            Self::own(text, base)
        } else {
            Self::of(&ReturnUrl::parse(text).ok()?, base)
        }
    }

    /// The value for a `Location` header: a path that starts with one slash, or an absolute URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path of ours, as a browser would understand it.
    fn own(text: &str, base: &BaseUrl) -> Option<Self> {
        if !return_url::is_plain(text) {
            return None;
        }
        let url = url::Url::parse(base.as_str()).ok()?.join(text).ok()?;
        (url.origin().ascii_serialization() == base.as_str())
            .then(|| Self::path(&url[url::Position::BeforePath..]))
            .flatten()
    }

    /// An allowed URL; of one of ours only what follows the host.
    pub(super) fn of(url: &ReturnUrl, base: &BaseUrl) -> Option<Self> {
        if url.origin().is_some_and(|origin| origin == base.as_str()) {
            Self::path(url.path_on())
        } else {
            Some(Self(url.as_str().to_owned()))
        }
    }

    /// A path that a browser would read as the start of another host is none.
    fn path(path: &str) -> Option<Self> {
        (path.starts_with('/') && !path.starts_with("//")).then(|| Self(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let base = BaseUrl::parse("https://sp.example").unwrap();
        let origins = vec!["https://app.example".to_owned(), "http://127.0.0.1:9000".to_owned()];
        ReturnTarget::parse(text, &base, &origins).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn sso_25_paths_of_ours_and_listed_origins_are_taken() {
        for (text, target) in [
            ("/", "/"),
            ("/orders?id=7#end", "/orders?id=7#end"),
            ("/a/../b", "/b"),
            ("https://sp.example/orders", "/orders"),
            ("https://app.example/done?x=1", "https://app.example/done?x=1"),
            ("https://APP.example:443/done", "https://app.example/done"),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(target), "{text}");
        }
    }

    #[test]
    fn f_30_every_spelling_of_another_place_is_refused() {
        for text in [
            "",
            "//e",
            "///e",
            "////e",
            "/\\e",
            "\\\\e",
            "\\/e",
            "/\t/e",
            "/\n/e",
            "\t//e",
            " //e",
            "/ /e",
            "https:e",
            "https:/e",
            "https:///e",
            "https://e",
            "https://sp.example@e",
            "https://sp.example:x@e/",
            "https://user@sp.example/",
            "https://sp.example.e/",
            "https://sp.example:444/",
            "http://sp.example/",
            "https://app.example.e/",
            "http://app.example/",
            "http://127.0.0.1:9001/",
            "javascript:alert(1)",
            "javascript://sp.example/%0aalert(1)",
            "data:text/html,x",
            "/x\r\nSet-Cookie: a=b",
            "/..//e",
            "/.//e",
            "/%2e//e",
            "orders",
            "?x",
            "#x",
            "/ü",
            "com.example.app:/out",
            "https:///app.example/",
            "https://@app.example/",
            "https://app.example:/",
            "https://%61pp.example/",
            "http://2130706433:9000/",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_was_allowed_once_is_read_back_and_still_no_script_or_other_reading_of_a_path() {
        let base = BaseUrl::parse("https://sp.example").unwrap();
        let read = |text| ReturnTarget::recorded(text, &base).map(|target| target.as_str().to_owned());
        assert_eq!(read("https://app.example/done").as_deref(), Some("https://app.example/done"));
        assert_eq!(read("/orders").as_deref(), Some("/orders"));
        for text in ["javascript:alert(1)", "//e", "data:text/html,x", "https://user@app.example/"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_listed_url_of_ours_is_a_path_and_of_a_native_app_is_itself() {
        let base = BaseUrl::parse("https://sp.example").unwrap();
        let urls = ["https://sp.example/bye", "https://app.example/out", "com.example.app:/out"]
            .map(|url| LogoutUrl::parse(url, false).unwrap());
        let listed = |text| ReturnTarget::listed(text, &base, &urls).map(|target| target.as_str().to_owned());
        for (text, target) in [
            ("https://sp.example/bye?x#y", "/bye?x#y"),
            ("https://APP.example/out", "https://app.example/out"),
            ("com.example.app:/out", "com.example.app:/out"),
        ] {
            assert_eq!(listed(text).as_deref(), Some(target));
            // And is read back as what it was.
            let read = ReturnTarget::recorded(target, &base).unwrap();
            assert_eq!(read.as_str(), target);
        }
        for text in ["/bye", "https://app.example/", "https://sp.example//bye", "com.example.app:/out/x"] {
            assert_eq!(listed(text), None, "{text}");
        }
    }

    #[test]
    fn f_30_what_is_encoded_twice_stays_a_path() {
        assert_eq!(parse("/%252f%252fe").as_deref(), Some("/%252f%252fe"));
        assert_eq!(parse("/%2f%2fe").as_deref(), Some("/%2f%2fe"));
        assert_eq!(parse("/%0d%0aX").as_deref(), Some("/%0d%0aX"));
        assert_eq!(parse("/%5ce").as_deref(), Some("/%5ce"));
    }
}
