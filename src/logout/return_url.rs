//! Where a browser may go after a logout, as Auth0 describes it for its lists of allowed logout URLs:
//! an address that somebody asks for ([`ReturnUrl`]), and the addresses that somebody registered
//! ([`LogoutUrl`]) (SSO-25, F-30).
//!
//! Both are read once, as the WHATWG tells browsers to, and only if they are spelled plainly; what is
//! handed out is the parsed URL written anew. There is no second reading that could differ.

use url::{Host, Url};

/// The longest URL that is read.
pub const LONGEST: usize = 2048;

/// Whether a text is one that browsers read as it stands there: they drop tabs and newlines, take a
/// backslash for a slash, and turn letters beyond ASCII into others.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\')
}

/// An absolute URL to which somebody wants a browser to be sent: of the web, or of a native app with a
/// scheme of its own. That it can be read does not mean that it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl(Url);

/// A registered URL: query and fragment aside it means exactly itself, or with `*` every host of one
/// more label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutUrl {
    /// Without the star.
    url: Url,
    starred: bool,
}

/// Why a URL is not read, or not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Too long, not ASCII, with spaces or backslashes.
    #[error(
        "expected at most {LONGEST} visible ASCII characters without backslash; hosts with other letters are \
         written with xn--"
    )]
    Spelling,
    /// Relative, or without the slashes behind the scheme.
    #[error("expected the whole address with its scheme, such as https://app.example.com/signed-out")]
    NotAbsolute,
    /// A scheme that is not used.
    #[error(
        "expected https; http only for this machine, while our own base URL is a loopback address; for a native \
         app its own scheme with a dot in it, such as com.example.app:/signed-out"
    )]
    Scheme,
    /// A user name, password or fragment.
    #[error("expected no user name, password or fragment")]
    Adorned,
    /// A host or port that browsers write otherwise.
    #[error("expected the host and port as browsers write them")]
    Host,
    /// A star at the wrong place.
    #[error(
        "* may only stand for the whole first label of the host of an https URL, as in \
         https://*.example.com/signed-out"
    )]
    Star,
    /// A star that would be anybody's host.
    #[error(
        "expected at least two labels behind the *, because what is below a top-level domain is anybody's"
    )]
    TooWide,
}

impl ReturnUrl {
    /// Takes an absolute URL that is spelled plainly: https or http with its host as browsers write it,
    /// or a native app's own scheme, which has a dot in it (RFC 8252 7.1) and so is never one that runs
    /// a script. Upper case and a default port are the only liberties.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        read(text).map(Self)
    }

    /// `scheme://host[:port]`; none for a native app's own scheme.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        is_web(&self.0).then(|| self.0.origin().ascii_serialization())
    }

    /// The URL as a browser writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Path, query and fragment.
    #[must_use]
    pub fn path_on(&self) -> &str {
        &self.0[url::Position::BeforePath..]
    }

    /// The same with what the asking application wants to see again (OpenID Connect RP-Initiated
    /// Logout 1.0, 3); none if that gets too long.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Option<Self> {
        self.0.query_pairs_mut().append_pair("state", state);
        is_plain(self.0.as_str()).then_some(self)
    }
}

impl LogoutUrl {
    /// Reads a registered URL. `loopback`: whether our own base URL is a loopback address; then http is
    /// possible for this machine.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str, loopback: bool) -> Result<Self, BadUrl> {
        let starred = text.contains('*');
        let url = if starred { read(&without_star(text)?)? } else { read(text)? };
        if url.fragment().is_some() {
            return Err(BadUrl::Adorned);
        }
        if url.scheme() == "http" && !(loopback && is_this_machine(&url)) {
            return Err(BadUrl::Scheme);
        }
        let host = url.host_str().unwrap_or_default();
        if host.ends_with('.') || host.starts_with('.') {
            return Err(BadUrl::Host);
        }
        if starred {
            match url.host() {
                Some(Host::Domain(domain)) if domain.contains('.') => {}
                Some(Host::Domain(_)) => return Err(BadUrl::TooWide),
                _ => return Err(BadUrl::Star),
            }
        }
        Ok(Self { url, starred })
    }

    /// Whether it means that address. Scheme and host are compared without regard to case, the path
    /// with it; query and fragment are not looked at.
    #[must_use]
    pub fn allows(&self, asked: &ReturnUrl) -> bool {
        let (own, asked) = (&self.url, &asked.0);
        let host = match (own.host(), asked.host()) {
            (Some(Host::Domain(own)), Some(Host::Domain(asked))) if self.starred => is_below(own, asked),
            _ => match (own.host_str(), asked.host_str()) {
                (Some(own), Some(asked)) => !self.starred && own.eq_ignore_ascii_case(asked),
                (own, asked) => own == asked,
            },
        };
        host && own.scheme() == asked.scheme()
            && own.has_authority() == asked.has_authority()
            && own.port() == asked.port()
            && own.path() == asked.path()
    }

    /// The address itself; none if it is many.
    #[must_use]
    pub fn address(&self) -> Option<ReturnUrl> {
        (!self.starred).then(|| ReturnUrl(self.url.clone()))
    }
}

