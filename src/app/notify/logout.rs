//! A logout whose requester waits: its own notifications are delivered at once, for as long as a
//! requester may be kept waiting, and what counts decides the answer (status table, row e).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::lane;
use crate::app::{App, Fault, worker};
use crate::logout::hearing::Hearing;
use crate::outbox::retry;
use crate::store::notifications::{self, Leased};
use crate::store::receive_logout::RecordedStatus;
use crate::store::{ApplicationId, LogoutId, StoreError, outbox};

/// How long a requester is kept waiting for applications: with all else, less than 3 seconds (SLO-31).
const BUDGET: Duration = Duration::from_millis(2_400);
/// How often it is looked whether another node is done with what it delivers.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Delivers the notifications of a logout for as long as its requester may be kept waiting. What takes
/// longer goes on behind its back.
pub(in crate::app) async fn deliver_now(app: &App, logout: LogoutId) {
    let _ = tokio::time::timeout(BUDGET, spawned(app, logout, false)).await;
}

/// Decides the status of a logout that an identity provider has asked for: delivers what counts, waits
/// for what another delivers, and writes down what is known when the time is up. The first to decide
/// decides for all (SLO-24).
pub(in crate::app) async fn conclude(app: &App, logout: LogoutId) -> Result<RecordedStatus, Fault> {
    let until = Instant::now() + BUDGET;
    let telling = async {
        let _ = tokio::time::timeout(BUDGET, spawned(app, logout, true)).await;
    };
    tokio::join!(telling, worker::end_at_providers(app, logout, BUDGET));
    loop {
        let mut conn = app.connection().await?;
        if let Some(status) = notifications::decided(&mut conn, logout).await? {
            return recorded(logout, &status);
        }
        let unheard = notifications::unheard(&mut conn, logout, app.now()).await?;
        let at_providers = outbox::oidc_under_way(&mut conn, logout, app.now()).await?;
        let heard = unheard.waiting == 0 || unheard.under_way == 0;
        if (heard && at_providers == 0) || Instant::now() + LOOK_EVERY > until {
            break;
        }
        drop(conn);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut conn = app.connection().await?;
    let status = notifications::decide(&mut conn, logout, app.now()).await?;
    recorded(logout, status.as_deref().unwrap_or_default())
}

/// What is known of the applications that count, for what a person is told.
pub(in crate::app) async fn heard(app: &App, logout: LogoutId) -> Result<Vec<Hearing>, Fault> {
    let mut conn = app.connection().await?;
    let rows = notifications::of_logout(&mut conn, logout).await?;
    Ok(rows.into_iter().filter(|row| row.counts).map(|row| Hearing::of_state(&row.state)).collect())
}

/// Runs the deliveries on their own: whoever stops waiting does not cut them off.
async fn spawned(app: &App, logout: LogoutId, counted_only: bool) {
    let task = app.0.tasks.spawn({
        let app = app.clone();
        async move {
            if let Err(fault) = work(&app, logout, counted_only).await {
                app.fault("telling applications of a logout", &fault);
            }
        }
    });
    let _ = task.await;
}

async fn work(app: &App, logout: LogoutId, counted_only: bool) -> Result<(), Fault> {
    let now = app.now();
    let mut conn = app.connection().await?;
    let leased =
        notifications::lease_of_logout(&mut conn, logout, counted_only, now, now + retry::LEASE).await?;
    drop(conn);
    // What is not leased here is told by a lane.
    app.0.notify_bell.notify_one();
    let mut of_application: BTreeMap<ApplicationId, Vec<Leased>> = BTreeMap::new();
    for one in leased {
        of_application.entry(one.application).or_default().push(one);
    }
    let mut lanes = tokio::task::JoinSet::new();
    for (application, leased) in of_application {
        let app = app.clone();
        lanes.spawn(async move { lane::deliver(&app, application, leased).await });
    }
    let mut first = Ok(());
    while let Some(done) = lanes.join_next().await {
        if let Ok(Err(fault)) = done {
            first = first.and(Err(fault));
        }
    }
    first
}

fn recorded(logout: LogoutId, status: &str) -> Result<RecordedStatus, Fault> {
    RecordedStatus::parse(status).ok_or(Fault::Store(StoreError::Corrupt {
        table: "logout",
        column: "status",
        row: logout.0,
    }))
}
