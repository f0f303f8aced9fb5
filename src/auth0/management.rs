//! Auth0's Management API, as far as sessions go: what is asked, and what the answers mean.
//!
//! A session is ended by one POST, which Auth0 accepts (202) and carries out later. That it is over is
//! only known when it is no longer there to be read (404).

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

/// What stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest that we wait because we were told to.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// How often, at most, one session is worked on: with the pauses between, for about a day.
const MOST_TRIES: i32 = 300;

/// What is to end at Auth0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant<'a> {
    /// One session, by its `sid`.
    Session(&'a str),
    /// All sessions of a person, by `sub`.
    Person(&'a str),
}

/// What an answer to the ask for an end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was accepted: never to be asked again, but not yet done.
    Accepted,
    /// The session is not there.
    Gone,
    /// Not now; the same ask again later, and how much later if that was said.
    Later(Option<TimeDelta>),
    /// Our access token is not taken.
    Unauthorized,
    /// It will not be done, however often we ask.
    Refused(u16),
}

/// What an answer to reading a session means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// It is not there any more: seen gone.
    Gone,
    /// It is still there, or that cannot be told now.
    NotYet(Option<TimeDelta>),
    /// Our access token is not taken.
    Unauthorized,
}

impl Meant<'_> {
    /// Where it is read; where, for a person, the sessions alone are ended as well.
    #[must_use]
    pub fn address(self, api: &str) -> Option<Url> {
        let root = root(api);
        let address = match self {
            Self::Session(sid) => format!("{root}/sessions/{}", utf8_percent_encode(sid, SEGMENT)),
            Self::Person(sub) => format!("{root}/users/{}/sessions", utf8_percent_encode(sub, SEGMENT)),
        };
        Url::parse(&address).ok()
    }

    /// Where it is ended, with the refresh tokens.
    #[must_use]
    pub fn revocation(self, api: &str) -> Option<Url> {
        let root = root(api);
        let address = match self {
            Self::Session(sid) => format!("{root}/sessions/{}/revoke", utf8_percent_encode(sid, SEGMENT)),
            Self::Person(sub) => format!("{root}/users/{}/revoke-access", utf8_percent_encode(sub, SEGMENT)),
        };
        Url::parse(&address).ok()
    }
}

/// Where access tokens for it come from: at the tenant's own host.
#[must_use]
pub fn token_endpoint(api: &str) -> Option<Url> {
    Url::parse(api).ok()?.join("/oauth/token").ok()
}

/// The access token in the answer of the token endpoint, and for how long it is good.
#[must_use]
pub fn access_token(answer: &[u8]) -> Option<(String, TimeDelta)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let token = answer.get("access_token")?.as_str()?;
    let visible =
        !token.is_empty() && token.len() <= 16 * 1024 && token.bytes().all(|c| c.is_ascii_graphic());
    let seconds = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(300).clamp(0, 30 * 86_400);
    visible.then(|| (token.to_owned(), TimeDelta::seconds(seconds)))
}

/// What the status of an answer to the ask for an end means. `wait` is what the answer says of when to
/// come again.
#[must_use]
pub const fn asked(status: u16, wait: Option<TimeDelta>) -> Asked {
    match status {
        200..=299 => Asked::Accepted,
        404 | 410 => Asked::Gone,
        401 => Asked::Unauthorized,
        408 | 425 | 429 | 500..=599 => Asked::Later(wait),
        _ => Asked::Refused(status),
    }
}

/// What an answer to reading means: a session is gone when it is not found, a person's are when there
/// are none, and they were not asked for in vain.
#[must_use]
pub fn read_back(meant: Meant<'_>, status: u16, body: &[u8], wait: Option<TimeDelta>) -> ReadBack {
    match (status, meant) {
        (404 | 410, _) => ReadBack::Gone,
        (401, _) => ReadBack::Unauthorized,
        (200, Meant::Person(_)) if lists_none(body) => ReadBack::Gone,
        _ => ReadBack::NotYet(wait),
    }
}

fn lists_none(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let listed = body.get("sessions").unwrap_or(&body).as_array().is_some_and(Vec::is_empty);
    // More pages may follow an empty one.
    listed && body.get("next").is_none_or(Value::is_null)
}

/// When an answer wants us to come again: `Retry-After` in seconds or as a date (RFC 9110 10.2.3), or
/// Auth0's own `x-ratelimit-reset`, an instant in seconds.
#[must_use]
pub fn wait(retry_after: Option<&str>, reset: Option<&str>, now: DateTime<Utc>) -> Option<TimeDelta> {
    let after = |text: &str| {
        let seconds = text.parse::<u32>().ok().map(|seconds| TimeDelta::seconds(i64::from(seconds)));
        seconds.or_else(|| Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now))
    };
    let until = |text: &str| Some(DateTime::from_timestamp(text.parse().ok()?, 0)? - now);
    let wait = retry_after.map(str::trim).and_then(after).or_else(|| reset.map(str::trim).and_then(until))?;
    Some(wait.clamp(TimeDelta::seconds(1), LONGEST_WAIT))
}

