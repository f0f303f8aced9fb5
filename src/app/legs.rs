//! A logout loaded, stepped and saved: what the person's sign-out, the identity provider's answers
//! and the worker have in common.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::app::registry::{KnownIdp, Snapshot};
use crate::app::send::Request;
use crate::app::{App, Fault, LogoutHandle, ReturnTarget, oidc};
use crate::logout::hearing::Hearing;
use crate::logout::outcome::Outcome;
use crate::logout::plan::Reach;
use crate::logout::step::{Event, Leg, LegId, LegState, Logout, Reply, Step, Write};
use crate::saml::binding::Outbound;
use crate::saml::names::{Binding, MessageId, SessionIndex};
use crate::saml::outbound::Reason;
use crate::store::legs::{self, LegRow};
use crate::store::logouts::{self, LogoutRow};
use crate::store::{LogoutId, SessionId, StoreError, oidc_sign_outs, open_requests, outbox};

/// A logout and its legs, locked.
pub(super) struct Affair {
    pub(super) row: LogoutRow,
    pub(super) legs: Vec<LegRow>,
}

/// Which legs a browser can be led past: those of the session that it had, or those of a logout that
/// ended no session here, by whoever was sent to go on with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LedBy {
    /// The session's own browser.
    Session(SessionId),
    /// A browser that brings the logout's own token.
    Token,
}

impl LegRow {
    pub(super) fn led_by(&self) -> LedBy {
        self.session.map_or(LedBy::Token, LedBy::Session)
    }
}

/// What a saved step means for a browser.
pub(super) enum Move {
    /// Ask this leg's identity provider, with a request of this ID.
    Ask(Box<Asking>),
    /// Show how it went, or goes.
    Show,
    /// The event did not fit; nothing was changed.
    Ignored,
}

/// An ask that is written down as sent and only has to be sent.
pub(super) enum Asking {
    /// Of an identity provider: a LogoutRequest.
    Saml(SamlAsking),
    /// Of an OpenID provider: the browser is sent to sign out there.
    Oidc {
        leg: LegRow,
        /// What the provider gives back.
        state: String,
    },
}

pub(super) struct SamlAsking {
    leg: LegRow,
    id: MessageId,
    reason: Reason,
    asynchronous: bool,
    at: DateTime<Utc>,
}

impl Affair {
    /// Loads a logout under its lock.
    pub(super) async fn lock(conn: &mut PgConnection, id: LogoutId) -> Result<Option<Self>, StoreError> {
        logouts::lock(conn, id).await?;
        let Some(row) = logouts::by_id(conn, id).await? else { return Ok(None) };
        let legs = legs::of_logout(conn, id).await?;
        Ok(Some(Self { row, legs }))
    }

    /// Loads a logout that this very transaction has begun.
    pub(super) async fn begun(conn: &mut PgConnection, id: LogoutId) -> Result<Self, Fault> {
        Self::lock(conn, id).await?.ok_or(Fault::Store(StoreError::Corrupt {
            table: "logout",
            column: "id",
            row: id.0,
        }))
    }

    /// What the state machine makes of it. Only some legs can be asked through the browser at hand.
    pub(super) fn logout(&self, snapshot: &Snapshot, browser: Option<LedBy>) -> Logout {
        let reach = |leg: &LegRow| {
            let known = leg.idp.and_then(|idp| snapshot.by_id(idp));
            let reach = match &leg.oidc {
                Some(oidc) => oidc::reach(oidc, leg.state),
                None => known.map_or(Reach::NONE, |idp| idp.reach()),
            };
            Reach { front: reach.front && browser == Some(leg.led_by()), ..reach }
        };
        Logout {
            deadline: self.row.deadline,
            finished_at: self.row.finished_at,
            legs: self
                .legs
                .iter()
                .map(|leg| Leg {
                    id: leg.id,
                    reach: reach(leg),
                    state: leg.state,
                    deadline: leg.deadline,
                    resumed: leg.resumed,
                    resume_until: leg.resume_until,
                    falls_back: leg.oidc.as_ref().is_some_and(|oidc| oidc.falls_back),
                })
                .collect(),
        }
    }

    /// `Reason` of the LogoutRequests that this logout sends (SLO-41).
    pub(super) fn reason(&self) -> Reason {
        let by_admin = matches!(self.row.trigger.as_str(), "admin" | "operator")
            || self.row.reason.as_deref() == Some(Reason::Admin.uri());
        if by_admin { Reason::Admin } else { Reason::User }
    }
}

impl App {
    /// Saves a step in the caller's transaction. Where it asks somebody, the request is written down
    /// as open here, and sent after the commit.
    pub(super) async fn save(
        &self,
        conn: &mut PgConnection,
        affair: &Affair,
        step: Step,
        now: DateTime<Utc>,
    ) -> Result<Move, Fault> {
        let id = affair.row.id;
        for write in &step.writes {
            match write {
                Write::Leg(leg) => {
                    let Some(leg) = step.logout.legs.iter().find(|known| known.id == *leg) else { continue };
                    legs::save(conn, leg).await?;
                    // Whatever was to be done without a browser is done, or begins now.
                    outbox::remove(conn, leg.id).await?;
                    if leg.state == LegState::Queued || leg.state == LegState::Returned && leg.falls_back {
                        outbox::put(conn, leg.id, now).await?;
                    }
                }
                Write::Progress => logouts::save_progress(conn, id, &step.logout).await?,
            }
        }
        match step.reply {
            Reply::Ask(leg) => self.write_down(conn, affair, step.logout, leg, now).await,
            Reply::Show => Ok(Move::Show),
            Reply::Ignored => Ok(Move::Ignored),
        }
    }

