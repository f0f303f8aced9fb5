//! Logouts over the API: started by session, principal or identity provider, and looked at.

mod many;
mod start;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{Halt, Refused};
use crate::app::App;
use crate::app::oidc::behind::{self, Behind};
use crate::app::tokens::{Caller, Role};
use crate::store::logouts::{self, LogoutRow};
use crate::store::{LogoutId, StoreError, legs};

pub(in crate::app) use start::begin_one;
pub use start::{Start, Started, StartedLogout, Whom, start};

/// The most applications that are shown with a logout.
const MOST_SHOWN: i64 = 100;

/// A logout in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogoutSummary {
    /// Its number.
    pub id: i64,
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
    pub identity_provider: Option<String>,
    /// What it found, where an identity provider asked: `ended`, `already`, `unseen_index`, `unknown`.
    pub verdict: Option<String>,
    /// The status that the identity provider was answered.
    pub status: Option<String>,
}

/// A logout and everybody who has to hear of it. It names no principal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogoutView {
    /// Its number.
    pub id: i64,
    /// Who said "over": `person`, `idp`, `admin`, `application` or `operator`.
    pub trigger: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when answers are waited for.
    pub deadline: Option<DateTime<Utc>>,
    /// When nothing was waited for any more; none while it goes on.
    pub finished_at: Option<DateTime<Utc>>,
    /// The slug of the identity provider that asked, if one did.
    pub identity_provider: Option<String>,
    /// What it found, where an identity provider asked: `ended`, `already`, `unseen_index`, `unknown`.
    pub verdict: Option<String>,
    /// The status that the identity provider was answered.
    pub status: Option<String>,
    /// The identity providers to tell, and what is known of each. Only `confirmed` was seen to end.
    pub identity_providers: Vec<LegView>,
    /// The applications that are told, at most 100; an application sees itself.
    pub applications: Vec<ToldView>,
}

/// One identity provider that has to hear of a logout.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LegView {
    /// Its slug; none if it was removed.
    pub identity_provider: Option<String>,
    /// What is known of it: `waiting_browser`, `queued`, `asked`, `confirmed`, `partial`,
    /// `partial_failure`, `failed`, `unconfirmed`, `unreachable`, `no_endpoint`, `not_asked`, `returned`.
    pub state: &'static str,
    /// When it was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// The status codes of its answer.
    pub answer: Option<String>,
    /// The identity provider behind it, if it is an OpenID provider that is the service provider there.
    pub behind: Option<BehindView>,
}

/// An identity provider for which not we but an OpenID provider is the service provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BehindView {
    /// The OpenID provider's connection to it; none if that was not registered.
    pub connection: Option<String>,
    /// What was done about the session there, of which no more is ever known: `asked` (a browser was sent
    /// to the OpenID provider, which was to pass it on), `waiting_browser`, `unreachable` (without a
    /// browser), `no_endpoint`, `not_asked`.
    pub state: &'static str,
}

fn behind_view(behind: Behind) -> BehindView {
    let connection = Some(behind.connection).filter(|connection| !connection.is_empty());
    BehindView { connection, state: behind.state.as_str() }
}

/// One application that is told of a logout.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ToldView {
    /// Its slug; none if it was removed.
    pub application: Option<String>,
    /// The session in which it took part.
    pub session: String,
    /// `none` (it reads the feed), `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// When it acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// The newest logouts, and where the next page begins; none if this is the last.
///
/// # Errors
/// [`Refused::Failed`].
pub async fn list(app: &App, before: i64, limit: u32) -> Result<(Vec<LogoutSummary>, Option<i64>), Refused> {
    app.answering("listing logouts", async {
        let mut conn = app.connection().await?;
        let rows = logouts::list(&mut conn, before, i64::from(limit)).await?;
        drop(conn);
        let snapshot = app.renewed().await?;
        let full = u32::try_from(rows.len()).is_ok_and(|found| found == limit);
        let next = rows.last().filter(|_| full).map(|last| last.id.0);
        let lines = rows.into_iter().map(|row| LogoutSummary {
            id: row.id.0,
            identity_provider: row.idp.and_then(|idp| snapshot.by_id(idp)).map(|idp| idp.slug.clone()),
            trigger: row.trigger,
            started_at: row.started_at,
            deadline: row.deadline,
            finished_at: row.finished_at,
            sessions_ended: row.sessions_ended,
            verdict: row.verdict,
            status: row.status,
        });
        Ok((lines.collect(), next))
    })
    .await
}

/// One logout by its number. An application sees those of sessions in which it took part.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn show(app: &App, caller: &Caller, id: i64) -> Result<LogoutView, Refused> {
    app.answering("looking at a logout", async {
        let mut conn = app.connection().await?;
        if let Role::Application(application) = caller.role
            && logouts::told(&mut conn, LogoutId(id), Some(application), 1).await?.is_empty()
        {
            return Err(Refused::NotFound.into());
        }
        view(app, &mut conn, caller, LogoutId(id)).await?.ok_or(Halt::Refused(Refused::NotFound))
    })
    .await
}

/// A logout that the caller may see.
pub(in crate::app) async fn view(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    id: LogoutId,
) -> Result<Option<LogoutView>, StoreError> {
    let Some(row) = logouts::by_id(conn, id).await? else { return Ok(None) };
    let LogoutRow { trigger, started_at, deadline, finished_at, verdict, status, .. } = row;
    let legs = legs::of_logout(conn, id).await?;
    let told = logouts::told(conn, id, caller.role.application(), MOST_SHOWN).await?;
    let snapshot = app.0.registry.renew(conn).await?;
    let slug = |idp| snapshot.by_id(idp).map(|idp| idp.slug.clone());
    Ok(Some(LogoutView {
        id: id.0,
        trigger,
        started_at,
        deadline,
        finished_at,
        identity_provider: row.idp.and_then(slug),
        verdict,
        status,
        identity_providers: legs
            .into_iter()
            .map(|leg| LegView {
                behind: behind::of(app, &leg).map(behind_view),
                identity_provider: leg.idp.and_then(slug).or(leg.oidc.map(|oidc| oidc.provider)),
                state: legs::state_name(leg.state),
                asked_at: leg.asked_at,
                answer: leg.answer,
            })
            .collect(),
        applications: told
            .into_iter()
            .map(|told| ToldView {
                application: told.slug,
                session: told.sid,
                state: told.state,
                acknowledged_at: told.acknowledged_at,
            })
            .collect(),
    }))
}
