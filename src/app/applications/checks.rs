//! Everything that can be wrong with an application, whoever registers or changes it.

use url::Url;

use crate::app::App;
use crate::entropy::EntropyError;
use crate::logout::hearing::Form;
use crate::logout::return_url::{BadUrl, LogoutUrl};
use crate::outbox::guard::Forbidden;
use crate::store::StoreError;
use crate::store::applications::ApplicationRow;

/// The most origins, and the most logout URLs, of one application.
const MOST_ADDRESSES: usize = 50;
/// The longest URL.
const LONGEST_URL: usize = 2_000;
/// The longest name.
const LONGEST_NAME: usize = 200;

/// Why an application was not registered, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The public name cannot be used.
    #[error(
        "the name {0:?} cannot be used: expected up to 63 of a-z, 0-9, '.', '_' and '-', not starting with the last three"
    )]
    Id(String),
    /// The name for people cannot be used.
    #[error("expected a line of text of at most {LONGEST_NAME} characters")]
    Name,
    /// A form that tells needs to know where.
    #[error("expected the URL at which the application takes notifications")]
    UrlMissing,
    /// A form that tells nothing has nowhere to go.
    #[error("an application that reads its feed takes no notifications, so it has no URL")]
    UrlForPull,
    /// The URL may not be used.
    #[error("{0}")]
    Url(#[from] Forbidden),
    /// The URL is too long.
    #[error("expected a URL of at most {LONGEST_URL} characters")]
    UrlTooLong,
    /// Not an origin.
    #[error("{0:?}: expected an origin such as https://app.example.com, without a path")]
    Origin(String),
    /// Not a URL to which a sign-out may return.
    #[error("{0:?}: {1}")]
    LogoutUrl(String, BadUrl),
    /// Too many origins or URLs.
    #[error("expected at most {MOST_ADDRESSES}")]
    TooMany(&'static str),
    /// An application that acknowledges nothing cannot count.
    #[error("an application that reads its feed acknowledges nothing, so it cannot count for Success")]
    CountsForPull,
    /// There is no key to sign tokens with.
    #[error(
        "there is no key that signs tokens: set tokens.signing_key and tokens.signing_certificate, or generate one \
         with \"signoff keys new --kind rsa-2048 --purpose tokens\""
    )]
    NoTokenKey,
    /// Another application has the public name.
    #[error("another application is called {0:?}")]
    Taken(String),
    /// No application of that public name.
    #[error("there is no application called {0:?}")]
    Unknown(String),
    /// No randomness for a secret.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApplicationError {
    /// The field of the request that is wrong, if one is.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Id(_) => Some("id"),
            Self::Name => Some("name"),
            Self::UrlMissing | Self::UrlForPull | Self::Url(_) | Self::UrlTooLong => Some("url"),
            Self::Origin(_) => Some("origins"),
            Self::LogoutUrl(..) => Some("logout_urls"),
            Self::TooMany(field) => Some(field),
            Self::CountsForPull => Some("counts_for_success"),
            Self::NoTokenKey => Some("form"),
            Self::Taken(_) | Self::Unknown(_) | Self::Entropy(_) | Self::Store(_) => None,
        }
    }
}

/// Judges an application. Addresses are given back as they are compared.
pub(super) async fn checked(
    app: &App,
    form: Form,
    row: ApplicationRow,
) -> Result<ApplicationRow, ApplicationError> {
    let name = row.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApplicationError::Name);
    }
    match (form, &row.url) {
        (Form::Pull, None) => {}
        (Form::Pull, Some(_)) => return Err(ApplicationError::UrlForPull),
        (_, None) => return Err(ApplicationError::UrlMissing),
        (_, Some(url)) if url.len() > LONGEST_URL => return Err(ApplicationError::UrlTooLong),
        (_, Some(url)) => app.0.notifier.check(url).await?,
    }
    if form == Form::Pull && row.counts_for_success {
        return Err(ApplicationError::CountsForPull);
    }
    for (field, list) in [("origins", &row.origins), ("logout_urls", &row.logout_urls)] {
        if list.len() > MOST_ADDRESSES {
            return Err(ApplicationError::TooMany(field));
        }
    }
    let loopback = app.0.settings.base_url.is_loopback();
    let origin = |text: &String| origin(text, loopback).ok_or_else(|| ApplicationError::Origin(text.clone()));
    let origins = row.origins.iter().map(origin).collect::<Result<_, _>>()?;
    for text in &row.logout_urls {
        LogoutUrl::parse(text, loopback).map_err(|why| ApplicationError::LogoutUrl(text.clone(), why))?;
    }
    Ok(ApplicationRow { name, origins, ..row })
}

pub(super) fn is_public_name(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let first = text.bytes().next().is_some_and(plain);
    first && text.len() <= 63 && text.bytes().all(|octet| plain(octet) || matches!(octet, b'.' | b'_' | b'-'))
}

/// `scheme://host[:port]` as browsers write it. Plain http only for loopback hosts, while we are one.
fn origin(text: &str, loopback: bool) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && !text.ends_with('/') && !text.contains('*');
    (bare && is_web(&url, loopback)).then(|| url.origin().ascii_serialization())
}

fn is_web(url: &Url, loopback: bool) -> bool {
    let here = match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let scheme = url.scheme() == "https" || url.scheme() == "http" && here && loopback;
    scheme && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_name_is_short_and_plain() {
        for good in ["shop", "a", "9.b_c-d", &"a".repeat(63)] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in ["", "Shop", "-a", ".a", "_a", "a/b", "a b", "\u{e9}", &"a".repeat(64)] {
            assert!(!is_public_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        assert_eq!(origin("https://App.example.com:443", false).as_deref(), Some("https://app.example.com"));
        assert_eq!(origin("http://127.0.0.1:3000", true).as_deref(), Some("http://127.0.0.1:3000"));
        for bad in
            ["https://a.example/x", "http://a.example", "null", "*", "https://*", "https://u@a.example"]
        {
            assert_eq!(origin(bad, true), None, "{bad}");
        }
        assert_eq!(origin("http://127.0.0.1:3000", false), None);
    }
}
