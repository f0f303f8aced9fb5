//! What applications were told, as operators see it, and telling one again by hand.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::app::App;
use crate::outbox::retry;
use crate::store::notifications::{self, NotificationRow};
use crate::store::{ApplicationId, LogoutId, NotificationId, StoreError, TokenId, audit};

/// The longest list.
const LONGEST: u32 = 1_000;

/// One notification and what became of it. It names no principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeliveryView {
    /// Its number.
    #[schema(value_type = i64)]
    pub id: NotificationId,
    /// The application's public name; none if it is gone.
    pub application: Option<String>,
    /// The public name of the session that ended.
    pub session_id: String,
    /// The application's own sessions that were over with it.
    pub participations: Vec<String>,
    /// By what it ended.
    pub reason: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The logout that ended it.
    #[schema(value_type = Option<i64>)]
    pub logout: Option<LogoutId>,
    /// Whether it counts for Success.
    pub counts_for_success: bool,
    /// `none` (the application reads its feed), `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next, while it is pending.
    pub due_at: Option<DateTime<Utc>>,
    /// When the application acknowledged it.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last answer.
    pub http_status: Option<i32>,
    /// What was wrong with the last try.
    pub last_error: Option<String>,
}

/// Why a notification is not told again.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryFault {
    /// There is none of that number.
    #[error("there is no delivery {0}")]
    Unknown(i64),
    /// Its application reads its feed, or is gone.
    #[error("delivery {0} has nobody to go to: its application reads its feed, or was deleted")]
    NobodyToTell(i64),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notifications after that number, the oldest first, of one application or of all; at most a thousand.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    app: &App,
    application: Option<ApplicationId>,
    after: i64,
    limit: u32,
) -> Result<Vec<DeliveryView>, StoreError> {
    let mut conn = app.connection().await?;
    let rows = notifications::list(&mut conn, application, after, limit.min(LONGEST).into()).await?;
    Ok(rows.into_iter().map(view).collect())
}

/// One notification by its number.
///
/// # Errors
/// [`StoreError`].
pub async fn show(app: &App, id: i64) -> Result<Option<DeliveryView>, StoreError> {
    let mut conn = app.connection().await?;
    Ok(notifications::by_id(&mut conn, NotificationId(id)).await?.map(view))
}

/// Whether a notification is for that application: what a caller of that role may see.
///
/// # Errors
/// [`StoreError`].
pub async fn is_of(app: &App, id: i64, application: ApplicationId) -> Result<bool, StoreError> {
    let mut conn = app.connection().await?;
    let found = notifications::list(&mut conn, Some(application), id.saturating_sub(1), 1).await?;
    Ok(found.first().is_some_and(|row| row.id.0 == id))
}

/// Makes a notification due at once, for another day, whatever became of it before.
///
/// # Errors
/// [`DeliveryFault`].
pub async fn retry(app: &App, id: i64) -> Result<DeliveryView, DeliveryFault> {
    let mut tx = app.begin().await?;
    let again = retry_within(app, &mut tx, None, id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    app.0.notify_bell.notify_one();
    Ok(again)
}

/// The same in the caller's transaction, in the name of a token or, without one, of a command; the caller
/// then rings the bell.
pub(in crate::app) async fn retry_within(
    app: &App,
    conn: &mut PgConnection,
    by: Option<TokenId>,
    id: i64,
) -> Result<DeliveryView, DeliveryFault> {
    let now = app.now();
    let due = notifications::redeliver(conn, NotificationId(id), now, now + retry::TOLD_FOR).await?;
    let row = notifications::by_id(conn, NotificationId(id)).await?.ok_or(DeliveryFault::Unknown(id))?;
    if !due {
        return Err(DeliveryFault::NobodyToTell(id));
    }
    let what = format!("told again: delivery {id}");
    audit::add(conn, &app.changed_by(by, "/api/v1/deliveries/{id}/retry", &what)).await?;
    tracing::info!(delivery = id, application = row.application, "a notification is told again by hand");
    Ok(view(row))
}

fn view(row: NotificationRow) -> DeliveryView {
    DeliveryView {
        id: row.id,
        application: row.application,
        session_id: row.sid,
        participations: row.participations,
        reason: row.reason,
        ended_at: row.ended_at,
        logout: row.logout,
        counts_for_success: row.counts,
        due_at: (row.state == "pending").then_some(row.due_at),
        state: row.state,
        attempts: row.attempts,
        acknowledged_at: row.acknowledged_at,
        http_status: row.http_status,
        last_error: row.last_error,
    }
}
