//! The two cookies: which session this browser has, and which sign-ins it has begun.
//!
//! The session cookie is `Lax` and never needed to find a session (SLO-12). The correlation
//! cookie comes along with the identity provider's cross-site POST, so over TLS it is
//! `SameSite=None`. On a plain-http loopback base URL neither carries `Secure`, and the
//! correlation cookie no `SameSite`, because browsers drop `SameSite=None` without `Secure`
//! (SSO-24).
//!
//! Where `cookie_domain` is set, the session cookie goes to all hosts below it, for applications
//! behind forward-auth; browsers then want `__Secure-` in place of `__Host-`. The correlation
//! cookie stays ours alone.

use axum::http::{HeaderMap, HeaderValue, header};

/// How long a browser keeps the correlation cookie: an hour at the identity provider's sign-in
/// page is long enough.
const CORRELATION_SECONDS: u32 = 3600;

/// 256 bits in base64url without padding.
const TOKEN_LENGTH: usize = 43;

/// The names and attributes of our cookies, which depend on whether browsers reach us over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies<'a> {
    over_tls: bool,
    domain: Option<&'a str>,
}

impl<'a> Cookies<'a> {
    /// Cookies for a base URL that is https, or plain http on a loopback host.
    #[must_use]
    pub const fn new(over_tls: bool) -> Self {
        Self { over_tls, domain: None }
    }

    /// The same, with the session cookie going to every host of a domain.
    #[must_use]
    pub const fn across(self, domain: Option<&'a str>) -> Self {
        Self { domain, ..self }
    }

    /// The well-formed session token that this browser sent, if it sent exactly one.
    #[must_use]
    pub fn session<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        token(headers, self.session_name())
    }

    /// The well-formed correlation token that this browser sent, if it sent exactly one.
    #[must_use]
    pub fn correlation<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        token(headers, self.correlation_name())
    }

    /// The `Set-Cookie` value that hands out a session token. It has no lifetime of its own: the
    /// server alone decides how long a session lives.
    #[must_use]
    pub fn keep_session(&self, token: &str) -> Option<HeaderValue> {
        let secure = if self.over_tls { "; Secure" } else { "" };
        let domain = self.domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        let cookie =
            format!("{}={token}; Path=/{domain}; HttpOnly{secure}; SameSite=Lax", self.session_name());
        HeaderValue::try_from(cookie).ok()
    }

    /// The `Set-Cookie` value that hands out a correlation token.
    #[must_use]
    pub fn keep_correlation(&self, token: &str) -> Option<HeaderValue> {
        let reach = if self.over_tls { "; Secure; SameSite=None" } else { "" };
        let name = self.correlation_name();
        let cookie = format!("{name}={token}; Path=/; HttpOnly; Max-Age={CORRELATION_SECONDS}{reach}");
        HeaderValue::try_from(cookie).ok()
    }

    /// `__Host-` keeps other hosts of the same site from setting the cookie (SSO-24); with a domain it
    /// is theirs as well, and only TLS can be promised.
    const fn session_name(&self) -> &'static str {
        match (self.over_tls, self.domain) {
            (true, None) => "__Host-signoff",
            (true, Some(_)) => "__Secure-signoff",
            (false, _) => "signoff",
        }
    }

    const fn correlation_name(&self) -> &'static str {
        if self.over_tls { "__Host-signoff_login" } else { "signoff_login" }
    }
}

/// The token in the cookie of that name. Two different tokens under one name mean that somebody
/// else planted one of them; which one nobody can tell, so neither counts.
fn token<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut tokens = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == name && is_token(value))
        .map(|(_, value)| value);
    let first = tokens.next()?;
    tokens.all(|other| other == first).then_some(first)
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1";
    const TWO: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB-_";

    fn sent(cookies: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::try_from(cookie.as_str()).unwrap());
        }
        headers
    }

    #[test]
    fn sso_24_over_tls_both_cookies_are_secure_and_bound_to_the_host() {
        let cookies = Cookies::new(true);
        assert_eq!(
            cookies.keep_session(ONE).unwrap(),
            format!("__Host-signoff={ONE}; Path=/; HttpOnly; Secure; SameSite=Lax").as_str()
        );
        assert_eq!(
            cookies.keep_correlation(ONE).unwrap(),
            format!("__Host-signoff_login={ONE}; Path=/; HttpOnly; Max-Age=3600; Secure; SameSite=None")
                .as_str()
        );
    }

    #[test]
    fn sso_24_on_plain_loopback_nothing_is_secure_and_the_correlation_has_no_same_site() {
        let cookies = Cookies::new(false);
        assert_eq!(
            cookies.keep_session(ONE).unwrap(),
            format!("signoff={ONE}; Path=/; HttpOnly; SameSite=Lax").as_str()
        );
        assert_eq!(
            cookies.keep_correlation(ONE).unwrap(),
            format!("signoff_login={ONE}; Path=/; HttpOnly; Max-Age=3600").as_str()
        );
    }

    #[test]
    fn sso_24_a_cookie_for_a_whole_domain_says_so_and_only_the_session_cookie_is_one() {
        let cookies = Cookies::new(true).across(Some("example.com"));
        assert_eq!(
            cookies.keep_session(ONE).unwrap(),
            format!("__Secure-signoff={ONE}; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax")
                .as_str()
        );
        let correlation = cookies.keep_correlation(ONE).unwrap();
        assert_eq!(correlation, Cookies::new(true).keep_correlation(ONE).unwrap());
        let both = sent(&[format!("__Host-signoff={ONE}; __Secure-signoff={TWO}")]);
        assert_eq!(cookies.session(&both), Some(TWO), "a cookie from before the change does not count");
        assert_eq!(Cookies::new(true).session(&both), Some(ONE));
    }

    #[test]
    fn a_token_is_found_among_other_cookies_and_in_any_cookie_header() {
        let headers = sent(&["a=b; theme=dark".into(), format!("signoff_login={TWO};signoff={ONE} ; x=")]);
        assert_eq!(Cookies::new(false).session(&headers), Some(ONE));
        assert_eq!(Cookies::new(false).correlation(&headers), Some(TWO));
        assert_eq!(Cookies::new(true).session(&headers), None, "only the __Host- name counts over TLS");
    }

    #[test]
    fn two_different_tokens_under_one_name_count_as_none() {
        let both = sent(&[format!("signoff={ONE}; signoff={TWO}")]);
        assert_eq!(Cookies::new(false).session(&both), None);
        let same = sent(&[format!("signoff={ONE}"), format!("signoff={ONE}; signoff=junk")]);
        assert_eq!(Cookies::new(false).session(&same), Some(ONE));
    }

    #[test]
    fn what_is_not_a_token_is_not_taken() {
        for bad in ["", "short", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &format!("{ONE}A"), "\"x\""] {
            assert_eq!(Cookies::new(false).session(&sent(&[format!("signoff={bad}")])), None, "{bad}");
        }
    }
}
