//! Refusals on their way into the audit: counted in memory and written by the minute, so that no
//! stranger can buy a commit with a message.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::app::budget::Bucket;
use crate::store::audit::{Entry, Verdict};

/// The most kinds of refusal that are told apart between two writes; the rest are only counted.
const MOST_KINDS: usize = 2048;
/// The most characters of a claimed issuer that are kept.
const ISSUER_LENGTH: usize = 256;

/// A refusal, as it goes into the audit.
#[derive(Debug, Clone)]
pub(crate) struct Refused<'a> {
    pub(crate) endpoint: &'static str,
    pub(crate) binding: Option<&'static str>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
    pub(crate) digest: [u8; 32],
    pub(crate) verdict: Verdict,
    pub(crate) rule: &'static str,
    pub(crate) source: Option<IpAddr>,
    pub(crate) detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    endpoint: &'static str,
    issuer: Option<String>,
    verdict: Verdict,
    rule: &'static str,
    source: Option<IpAddr>,
    minute: DateTime<Utc>,
}

/// Lines of the log about refusals: so many at once, and so many a second after that. A flood must
/// not fill a disk; the audit counts all of them.
const LINES: (u32, f64) = (200, 20.0);

/// Which refusals are logged.
#[derive(Debug)]
pub(crate) struct RefusalLog(Mutex<(Bucket, u64)>);

impl RefusalLog {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new((Bucket::full(LINES.0, LINES.1, now), 0)))
    }

    /// Whether a line may be written now; then with the number of those that were not, since.
    pub(crate) fn may_write(&self, now: DateTime<Utc>) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.take(now) {
            return Some(std::mem::take(&mut state.1));
        }
        state.1 += 1;
        None
    }
}

/// The counts since the last write.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Kind, Entry>>);

impl Refusals {
    /// Counts a refusal.
    pub(crate) fn note(&self, refused: &Refused<'_>, now: DateTime<Utc>) {
        let mut kind = Kind {
            endpoint: refused.endpoint,
            issuer: refused.issuer.map(|issuer| issuer.chars().take(ISSUER_LENGTH).collect()),
            verdict: refused.verdict,
            rule: refused.rule,
            source: refused.source,
            minute: now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now),
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_KINDS && !counts.contains_key(&kind) {
            // Too many to tell apart: what was broken stays, by whom goes.
            kind.issuer = None;
            kind.source = None;
        }
        if let Some(entry) = counts.get_mut(&kind) {
            entry.count += 1;
            return;
        }
        let whole = kind.issuer.is_some() || kind.source.is_some() || counts.len() < MOST_KINDS;
        let entry = Entry {
            at: now,
            endpoint: refused.endpoint,
            binding: refused.binding,
            issuer: kind.issuer.clone(),
            message_id: refused.message_id.filter(|_| whole).map(str::to_owned),
            digest: whole.then_some(refused.digest),
            verdict: refused.verdict,
            rule: refused.rule,
            sessions: 0,
            count: 1,
            source: kind.source.map(|source| source.to_string()),
            detail: Some(refused.detail.clone()),
        };
        counts.insert(kind, entry);
    }

    /// Takes what was counted.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut entries: Vec<_> = counts.into_values().collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(issuer: &str, rule: &'static str) -> Refused<'static> {
        Refused {
            endpoint: "/saml/slo",
            binding: Some("redirect"),
            issuer: Some(String::leak(issuer.to_owned())),
            message_id: Some("_1"),
            digest: [0; 32],
            verdict: Verdict::Refused,
            rule,
            source: Some(IpAddr::from([127, 0, 0, 1])),
            detail: String::new(),
        }
    }

    #[test]
    fn a_flood_of_refusals_is_no_flood_of_lines() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let log = RefusalLog::new(now);
        let written = (0..10_000).filter(|_| log.may_write(now).is_some()).count();
        assert_eq!(written, 200);
        assert_eq!(
            log.may_write(now + TimeDelta::seconds(1)),
            Some(9_800),
            "the next line says how many were not"
        );
        assert_eq!(log.may_write(now + TimeDelta::seconds(1)), Some(0));
    }

    #[test]
    fn refusals_of_a_kind_are_one_line_per_minute() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let refusals = Refusals::default();
        for _ in 0..1000 {
            refusals.note(&refused("a", "VAL-09"), now);
        }
        refusals.note(&refused("a", "SLO-01"), now);
        refusals.note(&refused("a", "VAL-09"), now + TimeDelta::minutes(1));
        let mut counts: Vec<_> = refusals.take().into_iter().map(|entry| (entry.rule, entry.count)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [("SLO-01", 1), ("VAL-09", 1), ("VAL-09", 1000)]);
        assert!(refusals.take().is_empty());
    }

    #[test]
    fn a_flood_of_names_takes_bounded_room_and_none_is_lost() {
        let refusals = Refusals::default();
        for n in 0..(MOST_KINDS * 2) {
            refusals.note(&refused(&n.to_string(), "VAL-07"), DateTime::<Utc>::UNIX_EPOCH);
        }
        let entries = refusals.take();
        assert_eq!(entries.len(), MOST_KINDS + 1);
        let counted: i64 = entries.iter().map(|entry| entry.count).sum();
        assert_eq!(usize::try_from(counted), Ok(MOST_KINDS * 2));
    }
}