/// Whether a host is the domain with exactly one label in front.
fn is_below(domain: &str, host: &str) -> bool {
    let label = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    label.is_some_and(|label| !label.is_empty() && label.bytes().all(plain))
}

/// The URL with the star for the first label of its host taken out.
fn without_star(text: &str) -> Result<String, BadUrl> {
    match text.split_once("://*.") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") && !rest.contains('*') => {
            Ok(format!("{scheme}://{rest}"))
        }
        _ => Err(BadUrl::Star),
    }
}

fn read(text: &str) -> Result<Url, BadUrl> {
    if !is_plain(text) {
        return Err(BadUrl::Spelling);
    }
    let url = Url::parse(text).map_err(|_| BadUrl::NotAbsolute)?;
    if !is_web(&url) && !url.scheme().contains('.') {
        return Err(BadUrl::Scheme);
    }
    let rest = text.split_once(':').map(|(_, rest)| rest).ok_or(BadUrl::NotAbsolute)?;
    let authority =
        rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    // Browsers find a host in `https:host` and `https:/host` as well.
    if authority.is_none() && (is_web(&url) || !rest.starts_with('/')) {
        return Err(BadUrl::NotAbsolute);
    }
    let authority = authority.unwrap_or_default();
    // Even an empty user name is one too many.
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Adorned);
    }
    if is_spelled_as_compared(&url, authority) { Ok(url) } else { Err(BadUrl::Host) }
}

