//! A place of its own for messages that cost more than a moment before they are known to be anybody's.
//!
//! A small message in clear is read and verified on the spot: that costs less than the answer to it.
//! A large one, or one that has to be decrypted before its signature can be seen, costs milliseconds,
//! and anybody can send it. Half of the cores at most work on such ones, on threads of their own, and
//! the busier the rest of the service is, the longer they rest after each: at leisure not at all, at
//! full load six times as long as it took. The others wait until it is their source's turn, and nobody who
//! sends a small message waits for them. How many can wait is bounded by the number of connections.

mod turns;

use std::net::IpAddr;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::saml::binding::Received;
use turns::Turns;

/// Up to so many octets, a message is read on the spot.
const SMALL: usize = 16 * 1024;

/// How many times as long as heavy work took its place rests, when nothing else rests at all.
const REST: f64 = 6.0;

/// The places for heavy messages.
#[derive(Debug)]
pub(super) struct HeavyWork {
    turns: Turns,
    /// How long to rest after work that was done under that load.
    rest: fn(&Load) -> Duration,
}

impl Default for HeavyWork {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { turns: Turns::new((cores / 2).max(1)), rest: Load::rest }
    }
}

impl HeavyWork {
    /// Does the work where it belongs: here, or in a place of its own once it is the
    /// turn of that source.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        source: IpAddr,
        received: &Received,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if !is_heavy(received) {
            return work();
        }
        let (place, rest) = (self.turns.take(source).await, self.rest);
        let done = tokio::task::spawn_blocking(move || {
            let load = Load::measure();
            let done = work();
            let rest = rest(&load);
            // The place is kept until then, even if nobody waits for the work any more.
            #[expect(clippy::disallowed_methods, reason = "no graceful stop has to wait for a rest")]
            tokio::spawn(async move {
                sleep(rest).await;
                drop(place);
            });
            done
        });
        match done.await {
            Ok(done) => done,
            // A panic there is one here: the request ends as any other fault of ours.
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

/// How busy the threads are that serve everybody, from one moment on.
struct Load {
    since: Instant,
    busy: Duration,
}

impl Load {
    fn measure() -> Self {
        Self { since: Instant::now(), busy: busy() }
    }

    /// How long to rest for what has been done since.
    fn rest(&self) -> Duration {
        rest(self.since.elapsed(), busy().saturating_sub(self.busy))
    }
}

/// The time for which the threads of this runtime have worked, on the average of them.
fn busy() -> Duration {
    let metrics = Handle::current().metrics();
    let threads = metrics.num_workers();
    let sum: Duration = (0..threads).map(|thread| metrics.worker_total_busy_duration(thread)).sum();
    sum / u32::try_from(threads).unwrap_or(u32::MAX).max(1)
}

/// The rest after work that took so long, while each of the threads that serve everybody was busy for
/// part of that time.
fn rest(took: Duration, busy: Duration) -> Duration {
    busy.min(took).mul_f64(REST)
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
        let heavy = HeavyWork { turns: Turns::new(1), rest: |_| Duration::ZERO };
        let source = IpAddr::from([192, 0, 2, 1]);
        let held = heavy.turns.take(source).await;
        let light = received("<a/>".to_owned());
        assert_eq!(heavy.read(source, &light, || 1).await, 1, "not held up");
        for octets in ["x".repeat(SMALL + 1), "<saml:EncryptedAssertion/>".to_owned()] {
            let large = received(octets);
            let waiting = heavy.read(source, &large, || 2);
            let mut waiting = std::pin::pin!(waiting);
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
            assert!(polled.await.is_pending(), "there is no place");
        }
        drop(held);
        let large = received("x".repeat(SMALL + 1));
        assert_eq!(heavy.read(source, &large, || 3).await, 3);
        assert_eq!(heavy.read(source, &large, || 4).await, 4, "the place becomes free again");
    }

    #[tokio::test]
    async fn while_heavy_work_rests_its_place_is_taken() {
        let heavy = HeavyWork { turns: Turns::new(1), rest: |_| Duration::from_hours(1) };
        let source = IpAddr::from([192, 0, 2, 1]);
        let large = received("x".repeat(SMALL + 1));
        assert_eq!(heavy.read(source, &large, || 1).await, 1, "the answer does not wait for the rest");
        let mut next = std::pin::pin!(heavy.turns.take(IpAddr::from([192, 0, 2, 2])));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context)));
        assert!(polled.await.is_pending(), "it rests");
    }

    #[test]
    fn the_busier_the_others_are_the_longer_heavy_work_rests() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(10), ms(0)), ms(0));
        assert_eq!(rest(ms(10), ms(5)), ms(30));
        assert_eq!(rest(ms(10), ms(10)), ms(60));
        assert_eq!(rest(ms(10), ms(500)), ms(60), "what was counted late does not add up");
    }
}
