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
use crate::store::{LogoutId, audit, legs as stored, oidc, outbox, principals};

/// Locks the principals of a session, then the session; none if it is over.
pub(in crate::app) async fn lock_alive(
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
pub(in crate::app) struct Begun {
    pub(in crate::app) id: LogoutId,
    pub(in crate::app) next: Move,
    /// Whether somebody has to be told over SOAP.
    pub(in crate::app) queued: bool,
    /// Whether there is nobody to tell.
    pub(in crate::app) alone: bool,
}

/// Ends a locked session and begins the logout, with a leg for everything on which it rests.
pub(in crate::app) async fn begin(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    session: &Session,
    new: NewLogout<'_>,
    local_only: bool,
) -> Result<Begun, Fault> {
    let now = app.now();
    let id = logouts::begin(conn, new, now).await?;
    let reason = match new.trigger {
        Trigger::Admin => "admin",
        Trigger::Idp => "idp",
        Trigger::Oidc => "oidc",
        Trigger::Person => "person",
    };
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
    let queued = legs.iter().any(|leg| leg.state == LegState::Queued);
    let alone = legs.is_empty() && oidc::authentications(conn, session.id).await?.is_empty();
    let step = Logout::start(new.trigger, legs, now);
    let affair = Affair::begun(conn, id).await?;
    let next = app.save(conn, &affair, step, now).await?;
    // A logout token has its own line, for all that it ends.
    if new.trigger != Trigger::Oidc {
        audit::add(conn, &entry(new.trigger, now)).await?;
    }
    Ok(Begun { id, next, queued, alone })
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
