//! Connections for the one statement that ends sessions.
//!
//! The pool asks every connection that comes back whether it is still there: a second round trip for
//! each logout. These connections are kept out of the pool while there is traffic. If one turns out
//! to be lost, the statement is repeated on another, which is safe: the second time it finds itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgPool;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::app::in_time;
use crate::store::StoreError;

/// A connection that was not used for so long is let go: the pool can tell whether one is alive.
const IDLE_TRUST: Duration = Duration::from_secs(5);

/// The connections that are kept, and how many there may be at once.
#[derive(Debug)]
pub(super) struct Lanes {
    permits: Semaphore,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
}

/// A connection for one statement.
pub(super) struct Lane<'a> {
    pub(super) connection: PgConnection,
    _permit: SemaphorePermit<'a>,
}

impl Lanes {
    /// Up to `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { permits: Semaphore::new(most), idle: Mutex::default() }
    }

    /// A connection: the one that was used last, or another from the pool. Waits its turn.
    pub(super) async fn take(&self, pool: &PgPool) -> Result<Lane<'_>, StoreError> {
        let permit = self.permits.acquire().await.map_err(|_| StoreError::Late)?;
        self.prune();
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some((connection, _)) => connection,
            None => in_time(pool.acquire()).await?.detach(),
        };
        Ok(Lane { connection, _permit: permit })
    }

    /// Keeps a connection whose statement has gone well.
    pub(super) fn keep(&self, lane: Lane<'_>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((lane.connection, Instant::now()));
    }

    /// Lets go of those that have not been used for a while.
    pub(super) fn prune(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, used)| now.duration_since(*used) < IDLE_TRUST);
    }

    /// Lets all go, because one was lost: the others went the same way.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
