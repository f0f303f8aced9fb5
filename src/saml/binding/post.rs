//! HTTP-POST, receiving (Bindings 3.5).

use ::base64::Engine;
use ::base64::alphabet::STANDARD;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::names::Binding;
use super::super::refusal::Refusal;
use super::super::xml::{MAX_MESSAGE, normalized};
use super::form::Fields;
use super::redirect::{message, relay_state};
use super::{Detached, Received};

/// Base64 with or without padding; trailing bits are not looked at.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a form body. `Signature` and `SigAlg` fields are SimpleSign's and count for nothing
/// (BIND-15).
///
/// # Errors
/// What does not decode: [`Refusal::NoMessage`], [`Refusal::RepeatedParameter`],
/// [`Refusal::RequestAndResponse`], [`Refusal::BrokenParameter`], [`Refusal::NotBase64`],
/// [`Refusal::TooLarge`], [`Refusal::TooComplex`], [`Refusal::NotWellFormed`].
pub fn decode(body: &[u8]) -> Result<Received, Refusal> {
    let body = std::str::from_utf8(body).map_err(|_| Refusal::BrokenParameter)?;
    let fields = Fields::parse(body)?;
    let (parameter, encoded) = message(&fields)?;
    if encoded.len() > 2 * MAX_MESSAGE {
        return Err(Refusal::TooLarge);
    }
    let octets = base64(&encoded).ok_or(Refusal::NotBase64)?;
    Ok(Received {
        binding: Binding::Post,
        parameter,
        octets: normalized(String::from_utf8(octets).map_err(|_| Refusal::NotWellFormed)?),
        relay_state: relay_state(&fields)?,
        detached: Detached::Absent,
    })
}

/// Decodes base64, line-wrapped or not (BIND-16); none for an empty value.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let unwrapped: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
    if unwrapped.is_empty() { None } else { LENIENT.decode(unwrapped).ok() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn bind_16_wrapped_base64_and_extra_fields() {
        let received =
            decode(b"x=1&SAMLRequest=PGEv%0D%0APg%3D%3D&RelayState=%C3%A9&SigAlg=x&Signature=y").unwrap();
        assert_eq!(received.octets, "<a/>");
        assert_eq!(received.relay_state.unwrap().as_str(), "é");
        assert_eq!(received.detached, Detached::Absent);
    }

    #[test]
    fn bind_16_what_does_not_decode() {
        assert_eq!(decode(b"SAMLRequest=PGEvPg&SAMLRequest=PGEvPg"), Err(Refusal::RepeatedParameter));
        assert_eq!(decode(b"SAMLRequest="), Err(Refusal::NotBase64));
        assert_eq!(decode(b"SAMLRequest=%2A"), Err(Refusal::NotBase64));
        assert_eq!(decode(b"\xff\xfe"), Err(Refusal::BrokenParameter));
        assert_eq!(decode(b""), Err(Refusal::NoMessage));
        assert_eq!(decode(b"{\"SAMLRequest\":1}"), Err(Refusal::NoMessage));
    }

    #[test]
    fn val_01_a_form_may_wrap_its_message_but_not_without_end() {
        let padded = |length: usize| format!("SAMLRequest=PGEvPg%3D%3D{}", "+".repeat(length - 8));
        assert_eq!(decode(padded(2 * MAX_MESSAGE).as_bytes()).unwrap().octets, "<a/>");
        assert_eq!(decode(padded(2 * MAX_MESSAGE + 1).as_bytes()), Err(Refusal::TooLarge));
        assert_eq!(decode(padded(4 * MAX_MESSAGE).as_bytes()), Err(Refusal::TooLarge));
    }
}
