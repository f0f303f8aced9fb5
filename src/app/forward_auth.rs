//! A proxy asks, for each request to an application, whether the browser's session lives.

use url::Url;

use crate::app::session::{self, SessionView};
use crate::app::{App, DATABASE_PATIENCE, ReturnTarget, SessionToken};
use crate::entropy::EntropyError;
use crate::store::{ApplicationId, SessionId, StoreError, applications, participations, sessions};

/// What a proxy is told about a live session.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The session.
    pub session: SessionView,
    /// The public name of the application, if the original address is at a registered origin. It
    /// takes part in the session from now on.
    pub application: Option<String>,
}

/// Whether the session lives could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// An application's part could be given no name.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The session of a cookie, if it lives; the application at the origin of the original address takes
/// part in it from then on, so that it is told of the end. Only the first time writes anything.
///
/// # Errors
/// [`CheckError`].
pub async fn check(
    app: &App,
    token: &SessionToken,
    original: Option<&Url>,
) -> Result<Option<Admitted>, CheckError> {
    let checking = async {
        let mut conn = app.connection().await?;
        let Some((id, session)) = session::look(app, &mut conn, token).await? else { return Ok(None) };
        let Some(origin) = original.map(|url| url.origin().ascii_serialization()) else {
            return Ok(Some(Admitted { session, application: None }));
        };
        let Some(found) = applications::at_origin(&mut conn, &origin, id).await? else {
            if app.0.origins.is_new_stranger(&origin) {
                tracing::warn!(
                    origin,
                    "a proxy asks for an origin that no application has registered: the session is confirmed, \
                     but nobody there is told of its end"
                );
            }
            return Ok(Some(Admitted { session, application: None }));
        };
        drop(conn);
        if !found.takes_part && !take_part(app, id, found.id).await? {
            return Ok(None);
        }
        Ok(Some(Admitted { session, application: Some(found.slug) }))
    };
    tokio::time::timeout(DATABASE_PATIENCE, checking).await.unwrap_or(Err(StoreError::Late.into()))
}

/// Where to sign in and come back from, if the original address is at a registered origin.
///
/// # Errors
/// [`StoreError`].
pub async fn sign_in_target(app: &App, original: &Url) -> Result<Option<ReturnTarget>, StoreError> {
    let origin = original.origin().ascii_serialization();
    let looking = async {
        let mut conn = app.connection().await?;
        applications::by_origin(&mut conn, &origin).await
    };
    let found = tokio::time::timeout(DATABASE_PATIENCE, looking).await.unwrap_or(Err(StoreError::Late))?;
    let known = found.map(|application| application.origins).unwrap_or_default();
    Ok(ReturnTarget::parse(original.as_str(), &app.0.settings.base_url, &known))
}

/// Notes the application's part under the lock on the session, so that its end does not go by
/// unnoticed; false if the session is over by now.
async fn take_part(app: &App, session: SessionId, application: ApplicationId) -> Result<bool, CheckError> {
    let public_id = app.0.entropy.handle_128()?;
    let mut tx = app.begin().await?;
    let alive = app.alive();
    if sessions::lock(&mut tx, session).await?.is_none_or(|session| !session.is_alive(alive)) {
        return Ok(false);
    }
    participations::note_forward_auth(&mut tx, &public_id, session, application, alive.now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(true)
}
