//! How much strangers can make us do: token buckets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// A bucket of tokens that fills up again over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    size: f64,
    per_second: f64,
    tokens: f64,
    at: DateTime<Utc>,
}

/// One bucket for each of a bounded set of names.
#[derive(Debug)]
pub(crate) struct Budget {
    size: u32,
    per_second: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(size: u32, per_second: f64, now: DateTime<Utc>) -> Self {
        Self { size: f64::from(size), per_second, tokens: f64::from(size), at: now }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: DateTime<Utc>) -> bool {
        let passed = (now - self.at).to_std().map_or(0.0, |passed| passed.as_secs_f64());
        self.tokens = (self.tokens + passed * self.per_second).min(self.size);
        self.at = self.at.max(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Whether there is a token, without taking it.
    pub(crate) fn has_one(&mut self, now: DateTime<Utc>) -> bool {
        let taken = self.take(now);
        if taken {
            self.tokens += 1.0;
        }
        taken
    }

    /// Whether nothing was taken for so long that it is full.
    pub(crate) fn is_full(&self, now: DateTime<Utc>) -> bool {
        let passed = (now - self.at).to_std().map_or(0.0, |passed| passed.as_secs_f64());
        self.tokens + passed * self.per_second >= self.size
    }

    /// How long it takes from the last look until there is a token.
    pub(crate) fn until_next(&self) -> Duration {
        let missing = (1.0 - self.tokens).max(0.0);
        // Whole seconds, as headers have it; a bucket that never fills up is looked at in an hour.
        Duration::from_secs_f64((missing / self.per_second).ceil().clamp(1.0, 3600.0))
    }
}

impl Budget {
    /// A budget of `size` at once and `per_second` after that, for each name.
    pub(crate) fn new(size: u32, per_second: f64) -> Self {
        Self { size, per_second, buckets: Mutex::default() }
    }

    /// Takes a token of `name`. Names have to come from a bounded set: known identity providers.
    pub(crate) fn take(&self, name: &str, now: DateTime<Utc>) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(name) {
            return bucket.take(now);
        }
        let mut bucket = Bucket::full(self.size, self.per_second, now);
        let taken = bucket.take(now);
        buckets.insert(name.to_owned(), bucket);
        taken
    }
}

/// The most sources that are told apart.
const MOST_SOURCES: usize = 8192;

/// One bucket for each source address, of which anybody can have many.
#[derive(Debug)]
pub(crate) struct SourceBudget {
    size: u32,
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

impl SourceBudget {
    /// A budget of `size` at once and `per_second` after that, for each source.
    pub(crate) fn new(size: u32, per_second: f64) -> Self {
        Self { size, per_second, buckets: Mutex::default() }
    }

    /// Takes a token of the source. When there are too many sources to tell apart all begin anew:
    /// whoever has that many is not held back by this, and nobody is locked out by others.
    pub(crate) fn take(&self, source: IpAddr, now: DateTime<Utc>) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let source = network(source);
        if buckets.len() >= MOST_SOURCES && !buckets.contains_key(&source) {
            buckets.clear();
        }
        let full = Bucket::full(self.size, self.per_second, now);
        buckets.entry(source).or_insert(full).take(now)
    }
}

/// What counts as one source: an IPv4 address, or the /64 that any one IPv6 host has to itself.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn sources_are_held_back_each_for_itself_and_in_bounded_room() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let budget = SourceBudget::new(2, 1.0);
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let take = |text: &str| address(text).is_some_and(|source| budget.take(source, now));
        assert!(
            take("192.0.2.1") && take("::ffff:192.0.2.1") && !take("192.0.2.1"),
            "one host, two spellings"
        );
        assert!(take("192.0.2.2"), "its neighbour");
        assert!(take("2001:db8::1") && take("2001:db8::2") && !take("2001:db8::3"), "one network");
        assert!(take("2001:db8:0:1::1"));
        for n in 0..u32::try_from(2 * MOST_SOURCES).unwrap_or(0) {
            assert!(budget.take(IpAddr::from((10 << 24 | n).to_be_bytes()), now));
        }
        assert!(budget.buckets.lock().is_ok_and(|buckets| buckets.len() <= MOST_SOURCES));
    }

    #[test]
    fn a_budget_is_spent_and_comes_back_for_each_name_alone() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let budget = Budget::new(3, 2.0);
        let spent = (0..10).filter(|_| budget.take("a", now)).count();
        assert_eq!(spent, 3);
        assert!(budget.take("b", now));
        assert!(!budget.take("a", now + TimeDelta::milliseconds(400)));
        assert!(budget.take("a", now + TimeDelta::milliseconds(500)));
        let later = now + TimeDelta::hours(1);
        assert_eq!((0..10).filter(|_| budget.take("a", later)).count(), 3);
        assert!(!budget.take("a", now), "a clock that steps back gives nothing");
    }
}
