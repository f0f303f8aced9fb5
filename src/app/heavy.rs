//! A place of its own for messages that cost more than a moment before they are known to be anybody's.
//!
//! A small message in clear is read and verified on the spot: that costs less than the answer to it.
//! A large one, or one that has to be decrypted before its signature can be seen, costs milliseconds,
//! and anybody can send it. Half of the cores at most work on such ones, on threads of their own; the
//! rest wait in the order in which they came, and nobody who sends a small message waits for them. How
//! many can wait is bounded by the number of connections.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::saml::binding::Received;

/// Up to so many octets, a message is read on the spot.
const SMALL: usize = 16 * 1024;

/// The places for heavy messages.
#[derive(Debug)]
pub(super) struct HeavyWork(Arc<Semaphore>);

impl Default for HeavyWork {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl HeavyWork {
    /// Does the work where it belongs: here, or in a place of its own once there is one.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        received: &Received,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if !is_heavy(received) {
            return work();
        }
        // Nobody closes the semaphore.
        let place = Arc::clone(&self.0).acquire_owned().await.ok();
        let done = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _place = place;
            work()
        });
        match done.await {
            Ok(done) => done,
            // A panic there is one here: the request ends as any other fault of ours.
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

/// Whether reading it can cost more than a moment. What is encrypted in a LogoutRequest is decrypted
/// under a verified signature only, so that no stranger can order it; an assertion may have its
/// signature inside.
fn is_heavy(received: &Received) -> bool {
    received.octets.len() > SMALL || received.octets.contains("EncryptedAssertion")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::binding::{Detached, Parameter};
    use crate::saml::names::Binding;

    fn received(octets: String) -> Received {
        Received {
            binding: Binding::Post,
            parameter: Parameter::SamlResponse,
            octets,
            relay_state: None,
            detached: Detached::Absent,
        }
    }

    #[tokio::test]
    async fn heavy_work_waits_its_turn_and_light_work_does_not() {
        let heavy = HeavyWork(Arc::new(Semaphore::new(1)));
        let held = Arc::clone(&heavy.0).acquire_owned().await;
        let light = received("<a/>".to_owned());
        assert_eq!(heavy.read(&light, || 1).await, 1, "not held up");
        for octets in ["x".repeat(SMALL + 1), "<saml:EncryptedAssertion/>".to_owned()] {
            let large = received(octets);
            let waiting = heavy.read(&large, || 2);
            let mut waiting = std::pin::pin!(waiting);
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
            assert!(polled.await.is_pending(), "there is no place");
        }
        drop(held);
        assert_eq!(heavy.read(&received("x".repeat(SMALL + 1)), || 3).await, 3);
        assert_eq!(heavy.0.available_permits(), 1, "the place is free again");
    }
}
