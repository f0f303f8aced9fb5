//! A page of an application hears that the session is over, without asking again and again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::session_end::{self, Awaited, Vigil, WaitError};
use crate::app::{App, Visitor};
use crate::web::{error, sse};

/// What a page that has heard of the end brings when its browser comes back by itself.
const HEARD: &str = "over";
/// After how many milliseconds a browser comes back whose connection was cut.
const RETRY: u32 = 2000;

/// `GET /session/events`: one event `ended` when the session of the browser's cookie is over, then the
/// end of the stream. 401 without a cookie of ours.
///
/// The stream tells the browser the session's public name as the last event's id. If it comes back
/// with another than its cookie's session has, the session that the page knew is over. A browser that
/// has heard of the end and comes back all the same is told to stop (204).
pub async fn ended(State(app): State<App>, visitor: Visitor, headers: HeaderMap) -> Response {
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if seen == HEARD {
        return StatusCode::NO_CONTENT.into_response();
    }
    let awaited = match &visitor.session {
        Some(token) => session_end::wait(&app, token).await,
        None => Ok(Awaited::Unknown),
    };
    match awaited {
        Ok(Awaited::Unknown) if seen.is_empty() => {
            error::refused_as_json(StatusCode::UNAUTHORIZED, "There is no session to wait for.")
        }
        Ok(Awaited::Unknown | Awaited::Over) => sse::answer(Stream::Over),
        Ok(Awaited::Alive(vigil)) if !seen.is_empty() && seen != vigil.session_id => {
            sse::answer(Stream::Over)
        }
        Ok(Awaited::Alive(vigil)) => sse::answer(Stream::Begin { app, vigil }),
        Err(WaitError::Full) => {
            let title = "Too many pages wait already; ask /session now and then.";
            let refused = error::refused_as_json(StatusCode::SERVICE_UNAVAILABLE, title);
            ([(header::RETRY_AFTER, "30")], refused).into_response()
        }
        Err(failure) => error::ours_as_json(&app, &failure),
    }
}

/// What a page is still to hear.
enum Stream {
    Begin { app: App, vigil: Vigil },
    Wait { app: App, vigil: Vigil },
    Over,
    End,
}

impl sse::Source for Stream {
    async fn next(&mut self) -> Option<String> {
        match std::mem::replace(self, Self::End) {
            Self::Begin { app, vigil } => {
                let text = sse::retry(RETRY) + &sse::progress(&vigil.session_id);
                *self = Self::Wait { app, vigil };
                Some(text)
            }
            Self::Wait { app, vigil } => {
                tokio::select! {
                    () = vigil.over() => return Some(over()),
                    () = tokio::time::sleep(sse::KEEP_ALIVE) => {}
                    // The browser comes back, to another node or to the next start.
                    () = app.waiting_is_over() => return None,
                }
                *self = Self::Wait { app, vigil };
                Some(sse::STILL_HERE.to_owned())
            }
            Self::Over => Some(over()),
            Self::End => None,
        }
    }
}

fn over() -> String {
    sse::event(Some(HEARD), "ended", &json!({ "active": false }).to_string())
}
