//! The first transaction of a logout of our own: the session ends, and what has to be told is written
//! down.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::app::legs::{Affair, Move};
use crate::app::oidc::{BACKCHANNEL_PATH, behind};
use crate::app::registry::Snapshot;
use crate::app::{App, Fault};
use crate::logout::plan::{Browser, Reach, Trigger};
use crate::logout::step::{Leg, LegState, Logout, RESUME_WITHIN};
use crate::store::legs::NewOidcLeg;
use crate::store::logouts::{self, NewLogout};
use crate::store::sessions::{self, Session};
use crate::store::{LogoutId, TokenId, audit, legs as stored, notifications, oidc, outbox, principals};

/// Locks what a session rests on, then the session; none if it is over.
pub(in crate::app) async fn lock_alive(
    app: &App,
    conn: &mut PgConnection,
    found: Option<Session>,
) -> Result<Option<Session>, Fault> {
    let alive = app.alive();
    let Some(found) = found.filter(|session| session.is_alive(alive)) else { return Ok(None) };
    oidc::lock_of_session(conn, found.id).await?;
    principals::lock_of_session(conn, found.id).await?;
    Ok(sessions::lock(conn, found.id).await?.filter(|session| session.is_alive(alive)))
}

/// Which identity providers are told.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) enum Telling {
    /// None of them: only our own session ends (SLO-47).
    Nobody,
    /// Each, by the way that is there.
    Through(Browser),
}

/// What is to end at an OpenID provider where nobody is signed in here on its word.
#[derive(Clone, Copy)]
pub(in crate::app) struct There<'a> {
    pub(in crate::app) leg: NewOidcLeg<'a>,
    pub(in crate::app) reach: Reach,
}

/// A logout that has begun.
pub(in crate::app) struct Begun {
    pub(in crate::app) id: LogoutId,
    /// The name of its page.
    pub(in crate::app) handle: String,
    pub(in crate::app) next: Move,
    /// Whether somebody has to be told over SOAP.
    pub(in crate::app) queued: bool,
    /// Whether no identity provider has to be told.
    pub(in crate::app) alone: bool,
    /// Whether an application that counts has to be told.
    pub(in crate::app) counted: bool,
}

/// Ends a locked session and begins the logout, with a leg for everything on which it rests.
pub(in crate::app) async fn begin(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    session: &Session,
    new: NewLogout<'_>,
    telling: Telling,
    by: Option<TokenId>,
) -> Result<Begun, Fault> {
    let now = app.now();
    let handle = new.handle.to_owned();
    let id = logouts::begin(conn, new, 1, now).await?;
    sessions::end(conn, session.id, now, new.trigger.as_str(), Some(id)).await?;
    // Auth0 before the identity provider: the order in which a browser is led past them.
    let mut legs = oidc_legs(app, conn, id, session, telling, now).await?;
    if !legs.is_empty() {
        stored::tell_applications(conn, id, new.trigger.as_str(), now).await?;
    }
    for authentication in sessions::authentications(conn, session.id).await? {
        let known = snapshot.by_id(authentication.idp).filter(|_| authentication.name_id.is_some());
        let reach = known.map_or(Reach::NONE, |idp| idp.reach());
        let state = match telling {
            Telling::Nobody => LegState::NotAsked,
            Telling::Through(browser) => LegState::first(reach.route(browser)),
        };
        let end = authentication.session_not_on_or_after;
        let resume_until = end.map_or(now + RESUME_WITHIN, |end| end.min(now + RESUME_WITHIN));
        let leg = stored::add(conn, id, session.id, &authentication, state, resume_until).await?;
        if state == LegState::Queued {
            outbox::put(conn, leg, now).await?;
        }
        legs.push(Leg {
            id: leg,
            reach,
            state,
            deadline: None,
            resumed: false,
            resume_until,
            falls_back: false,
        });
    }
    let browser = match telling {
        Telling::Nobody => Browser::Absent,
        Telling::Through(browser) => browser,
    };
    // A logout token has its own line, for all that it ends.
    if new.trigger != Trigger::Oidc {
        audit::add(conn, &entry(new.trigger, by, id, 1, now)).await?;
    }
    go(app, conn, id, handle, browser, legs).await
}