/// Whether host and port stand in the text as the parser gives them back, but for upper case and a
/// default port: nothing was decoded, mapped, counted or left out.
fn is_spelled_as_compared(url: &Url, authority: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let Some((start, rest)) = authority.split_at_checked(host.len()) else { return false };
    let port = match url.port() {
        Some(port) => rest == format!(":{port}"),
        None => rest.is_empty() || url.port_or_known_default().is_some_and(|port| rest == format!(":{port}")),
    };
    start.eq_ignore_ascii_case(host) && port
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn allows(known: &str, asked: &str) -> bool {
        let known = LogoutUrl::parse(known, true).unwrap();
        ReturnUrl::parse(asked).is_ok_and(|asked| known.allows(&asked))
    }

    const STAR: &str = "https://*.example.com/out";

    type Twins = &'static [(&'static str, &'static [(&'static str, &'static str)])];
    const TWINS: Twins = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/return_urls.rs"));

    #[test]
    fn f_30_no_spelling_means_another_place_and_each_has_a_twin_that_is_allowed() {
        for (known, pairs) in TWINS {
            for (good, bad) in *pairs {
                assert!(allows(known, good), "{known}: {good:?}");
                assert!(!allows(known, bad), "{known}: {bad:?}");
            }
        }
        assert!(TWINS.iter().map(|(_, pairs)| pairs.len()).sum::<usize>() >= 100);
    }

    #[test]
    fn what_is_handed_out_is_the_url_written_anew_with_query_and_fragment() {
        let written = |text| ReturnUrl::parse(text).unwrap().as_str().to_owned();
        assert_eq!(
            written("HTTPS://Good.example.com:443/x/../Out?a=B#C"),
            "https://good.example.com/Out?a=B#C"
        );
        assert_eq!(written("https://good.example.com"), "https://good.example.com/");
        assert_eq!(written("com.example.app:/out?x"), "com.example.app:/out?x");
        assert_eq!(ReturnUrl::parse("com.example.app:/out").unwrap().origin(), None);
    }

    #[test]
    fn what_is_registered_is_refused_with_its_reason() {
        for (text, why) in [
            ("", BadUrl::NotAbsolute),
            ("/out", BadUrl::NotAbsolute),
            ("//a.example/out", BadUrl::NotAbsolute),
            ("a.example/out", BadUrl::NotAbsolute),
            ("a.example:443/out", BadUrl::NotAbsolute),
            ("https:/a.example/out", BadUrl::NotAbsolute),
            ("https://", BadUrl::NotAbsolute),
            ("https:///a.example/out", BadUrl::Host),
            ("http://a.example/out", BadUrl::Scheme),
            ("ftp://a.example/out", BadUrl::Scheme),
            ("javascript:alert(1)", BadUrl::Scheme),
            ("data:text/html,x", BadUrl::Scheme),
            ("myapp://out", BadUrl::Scheme),
            ("com.example.app:out", BadUrl::NotAbsolute),
            ("https://a.example/out#x", BadUrl::Adorned),
            ("https://u@a.example/out", BadUrl::Adorned),
            ("https://u:p@a.example/out", BadUrl::Adorned),
            ("https://@a.example/out", BadUrl::Adorned),
            ("https://a.example./out", BadUrl::Host),
            ("https://.a.example/out", BadUrl::Host),
            ("https://a%2eexample/out", BadUrl::Host),
            ("https://b\u{fc}cher.example/out", BadUrl::Spelling),
            ("https://a.example/o ut", BadUrl::Spelling),
            ("https://a.example\\out", BadUrl::Spelling),
            ("*", BadUrl::Star),
            ("https://*", BadUrl::Star),
            ("https://*/out", BadUrl::Star),
            ("https://*:443/out", BadUrl::Star),
            ("*://a.example/out", BadUrl::Star),
            ("http*://a.example/out", BadUrl::Star),
            ("https://a.*.example/out", BadUrl::Star),
            ("https://a*.b.example/out", BadUrl::Star),
            ("https://*a.b.example/out", BadUrl::Star),
            ("https://**.b.example/out", BadUrl::Star),
            ("https://*.*.b.example/out", BadUrl::Star),
            ("https://a.example:*/out", BadUrl::Star),
            ("https://a.example/*", BadUrl::Star),
            ("https://*.a.example/*", BadUrl::Star),
            ("https://a.example/out?*", BadUrl::Star),
            ("https://a.example/out?x=https://*.b.example", BadUrl::Star),
            ("com.example.*:/out", BadUrl::Star),
            ("com.example.app://*.a.example/out", BadUrl::Star),
            ("http://*.localhost/out", BadUrl::Star),
            ("https://*.com/out", BadUrl::TooWide),
            ("https://*.localhost/out", BadUrl::TooWide),
            ("https://*.com./out", BadUrl::Host),
            ("https://*..com/out", BadUrl::Host),
            ("https://*.0.0.1/out", BadUrl::Host),
            ("https://*.127.0.0.1/out", BadUrl::Star),
            ("https://*.[::1]/out", BadUrl::Star),
        ] {
            assert_eq!(LogoutUrl::parse(text, false), Err(why), "{text}");
        }
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        assert_eq!(LogoutUrl::parse(&long, false), Err(BadUrl::Spelling));
    }

    #[test]
    fn plain_http_is_for_this_machine_while_we_are_on_it() {
        for text in ["http://127.0.0.1:3000/out", "http://localhost/out", "http://[::1]/out"] {
            assert!(LogoutUrl::parse(text, true).is_ok(), "{text}");
            assert_eq!(LogoutUrl::parse(text, false), Err(BadUrl::Scheme), "{text}");
        }
        for text in ["http://10.0.0.1/out", "http://a.example/out", "http://localhost.evil.example/out"] {
            assert_eq!(LogoutUrl::parse(text, true), Err(BadUrl::Scheme), "{text}");
        }
    }

    #[test]
    fn a_star_is_no_address_to_go_to() {
        let address = |text| LogoutUrl::parse(text, false).unwrap().address();
        assert_eq!(address(STAR), None);
        assert_eq!(address("https://A.example:443/out?x=1").unwrap().as_str(), "https://a.example/out?x=1");
    }

    #[test]
    fn a_state_is_one_parameter_whatever_is_in_it() {
        let with = |text, state| {
            ReturnUrl::parse(text).unwrap().with_state(state).map(|url| url.as_str().to_owned())
        };
        let plain = with("https://a.example/out", "a&b=c#d \r\n\u{fc}").unwrap();
        assert_eq!(plain, "https://a.example/out?state=a%26b%3Dc%23d+%0D%0A%C3%BC");
        assert_eq!(with("https://a.example/out?x=1#f", "s").unwrap(), "https://a.example/out?x=1&state=s#f");
        assert_eq!(with("com.example.app:/out", "s").unwrap(), "com.example.app:/out?state=s");
        assert_eq!(with("https://a.example/out", &"s".repeat(LONGEST)), None);
    }
}
