//! An instant: as another reader reads it, and the same when it was written and read again.
#![no_main]

use chrono::{DateTime, SubsecRound, Utc};
use libfuzzer_sys::fuzz_target;
use signoff_fuzz::saml::instant::{self, Instant};

fuzz_target!(|text: &str| {
    let Some(read) = Instant::parse(text) else { return };
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let zoned = trimmed.ends_with('Z') || trimmed.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    let text = if zoned { trimmed.to_owned() } else { format!("{trimmed}Z") };
    let other = DateTime::parse_from_rfc3339(&text).expect("the other reader takes it too");
    assert_eq!(read.at, other.to_utc().trunc_subsecs(6));
    // `-00:00` is UTC too, but not one of the two spellings that are taken for it.
    assert_eq!(read.utc, trimmed.ends_with('Z') || trimmed.ends_with("+00:00"));
    let written = instant::write(read.at);
    let again: DateTime<Utc> = Instant::parse(&written).map(|again| again.at).unwrap_or_default();
    // Years outside 0 to 9999 cannot be written as xs:dateTime has them; an offset leads there.
    if written.starts_with(|c: char| c.is_ascii_digit()) {
        assert_eq!(again, read.at.trunc_subsecs(3));
    }
});