/// Begins a logout that ends no session here: nobody was signed in, and what is to end is at an OpenID
/// provider. With it ends what applications have registered under it.
pub(in crate::app) async fn begin_there(
    app: &App,
    conn: &mut PgConnection,
    there: &There<'_>,
    new: NewLogout<'_>,
    browser: Browser,
    by: Option<TokenId>,
) -> Result<Begun, Fault> {
    let now = app.now();
    let handle = new.handle.to_owned();
    let id = logouts::begin(conn, new, 0, now).await?;
    let behind = behind::is_reached_by_browser(app, conn, there.leg).await?;
    let front = there.reach.front || behind && there.leg.end_session.is_some();
    let reach = Reach { front, ..there.reach };
    let state = LegState::first(reach.route(browser));
    let resume_until = now + RESUME_WITHIN;
    let leg = stored::add_oidc(conn, id, there.leg, state, resume_until).await?;
    if state == LegState::Queued {
        outbox::put(conn, leg, now).await?;
    }
    stored::tell_applications(conn, id, new.trigger.as_str(), now).await?;
    audit::add(conn, &entry(new.trigger, by, id, 0, now)).await?;
    let falls_back = state == LegState::WaitingBrowser && reach.soap;
    if falls_back {
        stored::let_fall_back(conn, leg).await?;
    }
    let leg = Leg { id: leg, reach, state, deadline: None, resumed: false, resume_until, falls_back };
    go(app, conn, id, handle, browser, vec![leg]).await
}

/// Takes the first step of a logout whose legs are written down.
async fn go(
    app: &App,
    conn: &mut PgConnection,
    id: LogoutId,
    handle: String,
    browser: Browser,
    legs: Vec<Leg>,
) -> Result<Begun, Fault> {
    let now = app.now();
    let (queued, alone) = (legs.iter().any(|leg| leg.state == LegState::Queued), legs.is_empty());
    let step = Logout::start(browser, legs, now);
    let affair = Affair::begun(conn, id).await?;
    let next = app.save(conn, &affair, step, now).await?;
    let counted = notifications::unheard(conn, id, now).await?.waiting > 0;
    Ok(Begun { id, handle, next, queued, alone, counted })
}

/// A leg for each session at an OpenID provider on which the ended one rested.
async fn oidc_legs(
    app: &App,
    conn: &mut PgConnection,
    id: LogoutId,
    session: &Session,
    telling: Telling,
    now: DateTime<Utc>,
) -> Result<Vec<Leg>, Fault> {
    let mut legs = Vec::new();
    let resume_until = now + RESUME_WITHIN;
    for authentication in oidc::authentications(conn, session.id).await? {
        // Without a browser wherever that is possible, so that the browser goes straight on: never
        // both ways at once. But what is behind the provider, only a browser reaches.
        let leg = NewOidcLeg::of(session.id, &authentication);
        let behind = behind::is_reached_by_browser(app, conn, leg).await?;
        let front = authentication.end_session_endpoint.is_some() && (behind || !authentication.has_back);
        let reach = Reach { soap: authentication.has_back, front };
        let state = match telling {
            // The provider itself has said so.
            _ if authentication.ended_at.is_some() => LegState::Confirmed,
            Telling::Nobody => LegState::NotAsked,
            Telling::Through(browser) => LegState::first(reach.route(browser)),
        };
        let leg = stored::add_oidc(conn, id, leg, state, resume_until).await?;
        if state == LegState::Queued {
            outbox::put(conn, leg, now).await?;
        }
        let falls_back = state == LegState::WaitingBrowser && authentication.has_back;
        if falls_back {
            stored::let_fall_back(conn, leg).await?;
        }
        legs.push(Leg { id: leg, reach, state, deadline: None, resumed: false, resume_until, falls_back });
    }
    Ok(legs)
}

fn entry(
    trigger: Trigger,
    by: Option<TokenId>,
    id: LogoutId,
    sessions: i32,
    now: DateTime<Utc>,
) -> audit::Entry {
    let (endpoint, rule) = match trigger {
        Trigger::Admin => ("admin", "SLO-46"),
        Trigger::Application | Trigger::Operator => ("api", "SLO-46"),
        Trigger::Oidc => (BACKCHANNEL_PATH, "OIDC-08"),
        Trigger::Idp | Trigger::Person => ("/logout", "SLO-35"),
    };
    audit::Entry {
        at: now,
        endpoint,
        binding: None,
        issuer: None,
        message_id: None,
        digest: None,
        verdict: audit::Verdict::Ours,
        rule,
        sessions,
        count: 1,
        source: None,
        detail: by.map(|token| format!("token {token}: logout {id}")),
    }
}
