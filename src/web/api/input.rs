//! What a request says: its query, its body, its idempotency key. Whatever is not known is refused.

use axum::extract::{FromRequest, FromRequestParts as _, OriginalUri, Request};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use url::form_urlencoded;

use crate::app::App;
use crate::app::api::once::Once;
use crate::app::tokens::Caller;
use crate::web::api::problem::Problem;
use crate::web::body;

/// The most octets of a body.
pub const BODY_LIMIT: usize = 64 * 1024;
/// The most octets of one that carries metadata.
pub const METADATA_LIMIT: usize = 1024 * 1024;
/// How many a page of a list has, and how many at most.
const PAGE: (u32, u32) = (50, 200);

/// A JSON body of at most `LIMIT` octets, and the idempotency key that came with it.
pub struct Posted<T, const LIMIT: usize = BODY_LIMIT> {
    /// What the body says.
    pub value: T,
    /// How to do it once.
    pub once: Option<Once>,
}

/// The parameters of a query, each at most once.
pub struct Parameters(Vec<(String, String)>);

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where the part before ended.
    pub after: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// A list that is given out in parts. A cursor of one is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `GET /api/v1/sessions`.
    Sessions,
    /// `GET /api/v1/logouts`.
    Logouts,
    /// `GET /api/v1/tokens`.
    Tokens,
    /// `GET /api/v1/deliveries`.
    Deliveries,
}

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<App> for Posted<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let said = parts.headers.contains_key(header::CONTENT_TYPE);
        if said && !is_json(&parts.headers) {
            return Err(Problem::not_json());
        }
        let key = key(&parts.headers)?;
        let octets = body::octets(body, LIMIT).await.map_err(|unread| Problem::unread(unread.why, LIMIT))?;
        // Where there is nothing to say, nothing has to be sent.
        let octets = match (said, octets.is_empty()) {
            (true, _) => octets,
            (false, true) => b"{}".to_vec(),
            (false, false) => return Err(Problem::not_json()),
        };
        let path = parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.path(), |uri| uri.path());
        let route = format!("{} {path}", parts.method);
        let once = match key {
            Some(key) => Some(
                Once::new(&caller, route, key, &octets)
                    .map_err(|wrong| Problem::unprocessable("Idempotency-Key", wrong.to_string()))?,
            ),
            None => None,
        };
        Ok(Self { value: read(&octets)?, once })
    }
}

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// A [`Problem`] where a parameter is not among `known`, or occurs twice.
    pub fn read(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let pairs: Vec<_> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        for (name, value) in &pairs {
            let Some(known) = known.iter().find(|known| *known == name) else {
                let reason =
                    format!("there is a parameter that is not known; expected: {}", known.join(", "));
                return Err(Problem::unprocessable("query", reason));
            };
            if pairs.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(Problem::unprocessable(known, "it occurs more than once"));
            }
            if value.contains('\0') {
                return Err(Problem::unprocessable(known, "expected no NUL"));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter, none if it is absent.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameter `name` as `true` or `false`; `false` if it is absent.
    ///
    /// # Errors
    /// A [`Problem`].
    pub fn switch(&self, name: &'static str) -> Result<bool, Problem> {
        self.one(name).map_or(Ok(false), |value| {
            value.parse().map_err(|_| Problem::unprocessable(name, "expected true or false"))
        })
    }

    /// The parameters `after` and `limit`.
    ///
    /// # Errors
    /// A [`Problem`].
    pub fn page(&self, list: List) -> Result<Page, Problem> {
        let after = match self.one("after") {
            Some(text) => {
                let unknown = || Problem::unprocessable("after", "expected \"next\" of the page before");
                Some(list.position(text).ok_or_else(unknown)?)
            }
            None => None,
        };
        let limit = match self.one("limit") {
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
                limit.ok_or_else(|| Problem::unprocessable("limit", "expected a number from 1 to 200"))?
            }
            None => PAGE.0,
        };
        Ok(Page { after, limit })
    }
}

impl List {
    const fn tag(self) -> u8 {
        match self {
            Self::Sessions => b's',
            Self::Logouts => b'l',
            Self::Tokens => b't',
            Self::Deliveries => b'd',
        }
    }

    /// A place in this list, as only we read it.
    #[must_use]
    pub fn cursor(self, position: i64) -> String {
        let octets = [&[self.tag()][..], &position.to_be_bytes()].concat();
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn position(self, text: &str) -> Option<i64> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, position) = octets.split_first()?;
        let position = i64::from_be_bytes(position.try_into().ok()?);
        (*tag == self.tag() && position >= 0).then_some(position)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return false };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let malformed =
        || Problem::unprocessable("Idempotency-Key", crate::app::api::once::KeyMalformed.to_string());
    let mut all = headers.get_all("idempotency-key").iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

/// Reads JSON into what is expected. What is not JSON at all is another problem than what does not fit.
fn read<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    // PostgreSQL keeps no NUL in a text, and JSON can only write it like this.
    if octets.windows(6).any(|six| six == b"\\u0000") {
        return Err(Problem::unprocessable("body", "expected no NUL"));
    }
    // Our structures could be read out of an array as well, which nobody was told.
    if octets.trim_ascii_start().first().is_some_and(|first| matches!(first, b'[' | b'"' | b'0'..=b'9')) {
        return Err(Problem::unprocessable("body", "expected an object"));
    }
    serde_json::from_slice(octets).map_err(|error| match error.classify() {
        Category::Data => Problem::unprocessable("body", error.to_string()),
        Category::Eof | Category::Io | Category::Syntax => {
            Problem::unreadable(format!("The body is not JSON: {error}."))
        }
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_cursor_of_one_list_is_none_of_another() {
        let cursor = List::Sessions.cursor(7);
        assert_eq!(List::Sessions.position(&cursor), Some(7));
        assert_eq!(List::Logouts.position(&cursor), None);
        for wrong in ["", "7", "AAAA", &format!("{cursor}AA"), &List::Sessions.cursor(-1)] {
            assert_eq!(List::Sessions.position(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_in_a_query_is_refused() {
        let read = |query| Parameters::read(Some(query), &["after", "limit"]);
        assert_eq!(read("limit=3").unwrap().page(List::Tokens).unwrap(), Page { after: None, limit: 3 });
        assert_eq!(Parameters::read(None, &[]).unwrap().page(List::Tokens).unwrap().limit, 50);
        assert!(read("limit=3&limit=4").is_err());
        assert!(read("offset=3").is_err());
        for wrong in ["limit=0", "limit=201", "limit=x", "limit=", "after=x"] {
            assert!(read(wrong).unwrap().page(List::Tokens).is_err(), "{wrong}");
        }
    }
}
