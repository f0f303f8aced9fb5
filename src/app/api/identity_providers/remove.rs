//! An identity provider is removed, and what rests on it ends.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::app::api::{Halt, Refused};
use crate::app::sweep::{self, Batch, Note};
use crate::app::tokens::Caller;
use crate::app::{App, Fault, idps};
use crate::store::sweeps::NewSweep;
use crate::store::{TokenId, audit, identity_providers};

/// What the removal of an identity provider ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Removed {
    /// How many sessions rested on it and are over.
    pub sessions_ended: u64,
    /// Whether that is all of them. If not, there were too many to be waited for, and the rest is being
    /// ended.
    pub complete: bool,
}

/// Removes an identity provider, by slug or entity ID: it is known to nobody any more, and every session
/// that rests on it ends whole. It is not told, because what it says does not count any more; applications
/// and the other identity providers of those sessions are.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn remove(app: &App, caller: &Caller, name: &str) -> Result<Removed, Refused> {
    remove_by(app, Some(caller.token), name).await
}

/// The same for whoever has the command line.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn remove_by_command(app: &App, name: &str) -> Result<Removed, Refused> {
    remove_by(app, None, name).await
}

async fn remove_by(app: &App, by: Option<TokenId>, name: &str) -> Result<Removed, Refused> {
    let (sweep, mut asked) = app
        .answering("removing an identity provider", async {
            let entity_id = idps::show(app, name).await?.entity_id;
            let mut tx = app.begin().await?;
            // Sign-ins hold the row: none that has begun is missed, and none begins any more.
            let row = identity_providers::lock(&mut tx, &entity_id).await?;
            let row = row.filter(|row| row.removed_at.is_none()).ok_or(Halt::Refused(Refused::NotFound))?;
            identity_providers::remove(&mut tx, row.id, app.now()).await?;
            let snapshot = app.0.registry.snapshot().without(row.id);
            let wanted = NewSweep { idp: row.id, principal: None, by_admin: true, token: by };
            let (sweep, batch) = sweep::begin_within(app, &mut tx, &snapshot, wanted).await?;
            let what = format!("removed identity provider {} ({entity_id})", row.slug);
            let entry = app.changed_by(by, "/api/v1/identity-providers/{name}", &what);
            audit::add(&mut tx, &entry).await?;
            let mut asked = Asked(Removed { sessions_ended: 0, complete: false });
            tx.commit().await?;
            asked.count(&batch);
            app.swept();
            tracing::info!(idp = row.slug, entity_id, "identity provider removed");
            Ok((sweep, asked))
        })
        .await?;
    if !asked.0.complete {
        asked.0.complete = sweep::go_on(app, sweep, &mut asked).await;
    }
    app.answering("reading identity providers anew", async { Ok(app.renewed().await.map(drop)?) }).await?;
    Ok(asked.0)
}

struct Asked(Removed);

impl Note for Asked {
    async fn note(&self, _: &mut PgConnection, _: &Batch) -> Result<(), Fault> {
        Ok(())
    }

    fn count(&mut self, batch: &Batch) {
        self.0.sessions_ended += u64::try_from(batch.ended.len()).unwrap_or(u64::MAX);
        self.0.complete = batch.done;
    }
}
