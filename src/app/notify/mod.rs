//! Applications are told that sessions are over.
//!
//! The rows to deliver were written by the transaction that ended the session. A request handler works
//! the rows of its own logout where somebody waits for the result ([`logout`]); everything else is done
//! here, by any node, in one lane for each application ([`lane`]): a slow or dead application delays
//! nobody else.

pub(super) mod lane;
pub(super) mod logout;
mod message;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Fault};
use crate::keys::TokenKeys;
use crate::outbox::retry;
use crate::store::{ApplicationId, notifications};

/// How often a node looks for what is due without being called.
const EVERY: Duration = Duration::from_secs(1);
/// The least time between two looks.
const BREATH: Duration = Duration::from_millis(20);
/// How many rows a statement touches at most, where it does not deliver.
const BATCH: i64 = 500;
/// After that long the node that should have decided the status of a logout is gone.
const DECIDED_WITHIN: TimeDelta = TimeDelta::seconds(30);

/// Delivers what is due, and at once when the bell rings, until `shutdown`. What is cut off by the end
/// of the process is delivered again when its lease has run out.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut lanes = JoinSet::new();
    let mut busy: HashSet<ApplicationId> = HashSet::new();
    // Something was due for an application that was busy: perhaps it came after its last look.
    let mut missed = false;
    let mut next_look = Instant::now();
    loop {
        // A bell that rings all the time must not make this the busiest task of all.
        tokio::time::sleep_until(next_look).await;
        next_look = Instant::now() + BREATH;
        match due(&app).await {
            Ok(due) => {
                for application in due {
                    if !busy.insert(application) {
                        missed = true;
                        continue;
                    }
                    let app = app.clone();
                    lanes.spawn(async move { (application, lane::work(&app, application).await) });
                }
            }
            Err(fault) => {
                app.fault("looking for notifications", &fault);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = app.0.notify_bell.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
            Some(done) = lanes.join_next() => {
                note(&app, &mut busy, done);
                while let Some(done) = lanes.try_join_next() {
                    note(&app, &mut busy, done);
                }
                if !missed {
                    // Nothing new: wait to be called, or for the next regular look.
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = app.0.notify_bell.notified() => {}
                        () = tokio::time::sleep(EVERY) => {}
                    }
                }
                missed = false;
            }
        }
    }
    // What is under way may end: its lease would keep others from it for a while.
    while let Some(done) = lanes.join_next().await {
        note(&app, &mut busy, done);
    }
}

fn note(
    app: &App,
    busy: &mut HashSet<ApplicationId>,
    done: Result<(ApplicationId, Result<u64, Fault>), tokio::task::JoinError>,
) {
    match done {
        Ok((application, worked)) => {
            busy.remove(&application);
            if let Err(fault) = worked {
                app.fault("telling an application", &fault);
            }
        }
        Err(error) => {
            // Nobody knows whose lane it was.
            tracing::error!(%error, "a lane broke off");
            busy.clear();
        }
    }
}

/// Delivers all that is due now, application by application at the same time.
pub(super) async fn run_due(app: &App) -> Result<u64, Fault> {
    let mut lanes = JoinSet::new();
    for application in due(app).await? {
        let app = app.clone();
        lanes.spawn(async move { lane::work(&app, application).await });
    }
    let mut all = 0;
    while let Some(done) = lanes.join_next().await {
        if let Ok(told) = done {
            all += told?;
        }
    }
    Ok(all)
}

/// Gives up notifications to applications that were not there all day.
pub(super) async fn bury(app: &App) -> Result<(), Fault> {
    let now = app.now();
    let mut all = 0;
    loop {
        let mut conn = app.connection().await?;
        let buried = notifications::bury(&mut conn, now - retry::TOLD_FOR, now, BATCH).await?;
        all += buried;
        if buried < BATCH.unsigned_abs() {
            break;
        }
    }
    if all > 0 {
        tracing::warn!(notifications = all, "given up: their applications were not there all day");
    }
    Ok(())
}

/// Decides the status of logouts that nobody has decided; says of how many.
pub(super) async fn decide_overdue(app: &App) -> Result<u64, Fault> {
    let mut conn = app.connection().await?;
    let undecided = notifications::undecided(&mut conn, app.now() - DECIDED_WITHIN, BATCH).await?;
    for logout in &undecided {
        notifications::decide(&mut conn, *logout, app.now()).await?;
    }
    Ok(u64::try_from(undecided.len()).unwrap_or(u64::MAX))
}

async fn due(app: &App) -> Result<Vec<ApplicationId>, Fault> {
    let mut conn = app.connection().await?;
    Ok(notifications::due_applications(&mut conn, app.now()).await?)
}

impl App {
    /// The keys that sign what applications are told.
    #[must_use]
    pub fn token_keys(&self) -> Arc<TokenKeys> {
        Arc::clone(&self.0.token_keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Reads the keys for tokens again: one may have been generated since the start. Keys that cannot
    /// be read leave those that are known.
    pub(super) fn renew_token_keys(&self) {
        match TokenKeys::open(&self.0.settings) {
            Ok(keys) => {
                let mut known = self.0.token_keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                *known = Arc::new(keys);
            }
            Err(error) => tracing::error!(%error, "the keys for tokens cannot be read again"),
        }
    }

    /// Waits until what request handlers have left running is done.
    pub async fn settled(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}
