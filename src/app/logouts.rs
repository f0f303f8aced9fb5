//! Logouts, as operators see them: what was asked, and what became of each identity provider. They
//! name no principal.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::app::App;
use crate::app::oidc::behind;
use crate::store::identity_providers::{self, IdpRow};
use crate::store::legs::{self, LegRow};
use crate::store::logouts::{self, LogoutRow};
use crate::store::notifications::{self, HeardRow};
use crate::store::{IdpId, LogoutId, StoreError};

/// One logout.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutLine {
    /// Its number.
    pub id: LogoutId,
    /// Who said "over": `person`, `idp`, `admin`, `application` or `operator`.
    pub trigger: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when answers are waited for.
    pub deadline: Option<DateTime<Utc>>,
    /// When nothing was waited for any more; none while it goes on.
    pub finished_at: Option<DateTime<Utc>>,
    /// How many of our sessions it ended.
    pub sessions_ended: i32,
    /// The slug of the identity provider that asked, if one did.
    pub idp: Option<String>,
    /// The ID of its LogoutRequest.
    pub message_id: Option<String>,
    /// The Reason it gave.
    pub reason: Option<String>,
    /// What it found: `ended`, `already`, `unseen_index`, `unknown`.
    pub verdict: Option<String>,
    /// What it was answered.
    pub status: Option<String>,
}

/// One logout and everybody who had to hear of it.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutDetail {
    /// The logout.
    #[serde(flatten)]
    pub logout: LogoutLine,
    /// The identity providers to tell.
    pub legs: Vec<LegLine>,
    /// The applications that took part.
    pub applications: Vec<HeardLine>,
}

/// One application that had to hear of a logout.
#[derive(Debug, Clone, Serialize)]
pub struct HeardLine {
    /// Its public name.
    pub application: String,
    /// `none` (it reads its feed), `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// When it acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Whether it counts for Success.
    pub counts_for_success: bool,
}

/// One identity provider that had to hear of a logout.
#[derive(Debug, Clone, Serialize)]
pub struct LegLine {
    /// Its slug.
    pub idp: Option<String>,
    /// What is known of it.
    pub state: &'static str,
    /// When it was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// Until when an answer counts.
    pub deadline: Option<DateTime<Utc>>,
    /// When it is too late to ask.
    pub resume_until: DateTime<Utc>,
    /// The status codes of its answer.
    pub answer: Option<String>,
    /// What was done about the identity provider behind it, if it is an OpenID provider that is the
    /// service provider there.
    pub behind: Option<BehindLine>,
}

/// An identity provider for which not we but an OpenID provider is the service provider.
#[derive(Debug, Clone, Serialize)]
pub struct BehindLine {
    /// The OpenID provider's connection to it; empty if that was not registered.
    pub connection: String,
    /// `asked`, which is the most that is ever known, `waiting_browser`, `unreachable` (without a
    /// browser), `no_endpoint` or `not_asked`.
    pub state: &'static str,
}

/// The newest logouts.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, limit: u32) -> Result<Vec<LogoutLine>, StoreError> {
    let mut conn = app.connection().await?;
    let idps = identity_providers::all(&mut conn).await?;
    let rows = logouts::list(&mut conn, i64::MAX, i64::from(limit)).await?;
    Ok(rows.into_iter().map(|row| line(row, &idps)).collect())
}

/// One logout by its number.
///
/// # Errors
/// [`StoreError`].
pub async fn show(app: &App, id: i64) -> Result<Option<LogoutDetail>, StoreError> {
    let mut conn = app.connection().await?;
    let Some(row) = logouts::by_id(&mut conn, LogoutId(id)).await? else { return Ok(None) };
    let idps = identity_providers::all(&mut conn).await?;
    let legs = legs::of_logout(&mut conn, row.id).await?;
    let heard = notifications::of_logout(&mut conn, row.id).await?;
    Ok(Some(LogoutDetail {
        applications: heard.into_iter().map(heard_line).collect(),
        logout: line(row, &idps),
        legs: legs.into_iter().map(|leg| leg_line(app, leg, &idps)).collect(),
    }))
}

fn line(row: LogoutRow, idps: &[IdpRow]) -> LogoutLine {
    LogoutLine {
        id: row.id,
        trigger: row.trigger,
        started_at: row.started_at,
        deadline: row.deadline,
        finished_at: row.finished_at,
        sessions_ended: row.sessions_ended,
        idp: row.idp.and_then(|idp| slug(idps, idp)),
        message_id: row.message_id,
        reason: row.reason,
        verdict: row.verdict,
        status: row.status,
    }
}

fn heard_line(heard: HeardRow) -> HeardLine {
    HeardLine {
        application: heard.slug,
        state: heard.state,
        acknowledged_at: heard.acknowledged_at,
        counts_for_success: heard.counts,
    }
}

fn leg_line(app: &App, leg: LegRow, idps: &[IdpRow]) -> LegLine {
    let behind = behind::of(app, &leg);
    LegLine {
        behind: behind.map(|one| BehindLine { connection: one.connection, state: one.state.as_str() }),
        idp: leg.idp.and_then(|idp| slug(idps, idp)).or(leg.oidc.map(|oidc| oidc.provider)),
        state: legs::state_name(leg.state),
        asked_at: leg.asked_at,
        deadline: leg.deadline,
        resume_until: leg.resume_until,
        answer: leg.answer,
    }
}

fn slug(idps: &[IdpRow], id: IdpId) -> Option<String> {
    idps.iter().find(|idp| idp.id == id).map(|idp| idp.slug.clone())
}
