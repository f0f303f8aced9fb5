//! What time demands. Any number of replicas run it: each row is worked by whoever locks or leases it
//! first, and nothing depends on when, or whether, a worker comes by.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::legs::{Affair, Move, session_indexes};
use crate::app::registry::KnownIdp;
use crate::app::second_opinion::Whence;
use crate::app::send::Request;
use crate::app::{App, Fault, feed, notify, oidc, sweep};
use crate::logout::outcome::Answer;
use crate::logout::step::{Event, LegId, LegState};
use crate::outbox::deliver::{self, DeliveryError};
use crate::outbox::retry;
use crate::saml::binding::{Parameter, soap};
use crate::saml::logout_response::LogoutResponse;
use crate::saml::message::Message as _;
use crate::saml::names::{Binding, MessageId};
use crate::saml::open::Unopened;
use crate::saml::refusal::Refusal;
use crate::saml::status::Status;
use crate::store::outbox::{self, Leased, Which};
use crate::store::{
    LogoutId, PrincipalId, application_sessions, idempotency, legs, logouts, oidc as stored_oidc, retention,
    sessions,
};

/// How many rows a statement of the worker touches at most.
const BATCH: i64 = 500;
/// How many SOAP messages are under way at once.
const PARALLEL: usize = 8;
/// After how many tries a fault of ours counts as the end of trying.
const MOST_FAULTS: i32 = 5;
/// How often the worker comes by without being called.
const EVERY: Duration = Duration::from_secs(2);
/// Every how many rounds it also tidies up.
const TIDY_EVERY: u32 = 30;
/// How long a request handler works its own outbox rows (SLO-31).
const HANDLER_BUDGET: Duration = Duration::from_secs(3);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// Sessions that the clock has ended.
    pub expired: u64,
    /// Logouts whose time was up.
    pub closed: u64,
    /// Lines of the feed that got their position.
    pub sealed: u64,
    /// Tries to deliver a LogoutRequest.
    pub delivered: u64,
    /// Rows that were forgotten.
    pub removed: u64,
    /// Lines of counted refusals written.
    pub audited: u64,
    /// Tries to tell applications.
    pub told: u64,
    /// Sessions ended for an order whose first worker is gone.
    pub swept: u64,
}

/// Why a SOAP exchange brought no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Delivery(#[from] DeliveryError),
    #[error("its answer was refused: {0}")]
    Refused(#[from] Refusal),
    #[error("it has no SOAP endpoint any more")]
    NoEndpoint,
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// One whole round, as the tests and a start do it.
///
/// # Errors
/// [`crate::store::StoreError`] of the first step that failed, as text for the log; what was done
/// before is done.
pub async fn run_once(app: &App) -> Result<Worked, WorkerFault> {
    let mut worked = round(app).await.map_err(WorkerFault)?;
    worked.expired = expire(app).await.map_err(WorkerFault)?;
    worked.told = notify::run_due(app).await.map_err(WorkerFault)?;
    worked.removed = tidy(app).await.map_err(WorkerFault)?;
    Ok(worked)
}

/// A round of the worker failed.
#[derive(Debug, thiserror::Error)]
#[error("the worker failed: {0}")]
pub struct WorkerFault(Fault);

/// Comes by every two seconds, and at once when there is something to deliver, until `shutdown`.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut rounds: u32 = 0;
    loop {
        if let Err(fault) = round(&app).await {
            app.fault("a round of the worker", &fault);
        }
        if rounds.is_multiple_of(TIDY_EVERY) {
            if let Err(fault) = expire(&app).await {
                app.fault("writing down what has expired", &fault);
            }
            if let Err(fault) = tidy(&app).await {
                app.fault("tidying up", &fault);
            }
            app.renew_token_keys();
        }
        rounds = rounds.wrapping_add(1);
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = app.0.outbox_bell.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    if let Err(error) = app.flush_audit().await {
        tracing::error!(%error, "the last refusals could not be written");
    }
}

/// Works the outbox rows of one logout, and what applications are to be told of it, for as long as its requester may be kept waiting.
pub(super) async fn deliver_now(app: &App, logout: LogoutId) {
    let work = async { while matches!(deliver_next(app, Which::Of(logout)).await, Ok(true)) {} };
    // What is cut off here is tried again by the worker when the lease has run out.
    let asked = tokio::time::timeout(HANDLER_BUDGET, work);
    let _ = tokio::join!(asked, notify::logout::deliver_now(app, logout));
    app.0.outbox_bell.notify_one();
}

async fn round(app: &App) -> Result<Worked, Fault> {
    let mut worked =
        Worked { audited: u64::try_from(app.flush_audit().await?).unwrap_or(u64::MAX), ..Worked::default() };
    app.renewed().await?;
    app.0.lanes.prune();
    worked.closed = close_overdue(app).await? + notify::decide_overdue(app).await?;
    worked.swept = sweep::work_due(app).await?;
    worked.sealed = feed::seal(app).await?;
    worked.delivered = deliver_due(app).await?;
    Ok(worked)
}

/// Writes down what the clock has ended. The identity provider is not told (SLO-33, SLO-36).
async fn expire(app: &App) -> Result<u64, Fault> {
    let mut all = 0;
    loop {
        let mut conn = app.connection().await?;
        let expired = sessions::expire(&mut conn, app.alive(), BATCH).await?;
        all += expired;
        if expired > 0 {
            app.session_ended();
        }
        if expired < BATCH.unsigned_abs() {
            return Ok(all);
        }
    }
}

/// Closes the logouts whose time is up: who has not answered counts as unconfirmed (SLO-52).
async fn close_overdue(app: &App) -> Result<u64, Fault> {
    let mut all = 0;
    loop {
        let now = app.now();
        let mut tx = app.begin().await?;
        let overdue = logouts::lock_overdue(&mut tx, now, BATCH).await?;
        let snapshot = app.0.registry.snapshot();
        for id in &overdue {
            let affair = Affair::begun(&mut tx, *id).await?;
            let step = affair.logout(&snapshot, None).step(Event::Tick, now);
            let _ = app.save(&mut tx, &affair, step, now).await?;
        }
        tx.commit().await?;
        all += u64::try_from(overdue.len()).unwrap_or(u64::MAX);
        if overdue.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(all);
        }
    }
}

