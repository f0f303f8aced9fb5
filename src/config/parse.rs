//! One value each: from the text of a setting to its type. `None` means that it does not
//! fit; the constant above says what would.

use std::net::{IpAddr, SocketAddr};

use chrono::TimeDelta;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{LogFormat, SecondOpinion};

pub(super) const SOCKET_ADDRESS: &str = "ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080";

pub(super) fn socket_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

pub(super) const DATABASE_URL: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

pub(super) fn database_url(text: &str) -> Option<String> {
    let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
    (known && text.parse::<sqlx::postgres::PgConnectOptions>().is_ok()).then(|| text.to_owned())
}

pub(super) const CONNECTIONS: &str = "a number from 2 to 1000";

pub(super) fn connections(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| (2..=1000).contains(count))
}

pub(super) const RATE: &str = "a number from 1 to 1000000";

pub(super) fn rate(text: &str) -> Option<u32> {
    text.parse().ok().filter(|rate| (1..=1_000_000).contains(rate))
}

pub(super) const NETWORK: &str = "networks such as 10.0.0.0/8 or fd00::/8, or single addresses";

pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) const ORIGIN: &str = "origins such as https://app.example.com, without a path";

pub(super) fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "https" | "http")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    bare.then(|| url.origin().ascii_serialization())
}

pub(super) const LOGOUT_URL: &str = "URLs such as https://app.example.com/signed-out, without user name and fragment; * may stand for the whole first \
     label of a host that has at least two more; http only for this machine, while base_url is a loopback address; a \
     native app's own scheme has a dot in it, such as com.example.app:/signed-out";

/// What [`duration`] takes.
pub const DURATION: &str = "a duration such as 90s, 30m, 8h or 7d, at most 3650d";

/// A duration of whole seconds: a count and a unit; none if it is not one.
#[must_use]
pub fn duration(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count = text.strip_suffix(unit)?;
    if !count.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let seconds = count.parse::<i64>().ok()?.checked_mul(seconds_per_unit)?;
    (1..=3650 * 86_400).contains(&seconds).then(|| TimeDelta::seconds(seconds))
}

pub(super) const RETENTION: &str = "a duration of at least 24h, such as 7d";

/// A consumer that was away for a day misses nothing.
pub(super) fn retention(text: &str) -> Option<TimeDelta> {
    duration(text).filter(|retention| *retention >= TimeDelta::hours(24))
}

/// A domain of two labels or more, in lower case; a dot in front, as old cookies have it, is dropped.
pub(super) fn domain(text: &str) -> Option<String> {
    let text = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let plain = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let (_, last) = text.rsplit_once('.')?;
    // An address is no domain, in whatever spelling.
    let named = last.bytes().next().is_some_and(|octet| octet.is_ascii_alphabetic());
    (named && text.len() <= 253 && text.split('.').all(label)).then_some(text)
}

pub(super) const SKEW: &str = "a duration from 3m to 5m";

/// VAL-16: no less, or honest clocks fail; no more, or stale messages pass.
pub(super) fn skew(text: &str) -> Option<TimeDelta> {
    duration(text).filter(|skew| (TimeDelta::minutes(3)..=TimeDelta::minutes(5)).contains(skew))
}

pub(super) const MAX_AGE: &str = "a duration from 1m to 60m";

pub(super) fn max_age(text: &str) -> Option<TimeDelta> {
    duration(text).filter(|age| (TimeDelta::minutes(1)..=TimeDelta::minutes(60)).contains(age))
}

pub(super) const SWITCH: &str = "true or false";

pub(super) fn switch(text: &str) -> Option<bool> {
    text.parse().ok()
}

pub(super) const SECOND_OPINION: &str = "off, audit or enforce";

pub(super) const NO_SECOND_OPINION: &str =
    "off: this program was built without the cargo feature second-opinion";

pub(super) fn second_opinion(text: &str) -> Option<SecondOpinion> {
    match text {
        "off" => Some(SecondOpinion::Off),
        "audit" => Some(SecondOpinion::Audit),
        "enforce" => Some(SecondOpinion::Enforce),
        _ => None,
    }
}

