//! Where a browser may be sent when a story is over (SSO-25, F-30).

use url::Url;

use crate::config::BaseUrl;

/// A place to which a browser may be sent: a path of ours, or a URL of a listed origin. Only
/// [`ReturnTarget::parse`] and [`ReturnTarget::home`] make one.
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
        // A browser drops tabs and newlines and takes a backslash for a slash; nobody honest sends
        // them, so they are not worth being clever about.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !plain || text.len() > 2048 {
            return None;
        }
        if text.starts_with('/') {
            let url = Url::parse(base.as_str()).ok()?.join(text).ok()?;
            return (url.origin().ascii_serialization() == base.as_str()).then(|| Self::of(&url)).flatten();
        }
        if !text.contains("://") {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !anonymous || !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let origin = url.origin().ascii_serialization();
        if origin == base.as_str() {
            Self::of(&url)
        } else {
            origins.contains(&origin).then(|| Self(url.into()))
        }
    }

    /// Reads a target back that was allowed when it was written down.
    #[must_use]
    pub(super) fn recorded(text: &str, base: &BaseUrl) -> Option<Self> {
        let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
        Self::parse(text, base, &origin.into_iter().collect::<Vec<_>>())
    }

    /// Whether it is at one of these origins, or one of these URLs, in which `*` stands for one whole
    /// label of the host.
    pub(super) fn is_of(&self, origins: &[String], urls: &[String]) -> bool {
        let Ok(url) = Url::parse(&self.0) else { return false };
        origins.contains(&url.origin().ascii_serialization())
            || urls.iter().any(|known| is_meant(known, &url))
    }

    /// The value for a `Location` header: a path that starts with one slash, or an absolute URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path, query and fragment of a URL of ours. A path that a browser would read as the
    /// start of another host is none.
    fn of(url: &Url) -> Option<Self> {
        let path = &url[url::Position::BeforePath..];
        (path.starts_with('/') && !path.starts_with("//")).then(|| Self(path.to_owned()))
    }
}

/// Whether a registered URL means that one.
fn is_meant(known: &str, url: &Url) -> bool {
    let Some((before, after)) = known.split_once("//*.") else {
        return Url::parse(known).is_ok_and(|known| known == *url);
    };
    let Some((label, rest)) = url.host_str().and_then(|host| host.split_once('.')) else { return false };
    let known = Url::parse(&format!("{before}//{label}.{after}"));
    !rest.is_empty() && known.is_ok_and(|known| known == *url)
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
    fn a_registered_url_means_itself_and_a_star_one_label() {
        let base = BaseUrl::parse("https://sp.example").unwrap();
        let is_of = |known: &str, text: &str| {
            ReturnTarget::recorded(text, &base).unwrap().is_of(&[], &[known.to_owned()])
        };
        assert!(is_of("https://app.example/done", "https://app.example/done"));
        assert!(!is_of("https://app.example/done", "https://app.example/done/x"));
        assert!(!is_of("https://app.example/done", "https://app.example/done?x"));
        assert!(is_of("https://*.app.example/done", "https://a.app.example/done"));
        for other in
            ["https://app.example/done", "https://a.b.app.example/done", "https://a.app.example.e/done"]
        {
            assert!(!is_of("https://*.app.example/done", other), "{other}");
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
