//! The base URL: what the outside world calls us.

use url::{Host, Url};

/// Scheme, host and port under which browsers and identity providers reach us. Plain http
/// is only possible for loopback hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `scheme://host[:port]`, without a slash at the end.
    origin: String,
    host: String,
    https: bool,
    loopback: bool,
}

impl BaseUrl {
    pub(super) const EXPECTED: &str = "https://HOST[:PORT] without path, query or user name; \
         http only for 127.0.0.0/8, [::1] and localhost";

    /// The default, for trying things out: `http://127.0.0.1:8080`.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            origin: String::from("http://127.0.0.1:8080"),
            host: String::from("127.0.0.1"),
            https: false,
            loopback: true,
        }
    }

    /// Reads a base URL; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host()?;
        let loopback = match &host {
            Host::Domain(domain) => *domain == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare || !(https || loopback) {
            return None;
        }
        Some(Self { origin: url.origin().ascii_serialization(), host: host.to_string(), https, loopback })
    }

    /// The URL of one of our paths, which starts with `/`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// `scheme://host[:port]`, without a slash at the end: also our web origin.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The host, without port; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is a loopback address: we are being tried out, on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether browsers reach us over TLS, whoever terminates it.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_base_url_is_an_origin_and_loses_what_is_default() {
        for (text, origin) in [
            ("https://Signoff.Example.com", "https://signoff.example.com"),
            ("https://signoff.example.com:443/", "https://signoff.example.com"),
            ("https://signoff.example.com:8443", "https://signoff.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), origin, "{text}");
        }
        assert_eq!(BaseUrl::loopback(), BaseUrl::parse("http://127.0.0.1:8080").unwrap());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "signoff.example.com",
            "ftp://signoff.example.com",
            "http://signoff.example.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://10.0.0.1:8080",
            "http://0.0.0.0:8080",
            "https://signoff.example.com/app",
            "https://signoff.example.com/?x=y",
            "https://signoff.example.com/#x",
            "https://user@signoff.example.com",
            "https://user:secret@signoff.example.com",
            "https://",
        ] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }
}
