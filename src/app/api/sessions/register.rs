//! An application registers a session of its own.

use sqlx::PgConnection;

use super::{Halt, Refused, view};
use crate::app::App;
use crate::app::api::once::{self, Kept, Once};
use crate::app::tokens::{Caller, Role};
use crate::saml::names::NameId;
use crate::store::oidc::{self, Subject};
use crate::store::participations::{self, NewParticipation, Parent};
use crate::store::{ApplicationId, application_sessions, audit, legs, sessions};

/// The most sessions of its own that an application has under one session.
const MOST: i64 = 100;
/// The longest name, and the longest `sid`, in characters.
const LONGEST: usize = 256;
/// The longest part of a NameID, in characters.
const LONGEST_NAME: usize = 1024;
/// The most SessionIndex values.
const MOST_INDEXES: usize = 20;

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
    /// Context, where we are no participant.
    pub subject: Option<String>,
    /// The identity provider for which the OpenID provider is the service provider, as it calls it.
    /// This, or the name or an index out of its assertion, says that there is one.
    pub connection: Option<String>,
}

/// What an application session hangs under.
#[derive(Debug, Clone)]
pub enum Under {
    /// A session of ours, by its public name: to present that is the right to register.
    Session(String),
    /// A session of an OpenID provider, whose logout tokens we receive.
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
    check(app, wanted)?;
    app.answering("registering an application session", async {
        let mut tx = app.begin().await?;
        if let Some(kept) = once::claim(app, &mut tx, once).await? {
            return Ok(kept);
        }
        let now = app.now();
        let (parent, there) = lock(app, &mut tx, application, &wanted.under).await?;
        if there >= MOST {
            let reason = format!("the application has {MOST} sessions of its own under this one already");
            return Err(Refused::Conflict(reason).into());
        }
        let id = app.0.entropy.handle_128()?;
        let new = NewParticipation {
            public_id: &id,
            application,
            parent,
            reference: wanted.reference.as_deref(),
            name_id: wanted.name_id.as_ref(),
            session_indexes: &wanted.session_indexes,
            subject: wanted.subject.as_deref(),
            connection: wanted.connection.as_deref(),
        };
        participations::register(&mut tx, &new, now).await?;
        let what = "registered an application session";
        audit::add(&mut tx, &app.changed_by(Some(caller.token), "/api/v1/sessions", what)).await?;
        let own = application_sessions::by_public_id(&mut tx, &id).await?.ok_or(Refused::NotFound)?;
        let view = view::application_session(app, &mut tx, caller, own).await?;
        let answer = Kept::new(201, Some(format!("/api/v1/sessions/{id}")), &view)?;
        let answer = once::keep(app, &mut tx, once, answer).await?;
        tx.commit().await?;
        Ok::<_, Halt>(answer)
    })
    .await
}

/// Locks what it is to hang under and sees that it lives; says how many the application has there.
async fn lock<'w>(
    app: &App,
    conn: &mut PgConnection,
    application: ApplicationId,
    under: &'w Under,
) -> Result<(Parent<'w>, i64), Halt> {
    let over = || Refused::Conflict(String::from("the session is over"));
    match under {
        Under::Session(public_id) => {
            let found = sessions::by_public_id(conn, public_id).await?.ok_or(Refused::NotFound)?;
            let session = sessions::lock(conn, found.id).await?.ok_or(Refused::NotFound)?;
            if !session.is_alive(app.alive()) {
                return Err(over().into());
            }
            let there = application_sessions::count(conn, session.id, application).await?;
            Ok((Parent::Session(session.id), there))
        }
        Under::Oidc { issuer, sid } => {
            let now = app.now();
            oidc::lock(conn, issuer, Subject::Sid(sid), now).await?;
            // Its end may have been said before this: then it comes too late (OIDC-10).
            let barred = oidc::is_sid_barred(conn, issuer, sid, now).await?;
            if barred || legs::is_leaving(conn, issuer, Some(sid), None, now, now).await? {
                return Err(over().into());
            }
            let there = application_sessions::count_under_sid(conn, issuer, sid, application).await?;
            Ok((Parent::Oidc { issuer, sid }, there))
        }
    }
}

fn check(app: &App, wanted: &Registration) -> Result<(), Refused> {
    let fits = |text: &String, longest| !text.is_empty() && text.chars().count() <= longest;
    if wanted.reference.as_ref().is_some_and(|reference| !fits(reference, LONGEST)) {
        return Err(Refused::unprocessable("reference", "expected 1 to 256 characters"));
    }
    match &wanted.under {
        Under::Session(_) => {
            let known = "the session's own is known; this is context for sessions of an OpenID provider";
            if wanted.name_id.is_some() {
                return Err(Refused::unprocessable("name_id", known));
            }
            if !wanted.session_indexes.is_empty() {
                return Err(Refused::unprocessable("session_indexes", known));
            }
            for (field, context) in [("subject", &wanted.subject), ("connection", &wanted.connection)] {
                if context.is_some() {
                    return Err(Refused::unprocessable(field, known));
                }
            }
        }
        Under::Oidc { issuer, sid } => {
            if !app.0.settings.oidc.iter().any(|provider| provider.issuer == *issuer) {
                return Err(Refused::unprocessable(
                    "issuer",
                    "no OpenID provider of that issuer is configured",
                ));
            }
            if !fits(sid, LONGEST) {
                return Err(Refused::unprocessable("sid", "expected 1 to 256 characters"));
            }
            for (field, context) in [("subject", &wanted.subject), ("connection", &wanted.connection)] {
                if context.as_ref().is_some_and(|context| !fits(context, LONGEST)) {
                    return Err(Refused::unprocessable(field, "expected 1 to 256 characters"));
                }
            }
            let name = wanted.name_id.as_ref();
            if name.is_some_and(|name| {
                let more = [&name.format, &name.name_qualifier, &name.sp_name_qualifier];
                !fits(&name.value, LONGEST_NAME)
                    || !more.into_iter().flatten().all(|text| fits(text, LONGEST_NAME))
            }) {
                return Err(Refused::unprocessable("name_id", "expected 1 to 1024 characters"));
            }
            let indexes = &wanted.session_indexes;
            if indexes.len() > MOST_INDEXES || !indexes.iter().all(|index| fits(index, LONGEST)) {
                return Err(Refused::unprocessable(
                    "session_indexes",
                    "expected at most 20, of 1 to 256 characters",
                ));
            }
        }
    }
    Ok(())
}
