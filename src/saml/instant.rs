//! `xs:dateTime` as SAML uses it (Core 1.3.3).

use chrono::{DateTime, Duration, NaiveDate, SecondsFormat, Utc};

/// An instant as received: where it lies, and whether it was written in UTC as SAML demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// The instant; one without any zone is read as if it were UTC.
    pub at: DateTime<Utc>,
    /// Whether it was written with `Z` or `+00:00` (VAL-15).
    pub utc: bool,
}

impl Instant {
    /// Reads an `xs:dateTime`; none if the text is not one. Digits below the microsecond are cut.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // xs:dateTime has whiteSpace=collapse.
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if !text.is_ascii() {
            return None;
        }
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let (time, rest) = (rest.strip_prefix('T')?.get(..8)?, rest.get(9..)?);
        let digits = |s: &str, range: std::ops::Range<usize>| -> Option<u32> {
            let part = s.get(range)?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten()
        };
        let separated = date.get(4..5)? == "-"
            && date.get(7..8)? == "-"
            && time.get(2..3)? == ":"
            && time.get(5..6)? == ":";
        if !separated {
            return None;
        }
        let year = i32::try_from(digits(date, 0..4)?).ok()?;
        let day = NaiveDate::from_ymd_opt(year, digits(date, 5..7)?, digits(date, 8..10)?)?;
        let (hour, minute, second) = (digits(time, 0..2)?, digits(time, 3..5)?, digits(time, 6..8)?);
        let (micros, zone) = fraction(rest)?;
        let (offset, utc) = offset(zone)?;
        let local = day.and_hms_micro_opt(hour, minute, second, micros)?.and_utc();
        Some(Self { at: local.checked_sub_signed(offset)?, utc })
    }
}

/// Writes an instant in UTC, with milliseconds only if it has any.
#[must_use]
pub fn write(at: DateTime<Utc>) -> String {
    let format = if at.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    at.to_rfc3339_opts(format, true)
}

/// The microseconds of a fraction of a second, and what follows it.
fn fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(after) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
    let (digits, zone) = (after.get(..end)?, after.get(end..)?);
    if digits.is_empty() || digits.len() > 30 {
        return None;
    }
    let six: String = digits.chars().chain(std::iter::repeat('0')).take(6).collect();
    Some((six.parse().ok()?, zone))
}

/// The offset that a zone means, and whether it is UTC.
fn offset(zone: &str) -> Option<(Duration, bool)> {
    match zone {
        "Z" | "+00:00" => return Some((Duration::zero(), true)),
        "" => return Some((Duration::zero(), false)),
        _ => {}
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2
        || minutes.len() != 2
        || !zone.get(1..)?.bytes().all(|b| b.is_ascii_digit() || b == b':')
    {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes <= 59).then(|| (Duration::minutes(sign * (hours * 60 + minutes)), false))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn val_15_utc_in_both_spellings() {
        let z = Instant::parse("2026-11-22T10:00:00Z").unwrap();
        assert!(z.utc);
        assert_eq!(Instant::parse("2026-11-22T10:00:00+00:00"), Some(z));
        assert_eq!(write(z.at), "2026-11-22T10:00:00Z");
        let millis = Instant::parse("2026-11-22T10:00:00.1234567Z").unwrap();
        assert_eq!(write(millis.at), "2026-11-22T10:00:00.123Z");
    }

    #[test]
    fn val_15_other_zones_are_told_apart() {
        let offset = Instant::parse("2026-11-22T11:00:00+01:00").unwrap();
        assert!(!offset.utc);
        assert_eq!(offset.at, Instant::parse("2026-11-22T10:00:00Z").unwrap().at);
        assert!(!Instant::parse("2026-11-22T10:00:00").unwrap().utc);
    }

    #[test]
    fn val_04_what_is_no_datetime() {
        for bad in [
            "",
            "now",
            "2026-11-22",
            "2026-13-22T10:00:00Z",
            "2026-11-22T25:00:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00+1:00",
            "2026-11-22 10:00:00Z",
            "+2026-11-2T10:00:00Z",
            "2026-11-22T10:00:00ZZ",
            "2026-11-22T10:00:0é",
            "2026-11-22T10:00:00+15:00",
            "2026-11-31T10:00:00Z",
        ] {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
    }
}
