//! Logouts of many sessions: all of a principal, or all that rest on an identity provider.

use sqlx::PgConnection;

use super::start::Begin;
use super::{Refused, Started, StartedLogout};
use crate::app::api::once::{self, Kept, Once};
use crate::app::registry::Snapshot;
use crate::app::sweep::{self, Batch, Note};
use crate::app::tokens::{Caller, Role};
use crate::app::{App, Fault, worker};
use crate::saml::names::NameId;
use crate::store::LogoutId;
use crate::store::sweeps::NewSweep;

/// The most logouts that an answer lists.
const MOST_LISTED: usize = 1_000;

/// Ends all sessions of a principal or of an identity provider. The first batch, the order to end the
/// rest and the answer that is kept under an idempotency key are one transaction; that answer then grows
/// with each batch. Where it is one session, its others are told before the answer; else there may be too
/// many to be waited for.
///
/// # Errors
/// [`Refused`].
pub(super) async fn start(
    app: &App,
    caller: &Caller,
    identity_provider: &str,
    name_id: Option<&NameId>,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    let first = app
        .answering("starting logouts", async {
            let snapshot = app.renewed().await?;
            let wanted = order(app, &snapshot, caller, identity_provider, name_id)?;
            let mut tx = app.begin().await?;
            if let Some(kept) = once::claim(app, &mut tx, once).await? {
                return Ok(Err(kept));
            }
            let (sweep, batch) = sweep::begin_within(app, &mut tx, &snapshot, wanted).await?;
            let mut asked = Asked::new(app, once);
            asked.note(&mut tx, &batch).await?;
            tx.commit().await?;
            asked.count(&batch);
            app.swept();
            Ok(Ok((sweep, asked)))
        })
        .await?;
    let (id, mut asked) = match first {
        Ok(first) => first,
        Err(kept) => return Ok(kept),
    };
    if !asked.view.complete {
        asked.view.complete = sweep::go_on(app, id, &mut asked).await;
    }
    tracing::info!(
        logouts = asked.view.sessions_ended,
        complete = asked.view.complete,
        token = caller.token.0,
        "logouts were started over the API"
    );
    if let ([logout], true) = (asked.view.logouts.as_slice(), asked.view.complete) {
        worker::deliver_now(app, LogoutId(logout.id)).await;
    }
    app.answering("answering for logouts", async { Ok(answer(asked.view)?) }).await
}

/// What the answer to an order is, so far.
struct Asked<'a> {
    app: &'a App,
    once: Option<&'a Once>,
    view: Started,
}

impl<'a> Asked<'a> {
    fn new(app: &'a App, once: Option<&'a Once>) -> Self {
        let view = Started { logouts: Vec::new(), sessions_ended: 0, complete: false, continue_url: None };
        Self { app, once, view }
    }

    /// What the answer is with that batch.
    fn with(&self, batch: &Batch) -> Started {
        let mut view = self.view.clone();
        view.sessions_ended += u64::try_from(batch.ended.len()).unwrap_or(u64::MAX);
        let room = MOST_LISTED.saturating_sub(view.logouts.len());
        view.logouts.extend(
            batch
                .ended
                .iter()
                .take(room)
                .map(|swept| StartedLogout { id: swept.logout.0, session: Some(swept.session.clone()) }),
        );
        view.complete = batch.done;
        view
    }
}

impl Note for Asked<'_> {
    async fn note(&self, conn: &mut PgConnection, batch: &Batch) -> Result<(), Fault> {
        once::keep(self.app, conn, self.once, answer(self.with(batch))?).await?;
        Ok(())
    }

    fn count(&mut self, batch: &Batch) {
        self.view = self.with(batch);
    }
}

fn answer(view: Started) -> Result<Kept, Fault> {
    let status = if view.sessions_ended == 0 { 200 } else { 201 };
    let begin = Begin { status, view };
    Kept::new(status, begin.location(), &begin.view)
}

/// What a principal or identity provider means, as an order.
fn order(
    app: &App,
    snapshot: &Snapshot,
    caller: &Caller,
    identity_provider: &str,
    name_id: Option<&NameId>,
) -> Result<NewSweep, Refused> {
    let unknown = || Refused::unprocessable("identity_provider", "there is none of that name");
    let idp = snapshot.named(identity_provider).ok_or_else(unknown)?;
    Ok(NewSweep {
        idp: idp.id,
        principal: name_id.map(|name_id| name_id.principal_key(&idp.entity_id, &app.0.me.entity_id)),
        by_admin: caller.role == Role::Admin,
        token: Some(caller.token),
    })
}
