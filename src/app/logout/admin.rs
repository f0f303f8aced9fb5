//! An administrator signs somebody out.

use super::begin::{begin, lock_alive};
use crate::app::{App, Fault, worker};
use crate::logout::plan::Trigger;
use crate::store::logouts::NewLogout;
use crate::store::{LogoutId, sessions};

/// What an administrator's logout came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedByAdmin {
    /// The session is over; the identity providers are told, where that is possible without a
    /// browser (SLO-46).
    Ended(LogoutId),
    /// It was over before.
    AlreadyOver,
    /// There is no session of that name.
    Unknown,
}

/// Why an administrator's logout did not happen: a fault of ours, with the name under which the log
/// knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the session could not be ended (incident {0})")]
pub struct AdminFault(pub String);

/// Ends a session by its public name, without a browser (SLO-46).
///
/// # Errors
/// [`AdminFault`]; the session may be alive.
pub async fn end_by_admin(app: &App, session_id: &str) -> Result<EndedByAdmin, AdminFault> {
    let ended = app.patiently(try_end_by_admin(app, session_id)).await;
    let ended = ended.map_err(|fault| AdminFault(app.fault("ending a session", &fault)))?;
    if let EndedByAdmin::Ended(logout) = ended {
        worker::deliver_now(app, logout).await;
    }
    Ok(ended)
}

async fn try_end_by_admin(app: &App, session_id: &str) -> Result<EndedByAdmin, Fault> {
    let snapshot = app.renewed().await?;
    let mut tx = app.begin().await?;
    let Some(found) = sessions::by_public_id(&mut tx, session_id).await? else {
        return Ok(EndedByAdmin::Unknown);
    };
    let Some(session) = lock_alive(app, &mut tx, Some(found)).await? else {
        return Ok(EndedByAdmin::AlreadyOver);
    };
    let handle = app.0.entropy.handle_128()?;
    let new = NewLogout { handle: &handle, trigger: Trigger::Admin, return_to: None };
    let begun = begin(app, &mut tx, &snapshot, &session, new, false).await?;
    tx.commit().await?;
    app.session_ended();
    tracing::info!(logout.id = begun.id.0, session = session_id, "an administrator ended a session");
    Ok(EndedByAdmin::Ended(begun.id))
}
