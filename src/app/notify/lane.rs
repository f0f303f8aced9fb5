//! One application is told: a batch leased by one statement, sent over a few connections at a time,
//! settled by one statement.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::message::{Receiver, Unmade};
use crate::app::{App, Fault};
use crate::outbox::notify::Unacknowledged;
use crate::outbox::retry;
use crate::store::notifications::{self, Leased, Settled, Settlement};
use crate::store::{ApplicationId, applications};

/// How many notifications are leased at once.
const BATCH: i64 = 128;
/// How many are under way to one application at once.
const PARALLEL: usize = 8;
/// After that long no more of a batch is begun, so that all of it is settled before the lease runs out.
const BEGIN_WITHIN: Duration = Duration::from_secs(15);
/// How long a delivery waits for its turn among those to all applications.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// The longest text that is kept of what was wrong.
const LONGEST_ERROR: usize = 300;

/// What came of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// How many were tried.
    pub(super) tried: u64,
    /// Whether the application did not take even one, and it was not about the notifications.
    pub(super) failed: bool,
}

/// Why one notification was not acknowledged.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Unmade(#[from] Unmade),
    #[error("{0}")]
    Unacknowledged(#[from] Unacknowledged),
}

/// Tells one application all that is due, or until it fails; says how many tries that took.
pub(super) async fn work(app: &App, application: ApplicationId) -> Result<u64, Fault> {
    let mut all = 0;
    loop {
        let now = app.now();
        let mut conn = app.connection().await?;
        let leased = notifications::lease(&mut conn, application, BATCH, now, now + retry::LEASE).await?;
        drop(conn);
        if leased.is_empty() {
            return Ok(all);
        }
        let round = deliver(app, application, leased).await?;
        all += round.tried;
        if round.failed {
            return Ok(all);
        }
    }
}

/// Sends leased notifications to their application and settles them.
pub(super) async fn deliver(
    app: &App,
    application: ApplicationId,
    leased: Vec<Leased>,
) -> Result<Round, Fault> {
    let mut conn = app.connection().await?;
    let Some(row) = applications::by_id(&mut conn, application).await? else {
        // It was deleted a moment ago, and this was written down at the same moment.
        let gone: Vec<Settled> = leased.iter().map(orphan).collect();
        notifications::settle(&mut conn, &gone, app.now()).await?;
        return Ok(Round { tried: 0, failed: true });
    };
    let receiver = Receiver::load(app, &mut conn, row, &leased).await?;
    drop(conn);
    let receiver = Arc::new(receiver);
    let tries = send(app, &receiver, leased).await;
    settle(app, &receiver, tries).await
}

/// A notification and what came of sending it; none if it was not begun.
type Try = (Leased, Option<Result<u16, Failed>>);

/// Sends a batch, a few at a time. An application that takes none of the first few is spared the rest.
async fn send(app: &App, receiver: &Arc<Receiver>, leased: Vec<Leased>) -> Vec<Try> {
    let begun = Instant::now();
    let mut waiting = leased.into_iter();
    let mut under_way = JoinSet::new();
    let mut tries: Vec<Try> = Vec::new();
    let (mut taken, mut first) = (false, PARALLEL);
    loop {
        while under_way.len() < PARALLEL && (taken || first > 0) && begun.elapsed() < BEGIN_WITHIN {
            let Some(one) = waiting.next() else { break };
            first = first.saturating_sub(1);
            let (app, receiver) = (app.clone(), Arc::clone(receiver));
            under_way.spawn(async move {
                let sent = exchange(&app, &receiver, &one).await;
                (one, sent)
            });
        }
        match under_way.join_next().await {
            Some(Ok((one, sent))) => {
                taken |= sent.as_ref().is_some_and(|sent| match sent {
                    Ok(_) => true,
                    Err(failed) => failed.is_about_the_notice(),
                });
                tries.push((one, sent));
            }
            // Its lease runs out.
            Some(Err(error)) => tracing::error!(%error, "a delivery broke off"),
            None => break,
        }
    }
    tries.extend(waiting.map(|one| (one, None)));
    tries
}

