//! An application registers a session of its own.

use super::{Halt, Refused, view};
use crate::app::App;
use crate::app::api::once::{self, Kept, Once};
use crate::app::tokens::{Caller, Role};
use crate::saml::names::NameId;
use crate::store::participations::{self, NewParticipation, Parent};
use crate::store::{application_sessions, audit, sessions};

/// The most sessions of its own that an application has under one session.
const MOST: i64 = 100;
/// The longest name that an application gives to its own session.
const REFERENCE_LENGTH: usize = 256;

/// A session to be registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Under what.
    pub under: Under,
    /// The application's own name for it.
    pub reference: Option<String>,
    /// Context, where we are no participant.
    pub name_id: Option<NameId>,
    /// Context, where we are no participant.
    pub session_indexes: Vec<String>,
}

/// What an application session hangs under.
#[derive(Debug, Clone)]
pub enum Under {
    /// A session of ours, by its public name: to present that is the right to register.
    Session(String),
    /// A session of an OpenID provider.
    Oidc {
        /// Its issuer.
        issuer: String,
        /// Its `sid`.
        sid: String,
    },
}

/// Registers an application's own session, under the lock on the session it hangs under and seen
/// alive: from then on its application is told of the end.
///
/// # Errors
/// [`Refused::Forbidden`], [`Refused::Unprocessable`], [`Refused::NotFound`], [`Refused::Conflict`] if
/// the session is over, and those of [`once`].
pub async fn register(
    app: &App,
    caller: &Caller,
    wanted: &Registration,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    let Role::Application(application) = caller.role else {
        return Err(Refused::Forbidden("only an application registers sessions of its own"));
    };
    let parent = checked(wanted)?;
    app.answering("registering an application session", async {
        let mut tx = app.begin().await?;
        if let Some(kept) = once::claim(app, &mut tx, once).await? {
            return Ok(kept);
        }
        let found = sessions::by_public_id(&mut tx, parent).await?.ok_or(Refused::NotFound)?;
        let session = sessions::lock(&mut tx, found.id).await?.ok_or(Refused::NotFound)?;
        if !session.is_alive(app.alive()) {
            return Err(Refused::Conflict(String::from("the session is over")).into());
        }
        if application_sessions::count(&mut tx, session.id, application).await? >= MOST {
            let reason = format!("the application has {MOST} sessions of its own under this one already");
            return Err(Refused::Conflict(reason).into());
        }
        let now = app.now();
        let id = app.0.entropy.handle_128()?;
        let new = NewParticipation {
            public_id: &id,
            application,
            parent: Parent::Session(session.id),
            reference: wanted.reference.as_deref(),
            name_id: None,
            session_indexes: &[],
        };
        participations::register(&mut tx, &new, now).await?;
        let entry =
            app.changed_by(Some(caller.token), "/api/v1/sessions", "registered an application session");
        audit::add(&mut tx, &entry).await?;
        let own = application_sessions::by_public_id(&mut tx, &id).await?.ok_or(Refused::NotFound)?;
        let view = view::application_session(app, &mut tx, caller, own).await?;
        let answer = Kept::new(201, Some(format!("/api/v1/sessions/{id}")), &view)?;
        let answer = once::keep(app, &mut tx, once, answer).await?;
        tx.commit().await?;
        Ok::<_, Halt>(answer)
    })
    .await
}

/// The session to register under.
fn checked(wanted: &Registration) -> Result<&str, Refused> {
    let long = |reference: &String| reference.is_empty() || reference.chars().count() > REFERENCE_LENGTH;
    if wanted.reference.as_ref().is_some_and(long) {
        return Err(Refused::unprocessable("reference", "expected 1 to 256 characters"));
    }
    let session = match &wanted.under {
        Under::Session(session) => session,
        Under::Oidc { .. } => {
            return Err(Refused::unprocessable("issuer", "no OpenID provider of that issuer is configured"));
        }
    };
    let known = "the session's own is known; this is context for sessions of an OpenID provider";
    if wanted.name_id.is_some() {
        return Err(Refused::unprocessable("name_id", known));
    }
    if !wanted.session_indexes.is_empty() {
        return Err(Refused::unprocessable("session_indexes", known));
    }
    Ok(session)
}
