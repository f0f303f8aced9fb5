//! Many sessions end: all of a principal, or all that rest on an identity provider.
//!
//! They end a batch at a time, each batch in one transaction that also writes down how far it came
//! (`logout_sweep`). Whoever was asked works the batches one after the other; if that node is gone, or
//! has run out of time, any node's worker goes on. What began after the order is not meant.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::app::logout::begin::{Telling, begin};
use crate::app::registry::Snapshot;
use crate::app::{App, Fault};
use crate::logout::plan::{Browser, Trigger};
use crate::store::logouts::NewLogout;
use crate::store::session_search::{self, Range};
use crate::store::sweeps::{self, NewSweep, Sweep};
use crate::store::{LogoutId, StoreError, SweepId};

/// The most sessions that end in one transaction.
const BATCH: usize = 100;
/// How long nobody else goes on with an order after the last batch of whoever works it.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// For how long whoever was asked works an order; after that the worker does.
const BUDGET: Duration = Duration::from_secs(20);
/// The most batches in one round of the worker, which has other things to do.
const BATCHES_A_ROUND: u32 = 10;

/// A session that ended, and the logout that ended it.
#[derive(Debug, Clone)]
pub(in crate::app) struct Swept {
    /// Its public name.
    pub(in crate::app) session: String,
    pub(in crate::app) logout: LogoutId,
}

/// What one batch did.
#[derive(Debug)]
pub(in crate::app) struct Batch {
    pub(in crate::app) ended: Vec<Swept>,
    /// Whether the order is done, and gone.
    pub(in crate::app) done: bool,
}

/// What whoever asked makes of each batch.
pub(in crate::app) trait Note {
    /// Writes down what it makes of a batch, in its transaction.
    fn note(&self, conn: &mut PgConnection, batch: &Batch) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Counts a batch, after its commit.
    fn count(&mut self, batch: &Batch);
}

/// Writes the order down and ends the first batch, in the caller's transaction. The caller has renewed
/// the snapshot, and calls [`App::swept`] after the commit.
pub(in crate::app) async fn begin_within(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    wanted: NewSweep,
) -> Result<(SweepId, Batch), Fault> {
    let now = app.now();
    let sweep = sweeps::begin(conn, wanted, now, now + LEASE).await?;
    let batch = batch(app, conn, snapshot, sweep, now + LEASE).await?;
    Ok((sweep.id, batch))
}

/// Ends the other batches of an order, for as long as whoever asked may be kept waiting. Says whether the
/// order is done; what is not is the worker's.
pub(in crate::app) async fn go_on(app: &App, id: SweepId, asked: &mut (impl Note + Send + Sync)) -> bool {
    let until = Instant::now() + BUDGET;
    while Instant::now() < until {
        let next = app.patiently(async {
            let snapshot = app.renewed().await?;
            let mut tx = app.begin().await?;
            // Gone: this node was thought to be dead, and a worker has done the rest.
            let Some(sweep) = sweeps::lock(&mut tx, id).await? else { return Ok(None) };
            let batch = batch(app, &mut tx, &snapshot, sweep, app.now() + LEASE).await?;
            asked.note(&mut tx, &batch).await?;
            tx.commit().await?;
            app.swept();
            Ok(Some(batch))
        });
        match next.await {
            Ok(None) => return true,
            Ok(Some(batch)) => {
                asked.count(&batch);
                if batch.done {
                    return true;
                }
            }
            Err(fault) => {
                app.fault("ending many sessions", &fault);
                break;
            }
        }
    }
    if let Err(error) = release(app, id).await {
        tracing::warn!(%error, "the rest of the sessions to be ended waits until a lease runs out");
    }
    false
}

/// Goes on with orders that nobody works any more; says how many sessions that ended.
pub(in crate::app) async fn work_due(app: &App) -> Result<u64, Fault> {
    let mut all = 0;
    for _ in 0..BATCHES_A_ROUND {
        let snapshot = app.renewed().await?;
        let mut tx = app.begin().await?;
        let Some(sweep) = sweeps::lock_next(&mut tx, app.now()).await? else { return Ok(all) };
        // Whoever comes by next may go on.
        let batch = batch(app, &mut tx, &snapshot, sweep, app.now()).await?;
        tx.commit().await?;
        app.swept();
        all += u64::try_from(batch.ended.len()).unwrap_or(u64::MAX);
        tracing::info!(sweep = sweep.id.0, sessions = batch.ended.len(), "went on ending many sessions");
    }
    Ok(all)
}

async fn release(app: &App, id: SweepId) -> Result<(), StoreError> {
    let mut conn = app.connection().await?;
    sweeps::release(&mut conn, id, app.now()).await?;
    app.0.outbox_bell.notify_one();
    Ok(())
}

/// Ends the next batch of a locked order.
async fn batch(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    sweep: Sweep,
    leased_until: DateTime<Utc>,
) -> Result<Batch, Fault> {
    let Sweep { wanted, .. } = sweep;
    let alive = app.alive();
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let range = Range { after: sweep.done_to, through: sweep.through, limit };
    let ids = match wanted.principal {
        Some(key) => session_search::of_principal(conn, wanted.idp, key, alive, range).await?,
        None => session_search::of_idp(conn, wanted.idp, alive, range).await?,
    };
    let mut ended = Vec::new();
    for session in session_search::lock_all(conn, &ids).await? {
        // Somebody else may have ended it while we waited for the lock.
        if !session.is_alive(alive) {
            continue;
        }
        let handle = app.0.entropy.handle_128()?;
        let trigger = if wanted.by_admin { Trigger::Admin } else { Trigger::Operator };
        let new = NewLogout { handle: &handle, trigger, return_to: None };
        let telling = Telling::Through(Browser::Absent);
        let begun = begin(app, conn, snapshot, &session, new, telling, wanted.token).await?;
        ended.push(Swept { session: session.public_id, logout: begun.id });
    }
    if let Some(last) = ids.last().filter(|_| ids.len() == BATCH) {
        sweeps::advance(conn, sweep.id, *last, leased_until).await?;
        return Ok(Batch { ended, done: false });
    }
    sweeps::finish(conn, sweep.id).await?;
    Ok(Batch { ended, done: true })
}

impl App {
    /// Tells whoever waits for it that many sessions are over, after the commit.
    pub(in crate::app) fn swept(&self) {
        self.session_ended();
        self.0.outbox_bell.notify_one();
        self.0.notify_bell.notify_one();
    }
}
