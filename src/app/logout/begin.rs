//! The first transaction of a logout of our own: the session ends, and what has to be told is written
//! down.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::app::legs::{Affair, Move};
use crate::app::registry::Snapshot;
use crate::app::{App, Fault};
use crate::logout::plan::{Reach, Trigger};
use crate::logout::step::{Leg, LegState, Logout, RESUME_WITHIN};
use crate::store::logouts::{self, NewLogout};
use crate::store::sessions::{self, Session};
use crate::store::{LogoutId, audit, legs as stored, notifications, outbox, principals};

/// Locks the principals of a session, then the session; none if it is over.
pub(super) async fn lock_alive(
    app: &App,
    conn: &mut PgConnection,
    found: Option<Session>,
) -> Result<Option<Session>, Fault> {
    let alive = app.alive();
    let Some(found) = found.filter(|session| session.is_alive(alive)) else { return Ok(None) };
    principals::lock_of_session(conn, found.id).await?;
    Ok(sessions::lock(conn, found.id).await?.filter(|session| session.is_alive(alive)))
}

/// A logout that has begun.
pub(super) struct Begun {
    pub(super) id: LogoutId,
    pub(super) next: Move,
    /// Whether somebody has to be told over SOAP.
    pub(super) queued: bool,
    /// Whether no identity provider has to be told.
    pub(super) alone: bool,
    /// Whether an application that counts has to be told.
    pub(super) counted: bool,
}

/// Ends a locked session and begins the logout, with a leg for everything on which it rests.
pub(super) async fn begin(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    session: &Session,
    new: NewLogout<'_>,
    local_only: bool,
) -> Result<Begun, Fault> {
    let now = app.now();
    let id = logouts::begin(conn, new, now).await?;
    let reason = if new.trigger == Trigger::Admin { "admin" } else { "person" };
    sessions::end(conn, session.id, now, reason, Some(id)).await?;
    let mut legs = Vec::new();
    for authentication in sessions::authentications(conn, session.id).await? {
        let known = snapshot.by_id(authentication.idp).filter(|_| authentication.name_id.is_some());
        let reach = known.map_or(Reach::NONE, |idp| idp.reach());
        let state = if local_only { LegState::NotAsked } else { LegState::first(reach.route(new.trigger)) };
        let end = authentication.session_not_on_or_after;
        let resume_until = end.map_or(now + RESUME_WITHIN, |end| end.min(now + RESUME_WITHIN));
        let leg = stored::add(conn, id, session.id, &authentication, state, resume_until).await?;
        if state == LegState::Queued {
            outbox::put(conn, leg, now).await?;
        }
        legs.push(Leg { id: leg, reach, state, deadline: None, resumed: false, resume_until });
    }
    let (queued, alone) = (legs.iter().any(|leg| leg.state == LegState::Queued), legs.is_empty());
    let step = Logout::start(new.trigger, legs, now);
    let affair = Affair::begun(conn, id).await?;
    let next = app.save(conn, &affair, step, now).await?;
    audit::add(conn, &entry(new.trigger, now)).await?;
    let counted = notifications::unheard(conn, id, now).await?.waiting > 0;
    Ok(Begun { id, next, queued, alone, counted })
}

fn entry(trigger: Trigger, now: DateTime<Utc>) -> audit::Entry {
    audit::Entry {
        at: now,
        endpoint: if trigger == Trigger::Admin { "admin" } else { "/logout" },
        binding: None,
        issuer: None,
        message_id: None,
        digest: None,
        verdict: audit::Verdict::Ours,
        rule: if trigger == Trigger::Admin { "SLO-46" } else { "SLO-35" },
        sessions: 1,
        count: 1,
        source: None,
        detail: None,
    }
}
