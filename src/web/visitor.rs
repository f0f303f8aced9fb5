//! Who is asking: cookies, address and kind of navigation, read once per request.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::app::{App, CorrelationToken, SessionToken, Visitor};
use crate::web::cookies::Cookies;
use crate::web::navigation;

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let cookies = cookies(app);
        Ok(Self {
            session: cookies.session(&parts.headers).and_then(SessionToken::parse),
            correlation: cookies.correlation(&parts.headers).and_then(CorrelationToken::parse),
            address: address(parts, &app.settings().trusted_proxies),
            top_level: navigation::is_top_level(&parts.headers),
        })
    }
}

/// Our cookies as these settings have them.
pub fn cookies(app: &App) -> Cookies<'_> {
    let settings = app.settings();
    Cookies::new(settings.cookies_secure()).across(settings.cookie_domain.as_deref())
}

/// Whether a request comes straight from a proxy that we trust.
pub fn is_from_proxy(parts: &Parts, trusted: &[IpNet]) -> bool {
    let peer = peer(parts).to_canonical();
    trusted.iter().any(|net| net.contains(&peer))
}

/// The address of whoever stands before the proxies that we trust.
pub fn address(parts: &Parts, trusted: &[IpNet]) -> IpAddr {
    client(peer(parts), &parts.headers, trusted)
}

fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip())
}

/// Every trusted proxy appends the address it saw, so the list is read from the right, as long
/// as who wrote the entry is trusted; what stands further left anybody may have written.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut current = peer.to_canonical();
    let entries: Vec<&str> = headers
        .get_all(HeaderName::from_static("x-forwarded-for"))
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .collect();
    for entry in entries.into_iter().rev() {
        if !is_trusted(current) {
            break;
        }
        let Some(address) = parsed(entry.trim()) else { break };
        current = address.to_canonical();
    }
    current
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parsed(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use axum::http::HeaderValue;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_no_trusted_proxy() {
        assert_eq!(seen("203.0.113.7", &["198.51.100.1"], &[]), "203.0.113.7");
        assert_eq!(seen("203.0.113.7", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.7");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_of_ours_counts() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "198.51.100.1"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &[], trusted), "10.0.0.1");
    }

    #[test]
    fn every_common_spelling_of_an_address_is_read() {
        let trusted = &["127.0.0.0/8"];
        assert_eq!(seen("127.0.0.1", &["198.51.100.1:4711"], trusted), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:4711"], trusted), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]"], trusted), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["2001:db8::1"], trusted), "2001:db8::1");
        assert_eq!(seen("::ffff:127.0.0.1", &["198.51.100.1"], trusted), "198.51.100.1");
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_the_proxy_that_wrote_it() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown"], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
