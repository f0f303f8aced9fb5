//! When to try again.

use chrono::TimeDelta;

/// The most tries: one, and one more with a new message ID (SLO-52).
pub const TRIES: i32 = 2;
/// How long one who works a row may take; after that it is anybody's.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How long to wait after a failed try before the next; none if that was the last. `before` is the
/// number of tries before the failed one.
#[must_use]
pub fn pause(before: i32) -> Option<TimeDelta> {
    (before + 1 < TRIES).then(|| TimeDelta::seconds(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slo_52_there_is_one_retry() {
        assert_eq!(pause(0), Some(TimeDelta::seconds(2)));
        assert_eq!(pause(1), None);
        assert_eq!(pause(7), None);
    }
}
