//! The person signs out.

mod admin;
pub(in crate::app) mod begin;
mod go_on;
mod page;

use crate::app::legs::{Affair, LedBy, Move};
use crate::app::{App, Fault, ReturnTarget, Visitor, WantedReturn, notify, worker};
use crate::logout::plan::{Browser, Trigger};
use crate::logout::step::{Event, LegState};
use crate::saml::binding::Outbound;
use crate::store::logouts::{self, NewLogout};
use crate::store::{LogoutId, legs, sessions};
pub use admin::{AdminFault, EndedByAdmin, end_by_admin};
use begin::{Telling, begin, lock_alive};
pub use go_on::go_on;
use page::view;
pub use page::{Layer, LayerState, LayerView, LogoutHandle, LogoutView};

/// What `GET /logout` shows.
#[derive(Debug)]
pub struct Ask {
    /// The token that the form has to bring back (SLO-48); none when nobody is signed in.
    pub csrf: Option<String>,
    /// Whether there is a session to end.
    pub signed_in: bool,
    /// An unfinished logout of this browser goes first: its LogoutRequest.
    pub resume: Option<Outbound>,
    /// Where to go on, when nobody is signed in.
    pub way_on: Option<ReturnTarget>,
}

/// What `POST /logout` asks for.
#[derive(Debug, Clone, Default)]
pub struct StartLogout {
    /// The token out of the form.
    pub csrf: String,
    /// Where to go afterwards.
    pub return_to: WantedReturn,
    /// End only our own session, tell no identity provider (SLO-47).
    pub local_only: bool,
}

/// What comes next; the local session is dead by now (SLO-35).
#[derive(Debug)]
pub enum Next {
    /// The LogoutRequest for the browser to carry.
    Send(Outbound),
    /// The page that says what happened.
    Page {
        /// Its name in the URL.
        handle: LogoutHandle,
    },
    /// Everything is over and the person wants to be elsewhere.
    Return(ReturnTarget),
}

/// Why no logout was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// The token is missing or not this session's (SLO-48).
    #[error("the form is out of date")]
    Csrf,
    /// There is no session to end.
    #[error("nobody is signed in here")]
    NotSignedIn,
    /// A fault of ours; the session may be alive, and it has been logged.
    #[error("signing out is not possible at the moment")]
    Unavailable,
}

/// A fault of ours kept us from finding something out; nothing was changed. It has been logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Under this the log knows it.
    pub incident: String,
}

/// What `GET /logout/HANDLE` comes to.
#[derive(Debug)]
pub enum Shown {
    /// The page.
    Page(LogoutView),
    /// An unfinished logout of this browser goes first: its LogoutRequest.
    Resume(Outbound),
}

/// What `GET /logout` shows: nothing ends by a GET (SLO-48).
///
/// An unfinished logout of this browser goes first. Somebody who is not signed in is shown a way on, if
/// it is allowed.
///
/// # Errors
/// [`Unavailable`]: whether somebody is signed in could not be found out.
pub async fn ask(app: &App, visitor: &Visitor, wanted: &WantedReturn) -> Result<Ask, Unavailable> {
    let nobody = Ask { csrf: None, signed_in: false, resume: None, way_on: None };
    let asked = app.patiently(async {
        let resume = resume(app, visitor).await?;
        if resume.is_some() {
            return Ok(Ask { resume, ..nobody });
        }
        if let Some(token) = &visitor.session {
            let mut conn = app.connection().await?;
            let session = sessions::by_cookie(&mut conn, token.hash()).await?;
            if session.is_some_and(|session| session.is_alive(app.alive())) {
                return Ok(Ask { csrf: Some(app.form_token(token)?), signed_in: true, ..nobody });
            }
        }
        Ok(Ask { way_on: app.way_on(wanted).await?, ..nobody })
    });
    asked.await.map_err(|fault| Unavailable { incident: app.fault("asking whether to sign out", &fault) })
}

/// Ends the session of this browser and begins to tell the identity providers on which it rests:
/// local first, in one transaction, before any message leaves (SLO-35).
///
/// # Errors
/// [`StartRefused`]; with `Unavailable` the session may be alive.
pub async fn start(app: &App, visitor: &Visitor, wanted: StartLogout) -> Result<Next, StartRefused> {
    match app.patiently(try_start(app, visitor, &wanted)).await {
        Ok(Ok(Started::Next(next))) => Ok(next),
        Ok(Ok(Started::Queued(logout))) => Ok(deliver(app, logout).await),
        Ok(Err(refused)) => Err(refused),
        Err(fault) => {
            app.fault("signing somebody out", &fault);
            Err(StartRefused::Unavailable)
        }
    }
}

/// The page of a logout, for whoever has its name; none if there is no such logout, or it is older
/// than a day. Where the browser carries the cookie of the session that ended, an open leg is asked
/// first.
///
/// # Errors
/// [`Unavailable`]: what became of it could not be found out.
pub async fn show(app: &App, visitor: &Visitor, handle: &LogoutHandle) -> Result<Option<Shown>, Unavailable> {
    let shown = app.patiently(async {
        if let Some(outbound) = resume(app, visitor).await? {
            return Ok(Some(Shown::Resume(outbound)));
        }
        Ok(view(app, handle).await?.map(Shown::Page))
    });
    shown.await.map_err(|fault| Unavailable { incident: app.fault("showing a logout", &fault) })
}

