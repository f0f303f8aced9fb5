//! `/api/v1/revocations`: the feed in pages, waiting for the next one if asked, or as a stream of
//! events.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::time::Instant;

use crate::app::App;
use crate::app::feed::{self, Cursor, FeedError, LONGEST_PAGE, LONGEST_WAIT, Page, Reader};
use crate::app::tokens::{Caller, Role};
use crate::web::api::input::Parameters;
use crate::web::api::problem::Problem;
use crate::web::{reply, sse};

/// How many lines a page has if nobody says otherwise.
const PAGE: u32 = 100;
/// How long a stream lasts at most: whoever reads on comes with its token again.
const STREAM: Duration = Duration::from_mins(5);
/// After how many milliseconds a reader of the stream comes back.
const RETRY: u32 = 1000;
/// How long to stay away when too many wait.
const STAY_AWAY: Duration = Duration::from_secs(5);

/// What is asked for.
struct Asked {
    after: Cursor,
    limit: u32,
    wait: Duration,
}

/// Reads what is over
///
/// One line for each session that has ended and in which the application took part; operators read
/// those of all applications. Nothing is missed by whoever goes on with `cursor`, however late a line
/// appears; each line comes at least once. Without `after` it begins with the oldest line that is kept.
/// 410: what comes after the cursor is not kept any more; look at your sessions one by one, and go on
/// without `after`. With `Accept: text/event-stream` the lines come as events `revocation`, whose ids are
/// cursors; the stream ends after five minutes at most, and goes on from `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v1/revocations", tag = "revocations",
    params(
        ("after" = Option<String>, Query, description = "`cursor` of the answer before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How many at most; 100 if absent."),
        ("wait" = Option<u32>, Query, description = "How many seconds to wait for a line if there is none; at most 30 are waited."),
        ("Last-Event-ID" = Option<String>, Header, description = "Of a stream: goes on after that event, whatever `after` says."),
    ),
    responses((status = 200, description = "A part of the feed, possibly empty",
        content((Page = "application/json"), (String = "text/event-stream")))))]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let application = match caller.role {
        Role::Application(application) => Some(application),
        Role::Operator | Role::Admin => None,
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let streaming = is_stream_wanted(text("accept"));
    let asked = asked(query.as_deref(), text("last-event-id").filter(|_| streaming))?;
    if streaming {
        let (reader, page) = Reader::open(&app, application, asked.after, asked.limit)
            .await
            .map_err(|failure| refused(&app, &failure))?;
        let until = Instant::now() + STREAM;
        return Ok(sse::answer(Stream { app, reader, first: Some(page), until }));
    }
    let page = feed::read(&app, application, asked.after, asked.limit, asked.wait).await;
    Ok(reply::json(StatusCode::OK, &page.map_err(|failure| refused(&app, &failure))?))
}

/// Whether a request wants a stream of events.
fn is_stream_wanted(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| {
        let kinds = accept.split(',').filter_map(|kind| kind.split(';').next());
        kinds.map(str::trim).any(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
    })
}

fn asked(query: Option<&str>, last_event: Option<&str>) -> Result<Asked, Problem> {
    let query = Parameters::read(query, &["after", "limit", "wait"])?;
    let after = last_event.filter(|text| !text.is_empty()).or(query.one("after"));
    let unknown = || Problem::unprocessable("after", "expected \"cursor\" of an answer");
    let after = match after.filter(|text| !text.is_empty()) {
        Some(text) => Cursor::parse(text).ok_or_else(unknown)?,
        None => Cursor::Oldest,
    };
    let limit = match query.one("limit") {
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
            limit.ok_or_else(|| Problem::unprocessable("limit", "expected a number from 1 to 1000"))?
        }
        None => PAGE,
    };
    let wait = match query.one("wait") {
        Some(text) => {
            let seconds: Result<u32, _> = text.parse();
            let seconds =
                seconds.map_err(|_| Problem::unprocessable("wait", "expected a number of seconds"))?;
            Duration::from_secs(seconds.into()).min(LONGEST_WAIT)
        }
        None => Duration::ZERO,
    };
    Ok(Asked { after, limit, wait })
}

fn refused(app: &App, failure: &FeedError) -> Problem {
    match failure {
        FeedError::Gone => Problem::gone(
            "The feed does not go back to that cursor any more, or it is of another feed. Look at your sessions \
             one by one, and go on without \"after\".",
        ),
        FeedError::Full => Problem::busy("Too many readers wait already.", STAY_AWAY),
        FeedError::Store(_) => Problem::ours(app, failure),
    }
}

/// The feed as events: `id` is the cursor, `data` the line.
struct Stream {
    app: App,
    reader: Reader,
    first: Option<Page>,
    until: Instant,
}

impl sse::Source for Stream {
    async fn next(&mut self) -> Option<String> {
        if let Some(page) = self.first.take() {
            return Some(sse::retry(RETRY) + &events(&page));
        }
        let found = tokio::select! {
            found = self.reader.next() => found,
            () = tokio::time::sleep(sse::KEEP_ALIVE) => return Some(sse::STILL_HERE.to_owned()),
            () = tokio::time::sleep_until(self.until) => return None,
            () = self.app.waiting_is_over() => return None,
        };
        match found {
            Ok(page) => Some(events(&page)),
            Err(failure) => {
                // Whoever comes back is told why, or goes on.
                tracing::warn!(error = %failure, "a stream of the feed is cut off");
                None
            }
        }
    }
}

fn events(page: &Page) -> String {
    let lines = page.revocations.iter().map(|line| {
        let data = serde_json::to_string(line).unwrap_or_else(|_| json!({ "id": line.id }).to_string());
        sse::event(Some(&line.cursor.to_string()), "revocation", &data)
    });
    lines.chain([sse::progress(&page.cursor.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_bounded() {
        let wait = |query| asked(Some(query), None).map(|asked| asked.wait.as_secs()).ok();
        assert_eq!(wait(""), Some(0));
        assert_eq!(wait("wait=7"), Some(7));
        assert_eq!(wait("wait=3600"), Some(30));
        assert_eq!(wait("wait=-1"), None);
        assert_eq!(wait("wait=1&wait=2"), None);
        assert_eq!(wait("patience=1"), None);
        let limit = |query| asked(Some(query), None).map(|asked| asked.limit).ok();
        assert_eq!(limit(""), Some(100));
        assert_eq!(limit("limit=1000"), Some(1000));
        assert_eq!((limit("limit=0"), limit("limit=1001"), limit("limit=x")), (None, None, None));
    }

    #[test]
    fn a_stream_goes_on_where_it_was_cut_whatever_its_address_says() {
        let (old, new) = (Cursor::Through(3), Cursor::Through(9));
        let query = format!("after={old}");
        let after = |last: Option<&str>| asked(Some(&query), last).map(|asked| asked.after).ok();
        assert_eq!(after(None), Some(old));
        assert_eq!(after(Some(&new.to_string())), Some(new));
        assert_eq!(after(Some("")), Some(old));
        assert_eq!(asked(Some("after="), None).map(|asked| asked.after).ok(), Some(Cursor::Oldest));
        assert_eq!(asked(Some("after=junk"), None).map(|asked| asked.after).ok(), None);
    }

    #[test]
    fn a_stream_has_to_be_asked_for_by_name() {
        assert!(is_stream_wanted(Some("text/event-stream")));
        assert!(is_stream_wanted(Some("application/json;q=0.5, Text/Event-Stream; q=1")));
        for other in [None, Some(""), Some("*/*"), Some("application/json"), Some("text/*")] {
            assert!(!is_stream_wanted(other), "{other:?}");
        }
    }
}