/// Sends one notification; none if there is no place for that in time.
async fn exchange(app: &App, receiver: &Receiver, one: &Leased) -> Option<Result<u16, Failed>> {
    // Rather than that deliveries use up the process's descriptors.
    let place = tokio::time::timeout(PLACE_WITHIN, app.0.notify_room.acquire()).await;
    let _place = place.ok()?.ok()?;
    let notice = match receiver.notice(app, one, app.now()) {
        Ok(notice) => notice,
        Err(unmade) => return Some(Err(unmade.into())),
    };
    Some(app.0.notifier.send(receiver.form, &receiver.url, notice).await.map_err(Failed::from))
}

async fn settle(app: &App, receiver: &Receiver, tries: Vec<Try>) -> Result<Round, Fault> {
    let now = app.now();
    let attempted = tries.iter().filter(|(_, sent)| sent.is_some()).count();
    let taken = tries.iter().any(|(_, sent)| match sent {
        Some(Ok(_)) => true,
        Some(Err(failed)) => failed.is_about_the_notice(),
        None => false,
    });
    let first = tries.iter().find_map(|(_, sent)| sent.as_ref()?.as_ref().err().map(ToString::to_string));
    let mut settled = Vec::with_capacity(tries.len());
    for (one, sent) in tries {
        settled.push(settlement(app, &one, sent, now)?);
    }
    let mut conn = app.connection().await?;
    notifications::settle(&mut conn, &settled, now).await?;
    if taken {
        notifications::open_lane(&mut conn, receiver.application, now).await?;
    } else if attempted > 0 {
        let failures = notifications::failures(&mut conn, receiver.application).await?.saturating_add(1);
        let pause = retry::lane_pause(failures, jitter(app)?);
        let until = pause.map(|pause| now + pause);
        notifications::shut_lane(&mut conn, receiver.application, failures, until).await?;
    }
    if let Some(error) = first {
        let dead = settled.iter().filter(|one| one.state == Settlement::Dead).count();
        tracing::warn!(
            application = receiver.slug,
            tried = attempted,
            dead,
            "an application was not told: {error}"
        );
    }
    Ok(Round { tried: u64::try_from(attempted).unwrap_or(u64::MAX), failed: !taken })
}

/// How a notification is after a try: the last one is made when the day is over.
fn settlement(
    app: &App,
    one: &Leased,
    sent: Option<Result<u16, Failed>>,
    now: DateTime<Utc>,
) -> Result<Settled, Fault> {
    let give_up_at = one.give_up_at.unwrap_or(one.ended_at + retry::TOLD_FOR);
    let (state, http_status, error) = match sent {
        None => (Settlement::Untried, None, None),
        Some(Ok(status)) => (Settlement::Acknowledged, Some(i32::from(status)), None),
        Some(Err(failed)) => {
            let state = if give_up_at <= now {
                Settlement::Dead
            } else {
                let pause =
                    retry::notification_pause(one.attempts, failed.is_about_the_notice(), jitter(app)?);
                Settlement::Again((now + pause).min(give_up_at))
            };
            let text = failed.to_string().chars().take(LONGEST_ERROR).collect();
            (state, failed.status().map(i32::from), Some(text))
        }
    };
    Ok(Settled { id: one.id, state, http_status, error })
}

fn orphan(one: &Leased) -> Settled {
    Settled {
        id: one.id,
        state: Settlement::Dead,
        http_status: None,
        error: Some(String::from("the application was deleted")),
    }
}

fn jitter(app: &App) -> Result<u8, Fault> {
    let [octet] = app.0.entropy.bytes::<1>()?;
    Ok(octet)
}

impl Failed {
    fn is_about_the_notice(&self) -> bool {
        matches!(self, Self::Unacknowledged(error) if error.is_about_the_notice())
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Unacknowledged(error) => error.status(),
            Self::Unmade(_) => None,
        }
    }
}
