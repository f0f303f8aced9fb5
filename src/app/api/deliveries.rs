//! Deliveries over the API: what applications were told. An application sees its own.

use super::once::{self, Kept, Once};
use super::{Halt, Refused};
use crate::app::App;
use crate::app::deliveries::{self, DeliveryFault, DeliveryView};
use crate::app::tokens::{Caller, Role};
use crate::store::applications;

/// Deliveries after that number, the oldest first: of the caller's application, or, for an operator, of
/// the named one or of all.
///
/// # Errors
/// [`Refused::NotFound`] if the caller may not see the named application's, [`Refused::Unprocessable`]
/// if there is none of that name, [`Refused::Failed`].
pub async fn list(
    app: &App,
    caller: &Caller,
    application: Option<&str>,
    after: i64,
    limit: u32,
) -> Result<Vec<DeliveryView>, Refused> {
    app.answering("listing deliveries", async {
        let wanted = match application {
            Some(slug) => {
                let mut conn = app.connection().await?;
                applications::by_slug(&mut conn, slug).await?.map(|row| Some(row.id))
            }
            None => Some(caller.role.application()),
        };
        let wanted = match (caller.role, wanted) {
            (Role::Application(own), Some(Some(asked))) if own == asked => Some(own),
            (Role::Application(_), _) => return Err(Refused::NotFound.into()),
            (_, Some(asked)) => asked,
            (_, None) => {
                return Err(Refused::unprocessable("application", "there is none of that name").into());
            }
        };
        Ok(deliveries::list(app, wanted, after, limit).await?)
    })
    .await
}

/// One delivery by its number.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn show(app: &App, caller: &Caller, id: i64) -> Result<DeliveryView, Refused> {
    app.answering("looking at a delivery", async {
        if let Role::Application(own) = caller.role
            && !deliveries::is_of(app, id, own).await?
        {
            return Err(Refused::NotFound.into());
        }
        deliveries::show(app, id).await?.ok_or(Halt::Refused(Refused::NotFound))
    })
    .await
}

/// Makes a delivery due at once, for another day, whatever became of it before.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Conflict`] if it has nobody to go to, [`Refused::Failed`], and those
/// of [`once`].
pub async fn retry(app: &App, caller: &Caller, id: i64, once: Option<&Once>) -> Result<Kept, Refused> {
    let answer = app
        .answering("telling an application again", async {
            let mut tx = app.begin().await?;
            if let Some(kept) = once::claim(app, &mut tx, once).await? {
                return Ok(kept);
            }
            let view = deliveries::retry_within(app, &mut tx, Some(caller.token), id).await?;
            let answer = once::keep(app, &mut tx, once, Kept::new(200, None, &view)?).await?;
            tx.commit().await?;
            Ok(answer)
        })
        .await?;
    app.0.notify_bell.notify_one();
    Ok(answer)
}

impl From<DeliveryFault> for Halt {
    fn from(fault: DeliveryFault) -> Self {
        let reason = fault.to_string();
        match fault {
            DeliveryFault::Unknown(_) => Refused::NotFound.into(),
            DeliveryFault::NobodyToTell(_) => Refused::Conflict(reason).into(),
            DeliveryFault::Store(error) => error.into(),
        }
    }
}