/// The LogoutRequest of an open leg of the session that this browser had, if there is one that may
/// still be asked: once, as a page of its own (SLO-45).
pub(super) async fn resume(app: &App, visitor: &Visitor) -> Result<Option<Outbound>, Fault> {
    let Some(token) = visitor.session.as_ref().filter(|_| visitor.top_level) else { return Ok(None) };
    let now = app.now();
    let mut conn = app.connection().await?;
    let Some((logout, session)) = legs::resumable(&mut conn, token.hash(), now).await? else {
        return Ok(None);
    };
    drop(conn);
    let mut tx = app.begin().await?;
    let Some(affair) = Affair::lock(&mut tx, logout).await? else { return Ok(None) };
    let step = affair
        .logout(&app.0.registry.snapshot(), Some(LedBy::Session(session)))
        .step(Event::BrowserReturned, now);
    let next = app.save(&mut tx, &affair, step, now).await?;
    tx.commit().await?;
    match next {
        Move::Ask(asking) => app.send(&asking),
        Move::Show | Move::Ignored => Ok(None),
    }
}

impl App {
    /// What comes next for a browser that is at hand, after a saved step: to carry what was written down
    /// as asked, else the page, or where the person wanted to go.
    pub(super) async fn lead_on(
        &self,
        affair: &Affair,
        next: &Move,
        states: Vec<LegState>,
    ) -> Result<Next, Fault> {
        if let Move::Ask(asking) = next
            && let Some(outbound) = self.send(asking)?
        {
            return Ok(Next::Send(outbound));
        }
        let counted = notify::logout::heard(self, affair.row.id).await?;
        Ok(match self.destination(&affair.row, states, counted) {
            Ok(handle) => Next::Page { handle },
            Err(target) => Next::Return(target),
        })
    }
}

enum Started {
    Next(Next),
    /// Somebody has to be told without the browser.
    Queued(LogoutId),
}

async fn try_start(
    app: &App,
    visitor: &Visitor,
    wanted: &StartLogout,
) -> Result<Result<Started, StartRefused>, Fault> {
    let Some(token) = &visitor.session else { return Ok(Err(StartRefused::NotSignedIn)) };
    let seal = app.form_token(token)?;
    if seal.len() != wanted.csrf.len() || !openssl::memcmp::eq(seal.as_bytes(), wanted.csrf.as_bytes()) {
        return Ok(Err(StartRefused::Csrf));
    }
    let snapshot = app.renewed().await?;
    let mut tx = app.begin().await?;
    let found = sessions::by_cookie(&mut tx, token.hash()).await?;
    let Some(session) = lock_alive(app, &mut tx, found).await? else {
        drop(tx);
        return over_already(app, visitor).await;
    };
    let target = app.target_after_logout(&mut tx, &wanted.return_to).await?;
    let handle = app.0.entropy.handle_128()?;
    let new = NewLogout {
        handle: &handle,
        trigger: Trigger::Person,
        return_to: target.as_ref().map(ReturnTarget::as_str),
    };
    let telling = if wanted.local_only { Telling::Nobody } else { Telling::Through(Browser::Present) };
    let begun = begin(app, &mut tx, &snapshot, &session, new, telling, None).await?;
    tx.commit().await?;
    app.session_ended();
    tracing::info!(logout.id = begun.id.0, local_only = wanted.local_only, "somebody signed out");
    if let Move::Ask(asking) = &begun.next
        && let Some(outbound) = app.send(asking)?
    {
        app.0.notify_bell.notify_one();
        app.0.outbox_bell.notify_one();
        return Ok(Ok(Started::Next(Next::Send(outbound))));
    }
    if begun.queued || begun.counted && !wanted.local_only {
        return Ok(Ok(Started::Queued(begun.id)));
    }
    app.0.notify_bell.notify_one();
    let page = Next::Page { handle: LogoutHandle(handle) };
    let next = match target {
        Some(target) if wanted.local_only || begun.alone => Next::Return(target),
        _ => page,
    };
    Ok(Ok(Started::Next(next)))
}

/// Asked to end what has ended: a second click, or another tab. An open leg goes on, or the page of
/// the logout is shown.
async fn over_already(app: &App, visitor: &Visitor) -> Result<Result<Started, StartRefused>, Fault> {
    if let Some(outbound) = resume(app, visitor).await? {
        return Ok(Ok(Started::Next(Next::Send(outbound))));
    }
    let Some(token) = &visitor.session else { return Ok(Err(StartRefused::NotSignedIn)) };
    let mut conn = app.connection().await?;
    let handle = logouts::handle_of_cookie(&mut conn, token.hash()).await?;
    Ok(match handle.as_deref().and_then(LogoutHandle::parse) {
        Some(handle) => Ok(Started::Next(Next::Page { handle })),
        None => Err(StartRefused::NotSignedIn),
    })
}

/// Tells the identity providers that are only reached over SOAP, and the applications, for as long as a person may be
/// kept waiting; the worker does the rest.
async fn deliver(app: &App, logout: LogoutId) -> Next {
    worker::deliver_now(app, logout).await;
    let reached = app.patiently(async {
        let mut conn = app.connection().await?;
        let legs = legs::of_logout(&mut conn, logout).await?;
        let row = logouts::by_id(&mut conn, logout).await?;
        drop(conn);
        let counted = notify::logout::heard(app, logout).await?;
        let states = legs.iter().map(|leg| leg.state);
        Ok(row.map(|row| app.destination(&row, states, counted)))
    });
    match reached.await {
        Ok(Some(Ok(handle))) => Next::Page { handle },
        Ok(Some(Err(target))) => Next::Return(target),
        Ok(None) | Err(_) => Next::Return(ReturnTarget::home()),
    }
}
