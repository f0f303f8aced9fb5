//! Places for which sources take turns.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::budget::network;

/// A number of places, and before them a line for each source that waits. From every line no more than
/// there are places stand in the common one, so that whoever sends a thousand waits for himself, and
/// everybody else for one or two of his.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    number: usize,
    lines: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// A place, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    // Given back in this order: who waits in the common line comes first.
    _place: Option<OwnedSemaphorePermit>,
    _in_line: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many places.
    pub(super) fn new(number: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(number)), number, lines: Mutex::default() }
    }

    /// Waits for a place. Whoever stops waiting has not been there.
    pub(super) async fn take(&self, source: IpAddr) -> Place {
        // Nobody closes the semaphores.
        let in_line = self.line(source).acquire_owned().await.ok();
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Place { _place: place, _in_line: in_line }
    }

    /// The line of a source; it is there as long as anybody stands in it.
    fn line(&self, source: IpAddr) -> Arc<Semaphore> {
        let source = network(source);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = lines.get(&source).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::new(Semaphore::new(self.number));
        lines.insert(source, Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    const MANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    async fn poll<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn who_sends_many_waits_for_himself_and_nobody_else_does() {
        let turns = Turns::new(1);
        let first = turns.take(MANY).await;
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(turns.take(MANY))).collect();
        for wait in &mut waiting {
            assert!(poll(wait).await.is_pending());
        }
        let mut other = Box::pin(turns.take(ONE));
        assert!(poll(&mut other).await.is_pending());
        drop(first);
        for wait in &mut waiting {
            assert!(poll(wait).await.is_pending(), "it is not their turn");
        }
        assert!(poll(&mut other).await.is_ready(), "it is the other's turn");
        for wait in waiting {
            drop(wait.await);
        }
    }

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_no_gap_and_no_line() {
        let turns = Turns::new(2);
        let places = [turns.take(MANY).await, turns.take(MANY).await];
        let mut gone: Vec<_> = (0..10).map(|_| Box::pin(turns.take(MANY))).collect();
        for wait in &mut gone {
            assert!(poll(wait).await.is_pending());
        }
        drop(gone);
        drop(places);
        drop([turns.take(MANY).await, turns.take(MANY).await]);
        drop(turns.take(ONE).await);
        assert_eq!(turns.lines.lock().map(|lines| lines.len()).ok(), Some(1), "only the last one's");
        assert_eq!(turns.places.available_permits(), 2);
    }
}