/// Delivers all that is due, several at a time, so that a mute identity provider does not hold up
/// the others.
async fn deliver_due(app: &App) -> Result<u64, Fault> {
    let mut all = 0;
    let mut tasks = JoinSet::new();
    for _ in 0..PARALLEL {
        let app = app.clone();
        tasks.spawn(async move {
            let mut delivered = 0;
            while deliver_next(&app, Which::Any).await? {
                delivered += 1;
            }
            Ok::<u64, Fault>(delivered)
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok(delivered) = done {
            all += delivered?;
        }
    }
    Ok(all)
}

/// Leases one row and tries it; false if there was none.
async fn deliver_next(app: &App, which: Which) -> Result<bool, Fault> {
    let now = app.now();
    let mut conn = app.connection().await?;
    let leased = outbox::lease(&mut conn, which, now, now + retry::LEASE).await?;
    let Some(leased) = leased else { return Ok(false) };
    let legs = legs::of_logout(&mut conn, leased.logout).await?;
    drop(conn);
    if let Some(leg) = legs.iter().find(|leg| leg.id == leased.leg && leg.oidc.is_some()) {
        // At first it is watched for a moment: somebody may be waiting for the result.
        let patient = which != Which::Any || leased.attempts == 0;
        oidc::revoke::work(app, leased, leg, patient).await?;
        return Ok(true);
    }
    let exchanged = exchange(app, leased).await;
    settle(app, leased, exchanged).await?;
    Ok(true)
}

/// One SOAP exchange: a LogoutRequest with an ID of its own out, a verified answer to it back.
async fn exchange(app: &App, leased: Leased) -> Result<Status, Failure> {
    let now = app.now();
    let mut conn = app.connection().await.map_err(Fault::from)?;
    let affair = load(&mut conn, leased.logout).await?;
    let found = affair.legs.iter().find(|leg| leg.id == leased.leg);
    let snapshot = app.renewed().await.map_err(Fault::from)?;
    let idp = found.and_then(|leg| snapshot.by_id(leg.idp?).cloned());
    let (Some(leg), Some(idp)) = (found, idp) else { return Err(Failure::NoEndpoint) };
    let (Some(endpoint), Some(name_id)) = (idp.single_logout(Binding::Soap), &leg.name_id) else {
        return Err(Failure::NoEndpoint);
    };
    let id = app.message_id()?;
    legs::note_asked(&mut conn, leg.id, &id, Binding::Soap, now).await.map_err(Fault::from)?;
    drop(conn);
    let request = Request {
        id: &id,
        reason: affair.reason(),
        name_id,
        session_indexes: &session_indexes(leg).map_err(Fault::from)?,
        asynchronous: false,
    };
    let envelope = app.soap_request(&idp, &request, &endpoint.location, now)?;
    let answer = deliver::post(&app.0.http, &endpoint.location, envelope).await?;
    Ok(open(app, &idp, &id, &answer).await?)
}

/// Opens the answer like any other: signed by whom it was sent to, fresh, to this very request. A bad
/// one is never answered (BIND-32).
async fn open(app: &App, idp: &Arc<KnownIdp>, request: &MessageId, answer: &[u8]) -> Result<Status, Refusal> {
    let received = soap::decode(answer, Parameter::SamlResponse)?;
    let unopened = Unopened::<LogoutResponse>::read(&received)?;
    let response = unopened.open(&idp.keys, None, &idp.limits, app.now())?;
    if response.message().in_response_to() != Some(request) {
        return Err(Refusal::NotRequested);
    }
    let whence = Whence {
        endpoint: "outbox",
        binding: Binding::Soap.as_str(),
        message_id: &response.message().head().id,
        digest: openssl::sha::sha256(answer),
        source: None,
    };
    app.second_opinion(idp, response.case(), whence).await?;
    Ok(response.message().status().clone())
}

/// Saves what came of a try.
async fn settle(app: &App, leased: Leased, exchanged: Result<Status, Failure>) -> Result<(), Fault> {
    let now = app.now();
    let leg = leased.leg;
    let (event, answer) = match exchanged {
        Ok(status) => {
            (Event::Answered { leg, answer: Answer::of(&status), browser: false }, Some(status.to_string()))
        }
        // A fault of ours is tried again when the lease has run out, but not for ever.
        Err(Failure::Fault(fault)) if leased.attempts < MOST_FAULTS => return Err(fault),
        Err(failure) => {
            tracing::warn!(logout.id = leased.logout.0, "telling an identity provider failed: {failure}");
            let hopeless = matches!(failure, Failure::NoEndpoint);
            if let Some(pause) = retry::pause(leased.attempts).filter(|_| !hopeless) {
                let mut conn = app.connection().await?;
                outbox::put_back(&mut conn, leased.id, now + pause).await?;
                return Ok(());
            }
            let arrived = match &failure {
                Failure::Delivery(error) => error.may_have_arrived(),
                _ => !hopeless,
            };
            (Event::Undelivered { leg, arrived }, None)
        }
    };
    finish(app, leased.logout, leg, event, answer).await
}

/// Ends the sessions at OpenID providers of one logout, several at a time, for as long as `budget`.
/// What takes longer goes on behind the back of who waits.
pub(super) async fn end_at_providers(app: &App, logout: LogoutId, budget: Duration) {
    let open = match app.connection().await {
        Ok(mut conn) => legs::of_logout(&mut conn, logout).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let open = open.iter().filter(|leg| leg.oidc.is_some() && leg.state == LegState::Queued).count();
    let mut tasks = Vec::new();
    for _ in 0..open.min(PARALLEL) {
        let own = app.clone();
        let work =
            async move { while matches!(deliver_next(&own, Which::OidcOf(logout)).await, Ok(true)) {} };
        tasks.push(app.0.tasks.spawn(work));
    }
    let all = async {
        for task in tasks {
            let _ = task.await;
        }
    };
    let _ = tokio::time::timeout(budget, all).await;
    app.0.outbox_bell.notify_one();
}

pub(super) async fn finish(
    app: &App,
    logout: LogoutId,
    leg: LegId,
    event: Event,
    answer: Option<String>,
) -> Result<(), Fault> {
    let now = app.now();
    let mut tx = app.begin().await?;
    let Some(affair) = Affair::lock(&mut tx, logout).await? else { return Ok(()) };
    let step = affair.logout(&app.0.registry.snapshot(), None).step(event, now);
    if let Move::Ignored = app.save(&mut tx, &affair, step, now).await? {
        // Settled by another in the meantime.
        outbox::remove(&mut tx, leg).await?;
    }
    if let Some(answer) = answer {
        legs::note_answer(&mut tx, leg, &answer, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut sqlx::PgConnection, logout: LogoutId) -> Result<Affair, Fault> {
    let row = logouts::by_id(conn, logout).await?;
    let legs = legs::of_logout(conn, logout).await?;
    row.map(|row| Affair { row, legs }).ok_or(Fault::Store(crate::store::StoreError::Corrupt {
        table: "outbox",
        column: "leg_id",
        row: logout.0,
    }))
}

/// Forgets what is older than it is remembered, a batch at a time.
async fn tidy(app: &App) -> Result<u64, Fault> {
    notify::bury(app).await?;
    let now = app.now();
    let before = now - app.0.settings.session.remember;
    let mut all = feed::tidy(app).await?;
    loop {
        let mut conn = app.connection().await?;
        let mut removed = retention::remove_expired(&mut conn, now, BATCH).await?;
        removed += idempotency::remove_expired(&mut conn, now, BATCH).await?;
        removed += retention::remove_old(&mut conn, before, BATCH).await?;
        let session_max = app.0.settings.session.max;
        removed += application_sessions::remove_old(&mut conn, before, before - session_max, BATCH).await?;
        removed += stored_oidc::remove_expired(&mut conn, now, BATCH).await?;
        removed += stored_oidc::remove_subjects(&mut conn, before, now, BATCH).await?;
        drop(conn);
        all += removed;
        if removed < BATCH.unsigned_abs() {
            break;
        }
    }
    // Most principals are still known, so only some are looked at each time.
    let after = PrincipalId(app.0.tidied_to.load(Ordering::Relaxed));
    let mut tx = app.begin().await?;
    let (removed, last) = retention::remove_principals(&mut tx, after, before, BATCH).await?;
    tx.commit().await?;
    app.0.tidied_to.store(last.0, Ordering::Relaxed);
    Ok(all + removed)
}
