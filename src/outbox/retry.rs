//! When to try again. Pure: what has happened and a random octet go in, a pause comes out.

use chrono::TimeDelta;

/// The most tries to ask an identity provider: one, and one more with a new message ID (SLO-52).
pub const TRIES: i32 = 2;
/// How long one who works a row may take; after that it is anybody's.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How long to wait after a failed try before the next; none if that was the last. `before` is the
/// number of tries before the failed one.
#[must_use]
pub fn pause(before: i32) -> Option<TimeDelta> {
    (before + 1 < TRIES).then(|| TimeDelta::seconds(2))
}

/// How long an application is told the same, counted from the end of the session.
pub const TOLD_FOR: TimeDelta = TimeDelta::hours(24);
/// The longest pause between two tries of one notification.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// After how many failed rounds in a row an application is left alone for a while.
const PATIENCE: i32 = 3;
/// The longest that an application is left alone: so late it hears at most once it is back.
const LONGEST_SHUT: TimeDelta = TimeDelta::minutes(5);

/// How long to wait after a notification was not acknowledged: from 5 seconds, twice as long each time,
/// at most an hour; 4 minutes at least where it was refused, as the same will hardly be taken a moment
/// later. `before` is the number of tries before the failed one; `jitter` (any octet) spreads the
/// pauses over a half to the whole of that, so that what failed together does not come back together.
#[must_use]
pub fn notification_pause(before: i32, refused: bool, jitter: u8) -> TimeDelta {
    let before = u32::try_from(before).unwrap_or(0) + if refused { 6 } else { 0 };
    let whole = doubled(TimeDelta::seconds(5), before).min(LONGEST);
    spread(whole, jitter)
}

/// How long an application is left alone after it failed for the `failures`th time in a row; none while
/// it may be a passing trouble.
#[must_use]
pub fn lane_pause(failures: i32, jitter: u8) -> Option<TimeDelta> {
    let over = u32::try_from(failures - PATIENCE).ok()?;
    Some(spread(doubled(TimeDelta::seconds(5), over).min(LONGEST_SHUT), jitter))
}

fn doubled(first: TimeDelta, times: u32) -> TimeDelta {
    first * (1 << times.min(16))
}

fn spread(whole: TimeDelta, jitter: u8) -> TimeDelta {
    let half = whole.num_milliseconds() / 2;
    TimeDelta::milliseconds(half + half * i64::from(jitter) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_tried_less_and_less_often_but_at_least_every_hour() {
        let pauses: Vec<TimeDelta> = (0..40).map(|before| notification_pause(before, false, 255)).collect();
        assert_eq!(pauses.first(), Some(&TimeDelta::seconds(5)));
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONGEST));
        let in_a_day = pauses.iter().scan(TimeDelta::zero(), |at, pause| {
            *at += *pause;
            Some(*at)
        });
        assert!((20..60).contains(&in_a_day.filter(|at| *at < TOLD_FOR).count()));
    }

    #[test]
    fn jitter_spreads_a_pause_over_its_second_half() {
        for before in 0..20 {
            let (least, most) =
                (notification_pause(before, false, 0), notification_pause(before, false, 255));
            assert_eq!(least, most / 2, "{before}");
            let middle = notification_pause(before, false, 128);
            assert!(least < middle && middle < most, "{before}");
        }
    }

    #[test]
    fn what_was_refused_is_tried_slowly() {
        assert!(notification_pause(0, true, 0) >= TimeDelta::minutes(2));
        assert!(notification_pause(30, true, 255) <= LONGEST);
    }

    #[test]
    fn an_application_that_is_back_hears_within_five_minutes() {
        assert_eq!(lane_pause(1, 255), None);
        assert_eq!(lane_pause(2, 255), None);
        assert_eq!(lane_pause(3, 255), Some(TimeDelta::seconds(5)));
        for failures in 3..1000 {
            assert!(lane_pause(failures, 255).is_some_and(|pause| pause <= LONGEST_SHUT));
        }
    }

    #[test]
    fn slo_52_there_is_one_retry() {
        assert_eq!(pause(0), Some(TimeDelta::seconds(2)));
        assert_eq!(pause(1), None);
        assert_eq!(pause(7), None);
    }
}