/// How long after that many tries the next one comes; none when there have been enough.
#[must_use]
pub fn pause(tries: i32) -> Option<TimeDelta> {
    let doublings = u32::try_from(tries.clamp(1, 9)).unwrap_or(9);
    (tries < MOST_TRIES).then(|| TimeDelta::seconds(2_i64.pow(doublings).min(300)))
}

fn root(api: &str) -> String {
    let api = api.trim_end_matches('/');
    let bare = Url::parse(api).is_ok_and(|url| url.path() == "/");
    if bare { format!("{api}/api/v2") } else { api.to_owned() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_session_has_one_address_whatever_its_name_holds() {
        for api in [
            "https://t.auth0.com/api/v2",
            "https://t.auth0.com/api/v2/",
            "https://t.auth0.com",
            "https://t.auth0.com/",
        ] {
            let address = |url: Option<Url>| url.unwrap().as_str().to_owned();
            let at = "https://t.auth0.com/api/v2";
            assert_eq!(address(Meant::Session("s-1_.~").address(api)), format!("{at}/sessions/s-1_.~"));
            assert_eq!(
                address(Meant::Session("../users?x#y").revocation(api)),
                format!("{at}/sessions/..%2Fusers%3Fx%23y/revoke")
            );
            let alice = Meant::Person("auth0|alice");
            assert_eq!(address(alice.address(api)), format!("{at}/users/auth0%7Calice/sessions"));
            assert_eq!(address(alice.revocation(api)), format!("{at}/users/auth0%7Calice/revoke-access"));
            assert_eq!(token_endpoint(api).unwrap().as_str(), "https://t.auth0.com/oauth/token");
        }
    }

    #[test]
    fn accepted_is_not_done_and_only_absence_is() {
        assert_eq!(asked(202, None), Asked::Accepted);
        assert_eq!(asked(204, None), Asked::Accepted);
        assert_eq!(asked(404, None), Asked::Gone);
        assert_eq!(asked(401, None), Asked::Unauthorized);
        let soon = Some(TimeDelta::seconds(7));
        for status in [429, 500, 503, 408] {
            assert_eq!(asked(status, soon), Asked::Later(soon), "{status}");
        }
        for status in [400, 403, 302] {
            assert_eq!(asked(status, None), Asked::Refused(status));
        }
        let session = Meant::Session("s-1");
        for status in [200, 202, 301, 403, 429, 500] {
            let empty = br#"{"sessions":[]}"#;
            assert_eq!(read_back(session, status, empty, None), ReadBack::NotYet(None), "{status}");
        }
        assert_eq!(read_back(session, 404, b"", None), ReadBack::Gone);
        assert_eq!(read_back(session, 401, b"", None), ReadBack::Unauthorized);
    }

    #[test]
    fn a_person_is_gone_when_no_session_is_listed() {
        let read = |body: &str| read_back(Meant::Person("auth0|alice"), 200, body.as_bytes(), None);
        for none in [r#"{"sessions":[]}"#, "[]", r#"{"sessions":[],"next":null}"#] {
            assert_eq!(read(none), ReadBack::Gone, "{none}");
        }
        for some in ["", "{}", "null", r#"{"sessions":[{"id":"s"}]}"#, r#"{"sessions":[],"next":"x"}"#] {
            assert_eq!(read(some), ReadBack::NotYet(None), "{some}");
        }
    }

    #[test]
    fn we_come_again_when_we_are_told_to_within_reason() {
        let seconds = |text: &str| wait(Some(text), None, now()).map(|wait| wait.num_seconds());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds("0"), Some(1));
        assert_eq!(seconds("999999"), Some(900));
        assert_eq!(seconds("Fri, 15 Jan 2027 08:00:30 GMT"), Some(30));
        for odd in ["-1", "soon", ""] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
        assert_eq!(wait(None, Some("1800000012"), now()), Some(TimeDelta::seconds(12)));
        assert_eq!(wait(None, Some("1700000000"), now()), Some(TimeDelta::seconds(1)));
        assert_eq!(wait(None, None, now()), None);
    }

    #[test]
    fn tries_grow_apart_and_end_after_about_a_day() {
        assert_eq!((pause(1), pause(2)), (Some(TimeDelta::seconds(2)), Some(TimeDelta::seconds(4))));
        let all: i64 = (1..MOST_TRIES).filter_map(pause).map(|pause| pause.num_seconds()).sum();
        assert!((20 * 3600..28 * 3600).contains(&all), "{all}");
        assert_eq!(pause(MOST_TRIES), None);
    }

    #[test]
    fn an_access_token_is_read_with_its_time() {
        let read = access_token(br#"{"access_token":"t","expires_in":86400,"token_type":"Bearer"}"#);
        assert_eq!(read, Some(("t".to_owned(), TimeDelta::days(1))));
        for odd in ["{}", "<html>", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
            assert_eq!(access_token(odd.as_bytes()), None, "{odd}");
        }
    }
}
