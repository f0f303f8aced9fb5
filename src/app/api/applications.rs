//! Applications over the API: what [`applications`] does, in the name of a token and once.

use super::once::{self, Kept, Once};
use super::{Halt, Refused};
use crate::app::App;
use crate::app::applications::{self, ApplicationError, ApplicationView, ChangedApplication, NewApplication};
use crate::app::tokens::Caller;

/// All applications, by public name.
///
/// # Errors
/// [`Refused::Failed`].
pub async fn list(app: &App) -> Result<Vec<ApplicationView>, Refused> {
    app.answering("listing applications", async { Ok(applications::list(app).await?) }).await
}

/// One application by its public name.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn show(app: &App, id: &str) -> Result<ApplicationView, Refused> {
    app.answering("looking at an application", async { Ok(applications::show(app, id).await?) }).await
}

/// Registers an application. The secret of a webhook is in the answer, this once.
///
/// # Errors
/// [`Refused::Unprocessable`], [`Refused::Conflict`], [`Refused::Failed`], and those of [`once`].
pub async fn create(
    app: &App,
    caller: &Caller,
    wanted: &NewApplication,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    app.answering("registering an application", async {
        let mut tx = app.begin().await?;
        if let Some(kept) = once::claim(app, &mut tx, once).await? {
            return Ok(kept);
        }
        let created = applications::create_within(app, &mut tx, Some(caller.token), wanted).await?;
        let location = format!("/api/v1/applications/{}", created.view.id);
        let answer = once::keep(app, &mut tx, once, Kept::new(201, Some(location), &created)?).await?;
        applications::committed(app, tx).await?;
        Ok(answer)
    })
    .await
}

/// Changes an application: all that is named, or nothing.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Unprocessable`], [`Refused::Failed`].
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    wanted: &ChangedApplication,
) -> Result<ApplicationView, Refused> {
    app.answering("changing an application", async {
        Ok(applications::update_by(app, Some(caller.token), id, wanted).await?)
    })
    .await
}

/// Deletes an application with its tokens and its parts in sessions.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn remove(app: &App, caller: &Caller, id: &str) -> Result<(), Refused> {
    app.answering("deleting an application", async {
        Ok(applications::delete_by(app, Some(caller.token), id).await?)
    })
    .await
}

impl From<ApplicationError> for Halt {
    fn from(error: ApplicationError) -> Self {
        let reason = error.to_string();
        match (error.field(), error) {
            (Some(field), _) => Refused::Unprocessable { field, reason }.into(),
            (None, ApplicationError::Store(error)) => error.into(),
            (None, ApplicationError::Entropy(error)) => error.into(),
            (None, ApplicationError::Unknown(_)) => Refused::NotFound.into(),
            (None, _) => Refused::Conflict(reason).into(),
        }
    }
}
