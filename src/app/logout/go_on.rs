//! A browser goes on with a logout that an application began: its session is over, and what is left
//! is to carry our LogoutRequests.

use super::{Next, Unavailable};
use crate::app::legs::Affair;
use crate::app::{App, ContinueToken, Fault, LogoutHandle, Visitor};
use crate::logout::step::Event;
use crate::store::legs::LegRow;
use crate::store::logouts;

/// What comes next for a browser that brings the one-time token of a logout's page: no cookie is
/// needed and nothing is asked, because the session has ended already. None if the token is not that
/// page's, was used or comes too late; then the page only shows.
///
/// # Errors
/// [`Unavailable`].
pub async fn go_on(
    app: &App,
    visitor: &Visitor,
    handle: &LogoutHandle,
    token: &ContinueToken,
) -> Result<Option<Next>, Unavailable> {
    // No LogoutRequest starts inside a frame (SLO-45); the token stays good for a page of its own.
    if !visitor.top_level {
        return Ok(None);
    }
    let next = app.patiently(try_go_on(app, handle, token)).await;
    next.map_err(|fault| Unavailable { incident: app.fault("going on with a logout", &fault) })
}

async fn try_go_on(app: &App, handle: &LogoutHandle, token: &ContinueToken) -> Result<Option<Next>, Fault> {
    let now = app.now();
    let snapshot = app.renewed().await?;
    let mut tx = app.begin().await?;
    let Some(id) = logouts::take_continue(&mut tx, handle.as_str(), token.hash(), now).await? else {
        return Ok(None);
    };
    let affair = Affair::begun(&mut tx, id).await?;
    let browser = affair.legs.first().map(LegRow::led_by);
    let step = affair.logout(&snapshot, browser).step(Event::BrowserCame, now);
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    let next = app.save(&mut tx, &affair, step, now).await?;
    tx.commit().await?;
    Ok(Some(app.lead_on(&affair, &next, states).await?))
}
