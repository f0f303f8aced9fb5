//! HTTP-Redirect, receiving (Bindings 3.4).

use std::io::Read;

use flate2::bufread::DeflateDecoder;

use super::super::names::{Binding, RelayState};
use super::super::refusal::Refusal;
use super::super::xml::{MAX_MESSAGE, normalized};
use super::form::Fields;
use super::post::base64;
use super::{Detached, Parameter, Received};

/// The most octets of a query that are looked at (VAL-01).
const MAX_QUERY: usize = 64 * 1024;
/// The only encoding of the binding (BIND-08).
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Decodes a query, as raw as the browser sent it.
///
/// # Errors
/// What does not decode: [`Refusal::NoMessage`], [`Refusal::RepeatedParameter`],
/// [`Refusal::RequestAndResponse`], [`Refusal::UnknownEncoding`], [`Refusal::BrokenParameter`],
/// [`Refusal::NotBase64`], [`Refusal::NotDeflate`], [`Refusal::TooLarge`], [`Refusal::TooComplex`],
/// [`Refusal::NotWellFormed`].
pub fn decode(query: &str) -> Result<Received, Refusal> {
    if query.len() > MAX_QUERY {
        return Err(Refusal::TooLarge);
    }
    let fields = Fields::parse(query)?;
    let (parameter, encoded) = message(&fields)?;
    if fields.decoded("SAMLEncoding")?.is_some_and(|encoding| encoding != DEFLATE) {
        return Err(Refusal::UnknownEncoding);
    }
    let octets = inflate(&base64(&encoded).ok_or(Refusal::NotBase64)?)?;
    Ok(Received {
        binding: Binding::Redirect,
        parameter,
        octets: normalized(String::from_utf8(octets).map_err(|_| Refusal::NotWellFormed)?),
        relay_state: relay_state(&fields)?,
        detached: detached(&fields, parameter),
    })
}

/// The one message of a query or form.
pub(super) fn message(fields: &Fields<'_>) -> Result<(Parameter, String), Refusal> {
    let read = |parameter: Parameter| fields.decoded(parameter.as_str());
    match (read(Parameter::SamlRequest)?, read(Parameter::SamlResponse)?) {
        (Some(request), None) => Ok((Parameter::SamlRequest, request)),
        (None, Some(response)) => Ok((Parameter::SamlResponse, response)),
        (Some(_), Some(_)) => Err(Refusal::RequestAndResponse),
        (None, None) => Err(Refusal::NoMessage),
    }
}

/// RelayState, which may be empty (BIND-07).
pub(super) fn relay_state(fields: &Fields<'_>) -> Result<Option<RelayState>, Refusal> {
    let text = fields.decoded("RelayState")?;
    text.map(|text| RelayState::parse(text).map_err(|_| Refusal::BrokenParameter)).transpose()
}

/// The signature beside the message, over exactly the octets that came: message, RelayState if it
/// is there, SigAlg, in this order, whatever their order in the query (Bindings 3.4.4.1).
fn detached(fields: &Fields<'_>, parameter: Parameter) -> Detached {
    let name = parameter.as_str();
    let (message, algorithm, signature) =
        match (fields.raw(name), fields.raw("SigAlg"), fields.raw("Signature")) {
            (_, None, None) => return Detached::Absent,
            (Some(message), Some(algorithm), Some(signature)) => (message, algorithm, signature),
            _ => return Detached::Broken,
        };
    let relay = fields.raw("RelayState").map(|relay| format!("&RelayState={relay}")).unwrap_or_default();
    let signed = format!("{name}={message}{relay}&SigAlg={algorithm}");
    let value = fields.decoded("Signature").ok().flatten().filter(|_| !signature.is_empty());
    match (fields.decoded("SigAlg"), value.and_then(|value| base64(&value))) {
        (Ok(Some(algorithm)), Some(signature)) => Detached::Present { algorithm, signed, signature },
        _ => Detached::Broken,
    }
}