pub(super) const ENTITY_ID: &str = "an absolute URI of at most 256 characters";

/// MD-01. Kept as written: entity ids are compared octet by octet.
pub(super) fn entity_id(text: &str) -> Option<String> {
    let plain = text.bytes().all(|octet| octet.is_ascii_graphic());
    (plain && text.len() <= 256 && Url::parse(text).is_ok()).then(|| text.to_owned())
}

pub(super) const TEXT: &str = "a line of text";

pub(super) fn text(text: &str) -> Option<String> {
    let line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    line.then(|| text.trim().to_owned())
}

pub(super) const WEB_ADDRESS: &str = "an http or https URL";

pub(super) fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

pub(super) const MAIL_ADDRESS: &str = "an e-mail address";

pub(super) fn mail_address(text: &str) -> Option<String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let (local, domain) = address.rsplit_once('@')?;
    let plain = address.bytes().all(|octet| octet.is_ascii_graphic());
    (plain && !local.is_empty() && !domain.is_empty()).then(|| address.to_owned())
}

pub(super) const LOG_FILTER: &str = "a filter such as info or signoff=debug,sqlx=warn";

pub(super) fn log_filter(text: &str) -> Option<String> {
    EnvFilter::try_new(text).ok().map(|_| text.to_owned())
}

pub(super) const LOG_FORMAT: &str = "text or json";

pub(super) fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_count_and_a_unit() {
        assert_eq!(duration("90s"), Some(TimeDelta::seconds(90)));
        assert_eq!(duration("30m"), Some(TimeDelta::minutes(30)));
        assert_eq!(duration("8h"), Some(TimeDelta::hours(8)));
        assert_eq!(duration("7d"), Some(TimeDelta::days(7)));
        for text in [
            "",
            "h",
            "8",
            "0s",
            "-1h",
            "+1h",
            "1.5h",
            "8 h",
            "8H",
            "1w",
            "3651d",
            "99999999999999999999d",
            "9223372036854775807d",
            "8hé",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn val_16_skew_is_between_three_and_five_minutes() {
        assert_eq!(skew("180s"), Some(TimeDelta::minutes(3)));
        assert_eq!(skew("5m"), Some(TimeDelta::minutes(5)));
        assert_eq!(skew("179s"), None);
        assert_eq!(skew("301s"), None);
    }

    #[test]
    fn an_origin_has_no_path_and_loses_its_default_port() {
        assert_eq!(origin("https://App.example.com:443/").as_deref(), Some("https://app.example.com"));
        for text in [
            "https://app.example.com/x",
            "https://user@app.example.com",
            "app.example.com",
            "javascript:alert(1)",
            "*",
            "null",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn a_domain_has_two_labels_and_is_no_address() {
        assert_eq!(domain("example.com").as_deref(), Some("example.com"));
        assert_eq!(domain(".SSO.Example.com").as_deref(), Some("sso.example.com"));
        for text in [
            "",
            ".",
            "com",
            "localhost",
            "10.0.0.1",
            "0x7f.1",
            "[::1]",
            "example.com.",
            "-a.example.com",
            "a..com",
            "example.com; Secure",
            "exämple.com",
            "*.example.com",
            "https://example.com",
        ] {
            assert_eq!(domain(text), None, "{text}");
        }
    }

    #[test]
    fn md_01_an_entity_id_is_an_absolute_uri_of_256_characters_at_most() {
        let longest = format!("urn:{}", "a".repeat(252));
        assert_eq!(entity_id(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(entity_id(&format!("{longest}a")), None);
        assert_eq!(entity_id("signoff"), None);
        assert_eq!(entity_id("https://sp.example.com/a b"), None);
    }

    #[test]
    fn a_single_address_is_a_network_too() {
        assert_eq!(network("10.1.2.3"), network("10.1.2.3/32"));
        assert_eq!(network("10.1.2.3/33"), None);
    }
}
