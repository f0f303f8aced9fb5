//! The only place that asks the machine what time it is.
//!
//! Everything else is handed a [`Clock`], so that a test can stand at the edge of a
//! validity window and take one step.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Where the present instant comes from. Cheap to clone; clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Microseconds since the epoch, moved by a [`ClockHandle`].
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that stands at `at` until the returned handle moves it.
    #[must_use]
    pub fn fixed(at: DateTime<Utc>) -> (Self, ClockHandle) {
        let micros = Arc::new(AtomicI64::new(at.timestamp_micros()));
        let clock = Self { source: Source::Fixed(Arc::clone(&micros)) };
        (clock, ClockHandle { micros })
    }

    /// The present instant, in whole microseconds: PostgreSQL keeps no more, and an
    /// instant must compare equal to itself after a round trip through the database.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.source {
            Source::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "this is the one place that may read the machine's clock"
                )]
                let now = DateTime::<Utc>::from(std::time::SystemTime::now());
                whole_micros(now.timestamp_micros())
            }
            Source::Fixed(micros) => whole_micros(micros.load(Ordering::SeqCst)),
        }
    }
}

/// Moves a clock made by [`Clock::fixed`].
#[derive(Clone, Debug)]
pub struct ClockHandle {
    micros: Arc<AtomicI64>,
}

impl ClockHandle {
    /// Moves the clock by `by`, which may be negative.
    pub fn advance(&self, by: TimeDelta) {
        let micros = by.num_microseconds().unwrap_or(0);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the clock to `at`.
    pub fn set(&self, at: DateTime<Utc>) {
        self.micros.store(at.timestamp_micros(), Ordering::SeqCst);
    }
}

fn whole_micros(micros: i64) -> DateTime<Utc> {
    // Microseconds that came out of a DateTime always fit into one again.
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_system_clock_tells_whole_microseconds_of_this_century() {
        let now = Clock::system().now();
        assert_eq!(now.timestamp_subsec_nanos() % 1_000, 0);
        assert!(now.timestamp() > 1_700_000_000);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_it_is_told_to_and_its_clones_follow() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let (clock, handle) = Clock::fixed(start);
        let clone = clock.clone();
        assert_eq!(clock.now(), start);
        handle.advance(TimeDelta::seconds(90));
        assert_eq!(clone.now(), start + TimeDelta::seconds(90));
        handle.advance(TimeDelta::seconds(-100));
        assert_eq!(clone.now(), start - TimeDelta::seconds(10));
        handle.set(start);
        assert_eq!(clone.now(), start);
    }
}
