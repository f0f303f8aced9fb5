//! Waiting for the end of sessions without holding a connection to the database.
//!
//! Any number wait, in the feed or for one session; one of them is on duty and looks on behalf of
//! all: at once when a session has ended in this process, else once a second, because another node
//! may have ended it. Whoever is on duty and leaves hands over to the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Duty, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::app::places::Places;
use crate::app::{App, feed};
use crate::store::{SessionId, StoreError, feed as lines, sessions};

/// How often somebody looks who was not called.
const EVERY: Duration = Duration::from_secs(1);
/// How long to gather what ends at the same time.
const GATHER: Duration = Duration::from_millis(5);
/// How long to leave the database alone when it failed.
const FAILED: Duration = Duration::from_secs(5);

/// Who waits in this process, and for what.
#[derive(Debug)]
pub(super) struct Lookout {
    /// Rings when a session has ended in this process.
    bell: Notify,
    duty: Duty<()>,
    /// The last position of the feed that is known here.
    head: watch::Sender<i64>,
    watched: Mutex<HashMap<SessionId, Watched>>,
    /// For readers of the feed, by application.
    pub(super) readers: Places,
    /// For pages, by session.
    pub(super) pages: Places,
    /// Nobody is to wait any more: this process stops.
    pub(super) closing: CancellationToken,
}

#[derive(Debug)]
struct Watched {
    over: CancellationToken,
    by: usize,
}

/// Somebody waits for the end of a session for as long as this lives.
pub(super) struct Watch {
    app: App,
    session: SessionId,
    over: CancellationToken,
}

impl Default for Lookout {
    fn default() -> Self {
        Self {
            bell: Notify::new(),
            duty: Duty::default(),
            head: watch::Sender::new(0),
            watched: Mutex::default(),
            // Together well below the connections that we serve, so that a logout finds room.
            readers: Places::new(200, 20),
            pages: Places::new(400, 8),
            closing: CancellationToken::new(),
        }
    }
}

impl Lookout {
    /// A session has ended, here and now.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Positions up to this one are given out.
    pub(super) fn feed_at(&self, position: i64) {
        self.head.send_if_modified(|head| std::mem::replace(head, position.max(*head)) < position);
    }
}

impl App {
    /// Tells those who wait in this process that a session may have ended.
    pub(super) fn session_ended(&self) {
        self.0.lookout.ring();
    }

    /// Lets go of everybody who waits: their requests are answered now.
    pub fn release_waiting(&self) {
        self.0.lookout.closing.cancel();
    }

    /// Returns when nobody is to wait any more.
    pub async fn waiting_is_over(&self) {
        self.0.lookout.closing.cancelled().await;
    }

    /// Waits until the feed has gone beyond a position.
    pub(super) async fn feed_beyond(&self, position: i64) {
        let mut head = self.0.lookout.head.subscribe();
        tokio::select! {
            _ = head.wait_for(|head| *head > position) => {}
            () = self.look_out() => {}
        }
    }

    /// Watches a session from now on.
    pub(super) fn watch(&self, session: SessionId) -> Watch {
        let mut watched = self.0.lookout.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let watched =
            watched.entry(session).or_insert_with(|| Watched { over: CancellationToken::new(), by: 0 });
        watched.by += 1;
        Watch { app: self.clone(), session, over: watched.over.clone() }
    }

    /// Waits for its turn to look on behalf of all, and looks until it is dropped.
    async fn look_out(&self) {
        let _on_duty = self.0.lookout.duty.lock().await;
        loop {
            let pause = match self.look().await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "those who wait for the end of sessions cannot be told yet");
                    FAILED
                }
            };
            tokio::select! {
                () = self.0.lookout.bell.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let lookout = &self.0.lookout;
        if lookout.head.receiver_count() > 0 {
            feed::seal(self).await?;
            let mut conn = self.connection().await?;
            lookout.feed_at(lines::head(&mut conn).await?);
        }
        let watched: Vec<SessionId> = {
            let watched = lookout.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.keys().copied().collect()
        };
        if watched.is_empty() {
            return Ok(());
        }
        let mut conn = self.connection().await?;
        let over = sessions::over(&mut conn, &watched, self.alive()).await?;
        let watched = lookout.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for session in over {
            if let Some(watched) = watched.get(&session) {
                watched.over.cancel();
            }
        }
        Ok(())
    }
}

impl Watch {
    /// Returns when the session is over.
    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.over.cancelled() => {}
            () = self.app.look_out() => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.app.0.lookout.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = watched.get_mut(&self.session) {
            own.by -= 1;
            if own.by == 0 {
                watched.remove(&self.session);
            }
        }
    }
}
