//! Name and value pairs of a query or form, without loss: the raw octets stay at hand, because a
//! Redirect signature covers them as they came (BIND-04).

use percent_encoding::percent_decode;

use super::super::refusal::Refusal;

/// The parameters that the front-channel bindings know, each to occur at most once.
const KNOWN: [&str; 6] = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"];

/// The most parameters that are looked at, of which the bindings know six: each costs more than its
/// octets (VAL-01).
const MOST: usize = 256;

/// The raw values of the parameters that the bindings know; all others are ignored (BIND-05).
#[derive(Default)]
pub(super) struct Fields<'a> {
    values: [Option<&'a str>; KNOWN.len()],
}

impl<'a> Fields<'a> {
    /// Splits a query or form body once, for the verifier and the decoder alike.
    ///
    /// Names are compared after decoding. What other software might take for one of the known
    /// names (another case, a bracket, a stray blank or NUL) counts as that name, so that no two
    /// readers of the same octets can differ (BIND-06, F-21).
    ///
    /// # Errors
    /// [`Refusal::TooComplex`], [`Refusal::RepeatedParameter`], [`Refusal::BrokenParameter`].
    pub(super) fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for (at, pair) in raw.split('&').enumerate() {
            if at >= MOST {
                return Err(Refusal::TooComplex);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(known) = resembles(name) else { continue };
            let Some(slot) = fields.values.get_mut(known) else { continue };
            if slot.is_some() {
                return Err(Refusal::RepeatedParameter);
            }
            if KNOWN.get(known).is_none_or(|exact| *exact != name) {
                return Err(Refusal::BrokenParameter);
            }
            *slot = Some(value);
        }
        Ok(fields)
    }

    /// The value of a known parameter, as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let known = KNOWN.iter().position(|known| *known == name)?;
        self.values.get(known).copied().flatten()
    }

    /// The value of a known parameter, decoded.
    pub(super) fn decoded(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.raw(name).map(|raw| decode(raw).ok_or(Refusal::BrokenParameter)).transpose()
    }
}

/// Which known name a spelling stands for, or could be taken for.
fn resembles(spelling: &str) -> Option<usize> {
    let decoded = decode_octets(spelling);
    let text = String::from_utf8_lossy(&decoded);
    let base = text.split(['[', '\0']).next().unwrap_or_default();
    let base = base.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    KNOWN.iter().position(|known| known.eq_ignore_ascii_case(base))
}

/// Decodes `application/x-www-form-urlencoded` text; none if an escape is broken or the result is
/// not UTF-8.
fn decode(raw: &str) -> Option<String> {
    let bytes = raw.as_bytes();
    let broken = bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%' && !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if broken { None } else { String::from_utf8(decode_octets(raw)).ok() }
}

fn decode_octets(raw: &str) -> Vec<u8> {
    let spaced = raw.replace('+', " ");
    percent_decode(spaced.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn refusal(raw: &str) -> Option<Refusal> {
        Fields::parse(raw).err()
    }

    #[test]
    fn bind_05_order_is_free_and_other_parameters_are_ignored() {
        let fields = Fields::parse("foo=1&SigAlg=a%2fb&&SAMLRequest=x+y%2B&foo=2").unwrap();
        assert_eq!(fields.raw("SigAlg"), Some("a%2fb"));
        assert_eq!(fields.decoded("SAMLRequest").unwrap().unwrap(), "x y+");
        assert_eq!(fields.raw("RelayState"), None);
    }

    #[test]
    fn val_01_parameters_are_counted() {
        let among = |others: usize| format!("{}SAMLRequest=a", "x&".repeat(others));
        assert_eq!(Fields::parse(&among(MOST - 1)).unwrap().raw("SAMLRequest"), Some("a"));
        assert_eq!(refusal(&among(MOST)), Some(Refusal::TooComplex));
        assert_eq!(refusal(&"&".repeat(MOST)), Some(Refusal::TooComplex));
    }

    #[test]
    fn bind_06_no_second_spelling_of_a_parameter() {
        for twice in [
            "SAMLRequest=a&SAMLRequest=b",
            "%53AMLRequest=a&SAMLRequest=b",
            "SAMLRequest=a&SAMLRequest[]=b",
            "RelayState=a&relaystate=b",
            "SAMLRequest=a&SAMLRequest%00=b",
            "SAMLRequest=a&+SAMLRequest=b",
            "SigAlg&SigAlg=x",
        ] {
            assert!(refusal(twice).is_some(), "{twice}");
        }
        for odd in ["%53AMLRequest=a", "SAMLRequest[]=a", "samlrequest=a"] {
            assert_eq!(refusal(odd), Some(Refusal::BrokenParameter), "{odd}");
        }
        assert_eq!(refusal("SAMLRequest=a&RelayState=b"), None);
    }

    #[test]
    fn bind_07_an_empty_value_is_a_value() {
        let fields = Fields::parse("RelayState=").unwrap();
        assert_eq!(fields.raw("RelayState"), Some(""));
    }

    #[test]
    fn bind_10_broken_escapes_are_refused() {
        for bad in ["SAMLRequest=%", "SAMLRequest=%4", "SAMLRequest=%zz", "SAMLRequest=%ff"] {
            assert_eq!(
                Fields::parse(bad).unwrap().decoded("SAMLRequest"),
                Err(Refusal::BrokenParameter),
                "{bad}"
            );
        }
    }
}