/// Inflates raw DEFLATE, never past the limit (F-42), with nothing after the stream's end.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoder = DeflateDecoder::new(deflated);
    let mut octets = Vec::with_capacity(4096);
    let limit = MAX_MESSAGE as u64 + 1;
    decoder.by_ref().take(limit).read_to_end(&mut octets).map_err(|_| Refusal::NotDeflate)?;
    if octets.len() > MAX_MESSAGE {
        return Err(Refusal::TooLarge);
    }
    if decoder.into_inner().is_empty() { Ok(octets) } else { Err(Refusal::NotDeflate) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::Write;

    use ::base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn deflated(xml: &[u8]) -> String {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(xml).unwrap();
        let base64 = STANDARD.encode(encoder.finish().unwrap());
        base64.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D")
    }

    #[test]
    fn bind_04_the_signed_octets_are_those_that_came() {
        let message = deflated(b"<a/>");
        let query = format!("SigAlg=urn:x%2fy&RelayState=a+b%7e&x=1&SAMLResponse={message}&Signature=AAAA");
        let received = decode(&query).unwrap();
        assert_eq!(received.octets, "<a/>");
        assert_eq!(received.relay_state.unwrap().as_str(), "a b~");
        let signed = format!("SAMLResponse={message}&RelayState=a+b%7e&SigAlg=urn:x%2fy");
        let signature = vec![0, 0, 0];
        assert_eq!(received.detached, Detached::Present { algorithm: "urn:x/y".into(), signed, signature });
    }

    #[test]
    fn bind_07_an_empty_relay_state_is_signed_as_such() {
        let message = deflated(b"<a/>");
        let received = decode(&format!("SAMLRequest={message}&RelayState=&SigAlg=u&Signature=AAAA")).unwrap();
        let Detached::Present { signed, .. } = received.detached else { unreachable!("both are there") };
        assert_eq!(signed, format!("SAMLRequest={message}&RelayState=&SigAlg=u"));
    }

    #[test]
    fn bind_10_half_a_signature_is_broken() {
        let message = deflated(b"<a/>");
        for half in ["SigAlg=u", "Signature=AAAA", "SigAlg=u&Signature=", "SigAlg=u&Signature=*"] {
            let received = decode(&format!("SAMLRequest={message}&{half}")).unwrap();
            assert_eq!(received.detached, Detached::Broken, "{half}");
        }
        assert_eq!(decode(&format!("SAMLRequest={message}")).unwrap().detached, Detached::Absent);
    }

    #[test]
    fn val_01_a_deflate_bomb_stops_at_the_limit() {
        let bomb = deflated(&vec![b' '; 10_000_000]);
        assert_eq!(decode(&format!("SAMLRequest={bomb}")), Err(Refusal::TooLarge));
        assert!(decode(&format!("SAMLRequest={}", deflated(&vec![b' '; MAX_MESSAGE]))).is_ok());
    }

    #[test]
    fn bind_08_and_10_other_encodings() {
        let message = deflated(b"<a/>");
        assert!(decode(&format!("SAMLRequest={message}&SAMLEncoding={DEFLATE}")).is_ok());
        assert_eq!(
            decode(&format!("SAMLRequest={message}&SAMLEncoding=urn:x")),
            Err(Refusal::UnknownEncoding)
        );
        assert_eq!(decode("SAMLRequest=%2A%2A"), Err(Refusal::NotBase64));
        assert_eq!(decode("SAMLRequest=AAAA"), Err(Refusal::NotDeflate));
        assert_eq!(
            decode(&format!("SAMLRequest={message}&SAMLResponse={message}")),
            Err(Refusal::RequestAndResponse)
        );
        assert_eq!(decode("x=1"), Err(Refusal::NoMessage));
    }

    #[test]
    fn bind_10_nothing_follows_the_deflated_message() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"<a/>").unwrap();
        let mut octets = encoder.finish().unwrap();
        let query = |octets: &[u8]| {
            let base64 = STANDARD.encode(octets);
            format!("SAMLRequest={}", base64.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D"))
        };
        assert_eq!(decode(&query(&octets)).unwrap().octets, "<a/>");
        octets.push(b'x');
        assert_eq!(decode(&query(&octets)), Err(Refusal::NotDeflate));
    }

    #[test]
    fn val_01_a_query_has_a_limit_of_its_own() {
        let query = |length: usize| {
            let message = format!("SAMLRequest={}&x=", deflated(b"<a/>"));
            format!("{message}{}", "y".repeat(length - message.len()))
        };
        assert_eq!(decode(&query(64 * 1024)).unwrap().octets, "<a/>");
        assert_eq!(decode(&query(64 * 1024 + 1)), Err(Refusal::TooLarge));
    }
}
