//! How much a token may ask, and how often a stranger may guess.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::app::budget::Bucket;
use crate::store::TokenId;

/// Bad tokens from one address: so many at once, and so many a second after that.
const BAD: (u32, f64) = (30, 0.5);
/// The most addresses that are told apart.
const MOST_ADDRESSES: usize = 10_000;
/// The most good tokens that are remembered.
const MOST_TOKENS: usize = 10_000;

/// The buckets of one node. Each node counts for itself.
#[derive(Debug)]
pub(in crate::app) struct Limits {
    size: u32,
    per_second: f64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// One for each token that was good: a bounded set.
    tokens: HashMap<TokenId, Bucket>,
    /// One for each address that came with a bad one.
    addresses: HashMap<IpAddr, Bucket>,
    /// For all addresses beyond the most that are told apart.
    overflow: Option<Bucket>,
    /// The hashes of tokens that were good.
    good: HashSet<[u8; 32]>,
}

impl Limits {
    pub(in crate::app) fn new(per_minute: u32) -> Self {
        Self { size: per_minute, per_second: f64::from(per_minute) / 60.0, inner: Mutex::default() }
    }

    /// Takes one request of a good token; else says when to come again.
    pub(super) fn take(&self, token: TokenId, now: DateTime<Utc>) -> Result<(), Duration> {
        let mut inner = self.lock();
        let full = || Bucket::full(self.size, self.per_second, now);
        let bucket = inner.tokens.entry(token).or_insert_with(full);
        if bucket.take(now) { Ok(()) } else { Err(bucket.until_next()) }
    }

    /// Whether somebody at that address may try a token; else when to come again.
    pub(super) fn stranger_may_try(
        &self,
        from: IpAddr,
        hash: Option<[u8; 32]>,
        now: DateTime<Utc>,
    ) -> Result<(), Duration> {
        let mut inner = self.lock();
        if hash.is_some_and(|hash| inner.good.contains(&hash)) {
            return Ok(());
        }
        let bucket = inner.of_address(from, now);
        if bucket.has_one(now) { Ok(()) } else { Err(bucket.until_next()) }
    }

    /// Counts a bad token from that address.
    pub(super) fn note_bad(&self, from: IpAddr, now: DateTime<Utc>) {
        let mut inner = self.lock();
        inner.of_address(from, now).take(now);
    }

    /// Remembers a good token.
    pub(super) fn note_good(&self, hash: [u8; 32]) {
        let mut inner = self.lock();
        if inner.good.len() >= MOST_TOKENS {
            inner.good.clear();
        }
        inner.good.insert(hash);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The bucket of an address, made if there is room.
    fn of_address(&mut self, from: IpAddr, now: DateTime<Utc>) -> &mut Bucket {
        let network = network(from);
        if !self.addresses.contains_key(&network) && self.addresses.len() >= MOST_ADDRESSES {
            // Who has not tried for a while starts anew anyway.
            self.addresses.retain(|_, bucket| !bucket.is_full(now));
        }
        let full = || Bucket::full(BAD.0, BAD.1, now);
        if !self.addresses.contains_key(&network) && self.addresses.len() >= MOST_ADDRESSES {
            return self.overflow.get_or_insert_with(full);
        }
        self.addresses.entry(network).or_insert_with(full)
    }
}

/// Whoever has one address of an IPv6 network usually has all 2^64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::net::Ipv4Addr;

    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_token_that_asks_too_much_is_told_when_to_come_again() {
        let (limits, now) = (Limits::new(6), DateTime::<Utc>::UNIX_EPOCH);
        assert_eq!((0..10).filter(|_| limits.take(TokenId(1), now).is_ok()).count(), 6);
        let after = limits.take(TokenId(1), now).unwrap_err();
        assert!(limits.take(TokenId(1), now + after).is_ok());
        assert!(limits.take(TokenId(2), now).is_ok(), "each for itself");
    }

    #[test]
    fn a_guesser_is_stopped_and_a_good_token_from_the_same_address_is_not() {
        let (limits, now) = (Limits::new(6), DateTime::<Utc>::UNIX_EPOCH);
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        limits.note_good([1; 32]);
        for _ in 0..BAD.0 {
            assert!(limits.stranger_may_try(from, Some([2; 32]), now).is_ok());
            limits.note_bad(from, now);
        }
        let after = limits.stranger_may_try(from, Some([2; 32]), now).unwrap_err();
        assert!(limits.stranger_may_try(from, Some([1; 32]), now).is_ok());
        assert!(limits.stranger_may_try(from, Some([2; 32]), now + after).is_ok());
        assert!(limits.stranger_may_try(IpAddr::V4(Ipv4Addr::BROADCAST), None, now).is_ok());
    }

    #[test]
    fn a_guesser_with_a_whole_network_is_one_guesser() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let elsewhere: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_ne!(network(one), network(elsewhere));
    }

    #[test]
    fn addresses_without_number_cost_no_memory_without_bound() {
        let (limits, now) = (Limits::new(6), DateTime::<Utc>::UNIX_EPOCH);
        for number in 0..20_000_u32 {
            limits.note_bad(IpAddr::V4(Ipv4Addr::from(number)), now);
        }
        assert!(limits.lock().addresses.len() <= MOST_ADDRESSES);
        let later = now + TimeDelta::hours(1);
        limits.note_bad(IpAddr::V4(Ipv4Addr::LOCALHOST), later);
        assert_eq!(limits.lock().addresses.len(), 1);
    }
}
