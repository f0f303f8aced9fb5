//! A page that holds a session cookie waits for the end of its session.

use crate::app::lookout::Watch;
use crate::app::places::Place;
use crate::app::{App, DATABASE_PATIENCE, SessionToken};
use crate::store::{StoreError, sessions};

/// What there is to wait for.
pub enum Awaited {
    /// The session lives; it is watched from now on.
    Alive(Vigil),
    /// It is over.
    Over {
        /// Its public name.
        session_id: String,
    },
    /// No session ever had this cookie, or it is forgotten.
    Unknown,
}

/// Somebody waits for the end of one session.
pub struct Vigil {
    /// The session's public name.
    pub session_id: String,
    watch: Watch,
    _place: Place,
}

/// Why nobody can wait.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Too many pages wait already.
    #[error("too many pages wait for the end of their session")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to wait for the end of a cookie's session. An open page does not count as use: the session
/// idles on.
///
/// # Errors
/// [`WaitError`].
pub async fn wait(app: &App, token: &SessionToken) -> Result<Awaited, WaitError> {
    let looking = async {
        let mut conn = app.connection().await?;
        sessions::by_cookie(&mut conn, token.hash()).await
    };
    let found = tokio::time::timeout(DATABASE_PATIENCE, looking).await.unwrap_or(Err(StoreError::Late))?;
    let Some(session) = found else { return Ok(Awaited::Unknown) };
    let session_id = session.public_id.clone();
    if !session.is_alive(app.alive()) {
        return Ok(Awaited::Over { session_id });
    }
    let place = app.0.lookout.pages.take(session.id.0).ok_or(WaitError::Full)?;
    Ok(Awaited::Alive(Vigil { session_id, watch: app.watch(session.id), _place: place }))
}

impl Vigil {
    /// Returns when the session is over.
    pub async fn over(&self) {
        self.watch.over().await;
    }
}