    /// Opens the request to a leg that is about to be asked through the browser.
    async fn write_down(
        &self,
        conn: &mut PgConnection,
        affair: &Affair,
        logout: Logout,
        leg: LegId,
        now: DateTime<Utc>,
    ) -> Result<Move, Fault> {
        let snapshot = self.0.registry.snapshot();
        let found = affair.legs.iter().find(|known| known.id == leg).cloned();
        let Some(row) = found else { return Ok(Move::Show) };
        if row.oidc.is_some() {
            let state = self.0.entropy.token_256()?;
            legs::note_sent(conn, leg, now).await?;
            let until = now + crate::logout::step::ANSWER_WITHIN;
            oidc_sign_outs::open(conn, openssl::sha::sha256(state.as_bytes()), leg, until).await?;
            return Ok(Move::Ask(Box::new(Asking::Oidc { leg: row, state })));
        }
        let Some(idp) = row.idp.and_then(|idp| snapshot.by_id(idp).cloned()) else { return Ok(Move::Show) };
        let last = !logout.legs.iter().any(|leg| leg.state == LegState::WaitingBrowser);
        let asynchronous = last && takes_asynchronous(&idp);
        let id = self.message_id()?;
        let binding = idp.front_logout().next().map_or(Binding::Redirect, |endpoint| endpoint.binding);
        legs::note_asked(conn, leg, &id, binding, now).await?;
        if asynchronous {
            // No answer will come, so nothing waits for one (SLO-49): not seen to end, not asked again.
            let step = logout.step(Event::AskedForGood { leg }, now);
            for leg in step.logout.legs.iter().filter(|known| known.id == leg) {
                legs::save(conn, leg).await?;
            }
            logouts::save_progress(conn, affair.row.id, &step.logout).await?;
        } else {
            let until = now + crate::logout::step::ANSWER_WITHIN;
            open_requests::open_logout(conn, &id, idp.id, leg, now, until).await?;
        }
        let asking = SamlAsking { leg: row, id, reason: affair.reason(), asynchronous, at: now };
        Ok(Move::Ask(Box::new(Asking::Saml(asking))))
    }

    /// What a browser carries: the LogoutRequest that was written down as sent, signed, or only itself.
    /// None if whoever is to be asked has no endpoint for it any more.
    pub(super) fn send(&self, asking: &Asking) -> Result<Option<Outbound>, Fault> {
        match asking {
            Asking::Saml(asking) => self.send_request(asking),
            Asking::Oidc { leg, state } => Ok(oidc::sign_out::outbound(self, leg, state)),
        }
    }

    fn send_request(&self, asking: &SamlAsking) -> Result<Option<Outbound>, Fault> {
        let snapshot = self.0.registry.snapshot();
        let Some(idp) = asking.leg.idp.and_then(|idp| snapshot.by_id(idp)) else { return Ok(None) };
        let Some(name_id) = asking.leg.name_id.as_ref() else { return Ok(None) };
        let indexes = session_indexes(&asking.leg)?;
        let request = Request {
            id: &asking.id,
            reason: asking.reason,
            name_id,
            session_indexes: &indexes,
            asynchronous: asking.asynchronous,
        };
        tracing::info!(
            logout.id = asking.leg.logout.0,
            idp = idp.slug,
            message.id = %asking.id,
            "asking the identity provider to end its session"
        );
        self.front_request(idp, &request, asking.at)
    }

    /// Where a browser goes when there is nobody left to ask: to where the person wanted to go if
    /// everything is known to be over, else to the page that says what is not. `counted` are the
    /// applications that count.
    pub(super) fn destination(
        &self,
        row: &LogoutRow,
        legs: impl IntoIterator<Item = LegState>,
        counted: impl IntoIterator<Item = Hearing>,
    ) -> Result<LogoutHandle, ReturnTarget> {
        // A browser that came back from an OpenID provider has done what it can: it may go on.
        let legs = legs.into_iter().filter(|leg| *leg != LegState::Returned);
        let handle = row.handle.as_deref().and_then(LogoutHandle::parse);
        let target = row.return_to.as_deref().and_then(|target| self.recorded_target(target));
        match (target, handle) {
            (Some(target), _) if Outcome::of(legs).and(counted) == Outcome::Complete => Err(target),
            (target, None) => Err(target.unwrap_or_else(ReturnTarget::home)),
            (_, Some(handle)) => Ok(handle),
        }
    }
}

/// Every SessionIndex of a leg, as it was received.
pub(super) fn session_indexes(leg: &LegRow) -> Result<Vec<SessionIndex>, StoreError> {
    let parsed = leg.session_indexes.iter().map(|index| SessionIndex::parse(index.as_str()));
    parsed.collect::<Result<_, _>>().map_err(|_| StoreError::Corrupt {
        table: "logout_leg",
        column: "session_indexes",
        row: leg.id.0,
    })
}

/// Whether the endpoint that a browser would be sent to takes requests that need no answer.
fn takes_asynchronous(idp: &KnownIdp) -> bool {
    idp.front_logout().next().is_some_and(|endpoint| endpoint.asynchronous)
}
