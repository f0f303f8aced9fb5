//! What the browser asked a proxy for, as the proxy says it: read for `/forward-auth` alone, and only
//! from proxies that we trust.

use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;
use url::Url;

use crate::web::visitor;

/// The headers that name an address.
const NAMES: [&str; 3] = ["x-original-url", "x-forwarded-host", "x-forwarded-uri"];
/// The longest address that is read.
const LONGEST: usize = 16_384;

/// What a request says about the original address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Original {
    /// One address.
    Address(Url),
    /// Nothing.
    Unknown,
    /// Two things, or none that can be read: the proxy may pass on what the browser made up.
    Ambiguous,
    /// Something, but whoever says so is no proxy of ours.
    Untrusted,
}

/// The original address: `X-Original-URL`, or `X-Forwarded-Proto`, `-Host` and `-Uri` together.
pub fn original(parts: &Parts, trusted: &[IpNet]) -> Original {
    if visitor::is_from_proxy(parts, trusted) {
        return named(&parts.headers);
    }
    if NAMES.iter().any(|name| parts.headers.contains_key(*name)) {
        Original::Untrusted
    } else {
        Original::Unknown
    }
}

fn named(headers: &HeaderMap) -> Original {
    let (Ok(whole), Ok(scheme), Ok(host), Ok(path)) = (
        one(headers, "x-original-url"),
        one(headers, "x-forwarded-proto"),
        one(headers, "x-forwarded-host"),
        one(headers, "x-forwarded-uri"),
    ) else {
        return Original::Ambiguous;
    };
    let whole = match whole.map(address) {
        Some(None) => return Original::Ambiguous,
        Some(Some(url)) => Some(url),
        None => None,
    };
    // Where the whole address is there as well, only the origin is compared.
    let scheme = scheme.or(whole.as_ref().map(Url::scheme));
    let path = path.or(whole.as_ref().map(|_| "/"));
    let (Some(scheme), Some(host), Some(path)) = (scheme, host, path) else {
        return whole.map_or(Original::Unknown, Original::Address);
    };
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    let Some(parts) = address(&format!("{scheme}://{host}{path}")).filter(|_| plain && path.starts_with('/'))
    else {
        return Original::Ambiguous;
    };
    match whole {
        Some(whole) if whole.origin() != parts.origin() => Original::Ambiguous,
        Some(whole) => Original::Address(whole),
        None => Original::Address(parts),
    }
}

/// An http address without a user, as a browser understands it.
fn address(text: &str) -> Option<Url> {
    if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

/// The one value of a header. More than one, or one that is not text, is an error.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    // Proxies clear a header by an empty value.
    value.to_str().map(|value| Some(value).filter(|value| !value.is_empty())).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn said(headers: &[(&'static str, &str)]) -> Original {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        named(&map)
    }

    fn at(url: &str) -> Original {
        Original::Address(Url::parse(url).unwrap())
    }

    #[test]
    fn either_way_of_naming_the_address_is_understood() {
        assert_eq!(said(&[]), Original::Unknown);
        assert_eq!(
            said(&[("x-original-url", "https://app.example/a?b=c&d=e")]),
            at("https://app.example/a?b=c&d=e")
        );
        let parts = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example:8443"),
            ("x-forwarded-uri", "/a?b=c"),
        ];
        assert_eq!(said(&parts), at("https://app.example:8443/a?b=c"));
        assert_eq!(said(&parts[..2]), Original::Unknown, "the path is missing");
        assert_eq!(said(&parts[1..]), Original::Unknown, "the scheme is missing");
        let cleared = [("x-original-url", "https://app.example/"), ("x-forwarded-host", "")];
        assert_eq!(said(&cleared), at("https://app.example/"));
    }

    #[test]
    fn two_addresses_that_disagree_are_none() {
        let agreeing = [
            ("x-original-url", "https://app.example/a"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example"),
        ];
        assert_eq!(said(&agreeing), at("https://app.example/a"));
        for (name, value) in [
            ("x-forwarded-host", "other.example"),
            ("x-forwarded-host", "app.example@other.example"),
            ("x-forwarded-host", "app.example, other.example"),
            ("x-original-url", "https://other.example/"),
            ("x-original-url", "not an address"),
        ] {
            let mut headers = agreeing.to_vec();
            headers.retain(|(own, _)| *own != name);
            headers.push((name, value));
            assert_eq!(said(&headers), Original::Ambiguous, "{name}: {value}");
        }
        let mut twice = agreeing.to_vec();
        twice.push(("x-forwarded-host", "app.example"));
        assert_eq!(said(&twice), Original::Ambiguous);
    }

    #[test]
    fn what_is_no_plain_address_is_not_read() {
        for text in [
            "/path",
            "app.example",
            "ftp://app.example/",
            "javascript:alert(1)",
            "https://user@app.example/",
            "https://app.example/ x",
            "https:///",
        ] {
            assert_eq!(said(&[("x-original-url", text)]), Original::Ambiguous, "{text}");
        }
        for host in ["a/b", "a?b", "a#b", "u@a", "a b", "a\\b", "a,b"] {
            let headers =
                [("x-forwarded-proto", "https"), ("x-forwarded-host", host), ("x-forwarded-uri", "/")];
            assert_eq!(said(&headers), Original::Ambiguous, "{host}");
        }
    }
}
