//! Logouts of what is at an OpenID provider: of one session there, whether or not a session of ours
//! rests on it, and of all that a person has there.

use sqlx::PgConnection;

use super::{Begin, Started, StartedLogout, Starting, Whom, begin_one};
use crate::app::api::sessions::{Found, find};
use crate::app::api::{Halt, Refused};
use crate::app::logout::begin::{self, Begun, begin_there};
use crate::app::oidc::{Way, issuer_of, way};
use crate::app::tokens::Caller;
use crate::app::{App, ReturnTarget};
use crate::logout::plan::{Browser, Reach};
use crate::store::application_sessions::ApplicationSession;
use crate::store::legs::{self, NewOidcLeg};
use crate::store::logouts::NewLogout;
use crate::store::oidc::{self, Subject};
use crate::store::sessions::{self, Session};
use crate::store::{SessionId, principals};

/// What a logout is about, as it was found before anything was locked.
pub(super) enum There {
    /// A session of ours.
    Ours(Box<Session>),
    /// A session at a provider, under which an application has one of its own.
    Sid { way: Way, own: Box<ApplicationSession>, sid: String },
    /// A person at a provider.
    Person(Way),
    /// Neither.
    Other,
}

/// Looks up what a logout is about, and how its provider can be reached.
pub(super) async fn look(app: &App, caller: &Caller, whom: &Whom) -> Result<There, Halt> {
    match whom {
        Whom::Session(id) => {
            let mut conn = app.connection().await?;
            let found = find(&mut conn, caller, id).await?;
            let own = match found {
                Found::Session(found) => return Ok(There::Ours(Box::new(found))),
                Found::Application(own) => own,
            };
            if let Some(id) = &own.session_public_id {
                let found = sessions::by_public_id(&mut conn, id).await?.ok_or(Refused::NotFound)?;
                return Ok(There::Ours(Box::new(found)));
            }
            drop(conn);
            let (Some(issuer), Some(sid)) = (own.issuer.clone(), own.sid.clone()) else {
                return Err(Refused::NotFound.into());
            };
            let gone = || Refused::Conflict(String::from("its OpenID provider is not configured any more"));
            let way = way(app, &issuer).await.ok_or_else(gone)?;
            Ok(There::Sid { way, own: Box::new(own), sid })
        }
        Whom::OpenIdPerson { provider, .. } => {
            let unknown =
                || Refused::unprocessable("openid_subject", "there is no OpenID provider of that name");
            let issuer = issuer_of(app, provider).ok_or_else(unknown)?;
            Ok(There::Person(way(app, issuer).await.ok_or_else(unknown)?))
        }
        Whom::Principal { .. } | Whom::IdentityProvider(_) => Ok(There::Other),
    }
}

impl Starting<'_> {
    /// Ends a session at a provider, with every session of ours that rests on it.
    pub(super) async fn of_sid(
        &self,
        conn: &mut PgConnection,
        way: &Way,
        own: &ApplicationSession,
        sid: &str,
    ) -> Result<Begin, Halt> {
        let target = self.target(conn).await?;
        let issuer = way.issuer.as_str();
        oidc::lock(conn, issuer, Subject::Sid(sid), self.app.now()).await?;
        let leaving = legs::is_leaving(conn, issuer, Some(sid), None, self.app.now(), self.app.now()).await?;
        if own.ended_at.is_some() || leaving {
            let before = legs::newest_of_sid(conn, issuer, sid).await?;
            return Ok(Begin::nothing(before, own.public_id.clone()));
        }
        let open = oidc::open_sessions(conn, issuer, Subject::Sid(sid), None).await?;
        let mut all = self.ours(conn, &open, target.as_ref()).await?;
        let sessions_ended = count(&all);
        if all.is_empty() {
            let leg = self.leg(way, None, Some(sid));
            let reach = Reach { soap: way.back, front: !way.back && way.end_session.is_some() };
            let there = begin::There { leg, reach };
            let handle = self.app.0.entropy.handle_128()?;
            let new = self.new_logout(&handle, target.as_ref());
            let by = Some(self.caller.token);
            let begun = begin_there(self.app, conn, &there, new, self.browser(), by).await?;
            all.push((begun, own.public_id.clone()));
        }
        let continue_url = match all.first() {
            Some((first, _)) => self.let_continue(conn, first).await?,
            None => None,
        };
        let logouts = all.into_iter().map(|(begun, id)| StartedLogout { id: begun.id.0, session: Some(id) });
        let view = Started { logouts: logouts.collect(), sessions_ended, complete: true, continue_url };
        Ok(Begin { status: 201, view })
    }

    /// Ends every session of ours that rests on a person at a provider; and, where the provider can be
    /// asked for that, all that the person has there.
    pub(super) async fn of_person(
        &self,
        conn: &mut PgConnection,
        way: &Way,
        subject: &str,
    ) -> Result<Begin, Halt> {
        let issuer = way.issuer.as_str();
        oidc::lock(conn, issuer, Subject::Sub(subject), self.app.now()).await?;
        let open = oidc::open_sessions(conn, issuer, Subject::Sub(subject), None).await?;
        let ours = self.ours(conn, &open, None).await?;
        let sessions_ended = count(&ours);
        let mut logouts: Vec<_> =
            ours.into_iter().map(|(begun, id)| StartedLogout { id: begun.id.0, session: Some(id) }).collect();
        if way.back {
            let leg = self.leg(way, Some(subject), None);
            let there = begin::There { leg, reach: Reach { soap: true, front: false } };
            let handle = self.app.0.entropy.handle_128()?;
            let (new, by) = (self.new_logout(&handle, None), Some(self.caller.token));
            let begun = begin_there(self.app, conn, &there, new, Browser::Absent, by).await?;
            logouts.push(StartedLogout { id: begun.id.0, session: None });
        }
        let status = if logouts.is_empty() { 200 } else { 201 };
        Ok(Begin { status, view: Started { logouts, sessions_ended, complete: true, continue_url: None } })
    }

    /// Ends these sessions, each by a logout of its own. A browser that was announced is that of the
    /// first.
    async fn ours(
        &self,
        conn: &mut PgConnection,
        open: &[SessionId],
        target: Option<&ReturnTarget>,
    ) -> Result<Vec<(Begun, String)>, Halt> {
        principals::lock_of_sessions(conn, open).await?;
        let mut all = Vec::new();
        for id in open {
            let session = sessions::lock(conn, *id).await?;
            let Some(session) = session.filter(|session| session.is_alive(self.app.alive())) else {
                continue;
            };
            let browser = if all.is_empty() { self.browser() } else { Browser::Absent };
            let Self { app, snapshot, caller, .. } = *self;
            let begun = begin_one(app, conn, snapshot, caller, &session, browser, target).await?;
            all.push((begun, session.public_id));
        }
        Ok(all)
    }

    fn leg<'w>(&self, way: &'w Way, subject: Option<&'w str>, sid: Option<&'w str>) -> NewOidcLeg<'w> {
        NewOidcLeg {
            session: None,
            provider: &way.provider,
            issuer: &way.issuer,
            subject,
            sid,
            id_token: None,
            end_session: way.end_session.as_deref(),
            authn_instant: self.app.now(),
        }
    }

    fn new_logout<'n>(&self, handle: &'n str, target: Option<&'n ReturnTarget>) -> NewLogout<'n> {
        NewLogout { handle, trigger: self.caller.role.trigger(), return_to: target.map(ReturnTarget::as_str) }
    }
}

fn count(ended: &[(Begun, String)]) -> u64 {
    u64::try_from(ended.len()).unwrap_or(u64::MAX)
}
