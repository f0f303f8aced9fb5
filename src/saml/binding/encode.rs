//! Messages on their way out: what the browser or the peer is given to carry (Bindings 3.2, 3.4,
//! 3.5).

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::saml::names::{Location, RelayState};
use crate::saml::outbound::Unsigned;
use crate::saml::signing::{EcdsaEncoding, Signer, SigningError};
use crate::saml::write::{Namespace, SOAP, Writer};

use super::Parameter;

/// The longest URL to send a browser to; a longer message goes by POST if the peer has it
/// (BIND-12).
pub const LONGEST_URL: usize = 8000;

/// Why a message could not be put on a binding.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A front-channel message must say where it goes (BIND-23).
    #[error("the message has no destination")]
    NoDestination,
    /// It could not be compressed.
    #[error("the message could not be compressed")]
    Deflate,
    /// It could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// A message on the front channel, for the browser to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outbound {
    /// HTTP-Redirect: send the browser to this URL with 302 or 303 (BIND-11).
    Redirect {
        /// Pure ASCII.
        url: String,
    },
    /// HTTP-POST: a form that submits itself (BIND-14). Every value is to be escaped for HTML.
    Post {
        /// The form's action.
        action: Location,
        /// The name of the control that carries the message.
        parameter: Parameter,
        /// The message in base64.
        message: String,
        /// The value of the control `RelayState`, if there is one.
        relay_state: Option<RelayState>,
    },
}

/// Puts a message on HTTP-Redirect, signed beside itself (Bindings 3.4.4.1; BIND-02, BIND-03).
///
/// # Errors
/// [`EncodeError`].
pub fn redirect(
    message: &Unsigned,
    relay_state: Option<&RelayState>,
    signer: &Signer,
    ecdsa: EcdsaEncoding,
) -> Result<Outbound, EncodeError> {
    let location = message.destination().ok_or(EncodeError::NoDestination)?.as_str();
    let mut query = String::with_capacity(2048);
    query.push_str(message.parameter().as_str());
    query.push('=');
    percent_encode(&mut query, &STANDARD.encode(deflate(message.as_str())?));
    if let Some(relay_state) = relay_state {
        query.push_str("&RelayState=");
        percent_encode(&mut query, relay_state.as_str());
    }
    query.push_str("&SigAlg=");
    percent_encode(&mut query, signer.algorithm().uri());
    let signature = signer.detached(&query, ecdsa)?;
    query.push_str("&Signature=");
    percent_encode(&mut query, &signature);
    Ok(Outbound::Redirect { url: [location, separator(location), &query].concat() })
}

/// Puts a message on HTTP-POST, with an enveloped signature (Bindings 3.5.4; BIND-14, BIND-15).
///
/// # Errors
/// [`EncodeError`].
pub fn post(
    message: &Unsigned,
    relay_state: Option<&RelayState>,
    signer: &Signer,
) -> Result<Outbound, EncodeError> {
    Ok(Outbound::Post {
        action: message.destination().ok_or(EncodeError::NoDestination)?.clone(),
        parameter: message.parameter(),
        message: STANDARD.encode(signer.enveloped(message)?),
        relay_state: relay_state.cloned(),
    })
}

/// Puts a message on SOAP: an envelope around it, the message itself signed (Bindings 3.2.2.1;
/// BIND-25, BIND-31).
///
/// # Errors
/// [`EncodeError::Signing`].
pub fn soap(message: &Unsigned, signer: &Signer) -> Result<String, EncodeError> {
    let xml = signer.enveloped(message)?;
    Ok(soap_body(|body| body.nested(&xml)))
}

/// The fault codes of SOAP 1.1 (section 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The message was not as it should be.
    Client,
    /// A header that must be understood was not (BIND-26).
    MustUnderstand,
    /// We could not process it.
    Server,
    /// The envelope is not SOAP 1.1's.
    VersionMismatch,
}

/// A SOAP fault, for what is wrong at the level of SOAP or XML (BIND-28).
#[must_use]
pub fn soap_fault(code: FaultCode, text: &str) -> String {
    let code = match code {
        FaultCode::Client => "soap:Client",
        FaultCode::MustUnderstand => "soap:MustUnderstand",
        FaultCode::Server => "soap:Server",
        FaultCode::VersionMismatch => "soap:VersionMismatch",
    };
    soap_body(|xml| {
        xml.element(soap_name("Fault"), &[], |xml| {
            xml.unqualified_text_element("faultcode", code);
            xml.unqualified_text_element("faultstring", text);
        });
    })
}

fn soap_body(content: impl FnOnce(&mut Writer)) -> String {
    let mut xml = Writer::new();
    xml.element(soap_name("Envelope"), &[], |xml| {
        xml.element(soap_name("Body"), &[], content);
    });
    xml.finish()
}

const fn soap_name(name: &'static str) -> (Namespace, &'static str) {
    (SOAP, name)
}

thread_local! {
    /// Setting up a compressor costs ten times what compressing a message does, so each thread
    /// keeps one and resets it before every use.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
}

/// Raw DEFLATE (RFC 1951).
fn deflate(text: &str) -> Result<Vec<u8>, EncodeError> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        let mut out = Vec::with_capacity(text.len() + 64);
        loop {
            let rest =
                usize::try_from(compressor.total_in()).ok().and_then(|read| text.as_bytes().get(read..));
            let status = compressor.compress_vec(rest.unwrap_or_default(), &mut out, FlushCompress::Finish);
            match status {
                Ok(Status::StreamEnd) => return Ok(out),
                Ok(Status::Ok | Status::BufError) => out.reserve(text.len() / 2 + 64),
                Err(_) => return Err(EncodeError::Deflate),
            }
        }
    })
}

/// What stands between a Location, which may have a query of its own, and ours.
fn separator(location: &str) -> &'static str {
    match location.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    }
}

/// Everything but RFC 3986's unreserved characters as upper-case `%XX`.
fn percent_encode(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(hex(byte >> 4));
            out.push(hex(byte & 15));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use crate::saml::names::{EntityId, MessageId};
    use crate::saml::outbound::NewLogoutResponse;
    use crate::saml::signing::Algorithm;
    use crate::saml::test_keys::{ec, rsa, signer};
    use openssl::ecdsa::EcdsaSig;
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::sign::Verifier;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn response(destination: &str) -> Unsigned {
        let destination = Location::parse(destination).ok();
        let (id, request) = (MessageId::parse("_2").unwrap(), MessageId::parse("_1").unwrap());
        let issuer = EntityId::parse("https://sp.example/").unwrap();
        let now = chrono::DateTime::UNIX_EPOCH;
        NewLogoutResponse::denying(Some(&request), &id, now, destination.as_ref(), &issuer).write()
    }

    fn url(outbound: Outbound) -> String {
        match outbound {
            Outbound::Redirect { url } => url,
            Outbound::Post { .. } => panic!("a form"),
        }
    }

    /// Splits a URL into what stands before our query, the octets signed, and the signature.
    fn parts<'a>(url: &'a str, prefix: &str) -> (&'a str, Vec<u8>) {
        let (octets, signature) = url.strip_prefix(prefix).unwrap().split_once("&Signature=").unwrap();
        (octets, STANDARD.decode(percent_decode(signature)).unwrap())
    }

    fn percent_decode(text: &str) -> String {
        url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().unwrap().1.into_owned()
    }

    fn openssl_verifies(key: &PKey<Private>, octets: &str, signature: &[u8]) -> bool {
        let mut verifier = Verifier::new(MessageDigest::sha256(), key).unwrap();
        verifier.verify_oneshot(signature, octets.as_bytes()).unwrap_or(false)
    }

    fn inflated(query: &str) -> String {
        let value = query.strip_prefix("SAMLResponse=").unwrap().split('&').next().unwrap();
        let deflated = STANDARD.decode(percent_decode(value)).unwrap();
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(&deflated[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn bind_03_openssl_verifies_the_raw_query() {
        let message = response("https://idp.example/slo");
        let relay = RelayState::parse("a b+c&d=é/~").unwrap();
        for (relay_state, middle) in [(None, ""), (Some(&relay), "&RelayState=a%20b%2Bc%26d%3D%C3%A9%2F~")] {
            let (key, certificate) = rsa();
            let signer = signer((key.clone(), certificate));
            let url = url(redirect(&message, relay_state, &signer, EcdsaEncoding::Raw).unwrap());
            let (octets, signature) = parts(&url, "https://idp.example/slo?");
            let tail =
                format!("{middle}&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256");
            assert!(octets.ends_with(&tail), "{octets}");
            assert!(openssl_verifies(&key, octets, &signature));
            assert!(!openssl_verifies(&key, &octets.replace("SAMLResponse", "SAMLRequest"), &signature));
            assert_eq!(inflated(octets), message.as_str(), "BIND-02");
        }
    }

    #[test]
    fn bind_19_an_empty_relay_state_stays_an_empty_relay_state() {
        let relay = RelayState::parse("").unwrap();
        let message = response("https://idp.example/slo");
        let url = url(redirect(&message, Some(&relay), &signer(rsa()), EcdsaEncoding::Raw).unwrap());
        assert!(url.contains("&RelayState=&SigAlg="), "{url}");
    }

    #[test]
    fn bind_03_the_location_s_own_query_is_kept_and_not_signed() {
        for (location, prefix) in [
            ("https://idp.example/slo?a=1&b=%2f", "https://idp.example/slo?a=1&b=%2f&"),
            ("https://idp.example/slo?", "https://idp.example/slo?"),
            ("https://idp.example/slo?a&", "https://idp.example/slo?a&"),
        ] {
            let (key, certificate) = rsa();
            let signer = signer((key.clone(), certificate));
            let url = url(redirect(&response(location), None, &signer, EcdsaEncoding::Raw).unwrap());
            let (octets, signature) = parts(&url, prefix);
            assert!(openssl_verifies(&key, octets, &signature), "{url}");
            assert_eq!(octets.matches("SAMLResponse=").count(), 1);
        }
    }

    #[test]
    fn bind_13_ecdsa_goes_out_raw_or_as_der() {
        let (key, certificate) = ec(Nid::X9_62_PRIME256V1);
        let signer = Signer::new(key.clone(), &certificate, Algorithm::EcdsaSha256).unwrap();
        let message = response("https://idp.example/slo");
        let sent = url(redirect(&message, None, &signer, EcdsaEncoding::Der).unwrap());
        let (octets, der) = parts(&sent, "https://idp.example/slo?");
        assert!(openssl_verifies(&key, octets, &der));

        let sent = url(redirect(&message, None, &signer, EcdsaEncoding::Raw).unwrap());
        let (octets, raw) = parts(&sent, "https://idp.example/slo?");
        let (r, s) = raw.split_at(32);
        assert_eq!(s.len(), 32);
        let number = |octets| openssl::bn::BigNum::from_slice(octets).unwrap();
        let der = EcdsaSig::from_private_components(number(r), number(s)).unwrap().to_der().unwrap();
        assert!(openssl_verifies(&key, octets, &der));
    }

    #[test]
    fn bind_23_no_front_channel_without_a_destination() {
        let message = response("");
        let refused = redirect(&message, None, &signer(rsa()), EcdsaEncoding::Raw);
        assert!(matches!(refused, Err(EncodeError::NoDestination)));
        assert!(matches!(post(&message, None, &signer(rsa())), Err(EncodeError::NoDestination)));
        assert!(soap(&message, &signer(rsa())).is_ok());
    }

    #[test]
    fn bind_14_the_form_carries_the_signed_message() {
        let relay = RelayState::parse("\"><script>").unwrap();
        let message = response("https://idp.example/slo");
        let outbound = post(&message, Some(&relay), &signer(rsa())).unwrap();
        let Outbound::Post { action, parameter, message, relay_state } = outbound else {
            panic!("a redirect")
        };
        assert_eq!(action.as_str(), "https://idp.example/slo");
        assert_eq!(parameter.as_str(), "SAMLResponse");
        assert_eq!(relay_state, Some(relay));
        let xml = String::from_utf8(STANDARD.decode(message).unwrap()).unwrap();
        assert!(xml.starts_with("<samlp:LogoutResponse ") && xml.contains("</ds:Signature><samlp:Status>"));
    }

    #[test]
    fn bind_25_one_message_in_one_body() {
        let envelope = soap(&response("https://idp.example/slo"), &signer(rsa())).unwrap();
        let open = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
                    <samlp:LogoutResponse xmlns:samlp=";
        assert!(envelope.starts_with(open), "{envelope}");
        assert!(envelope.ends_with("</samlp:LogoutResponse></soap:Body></soap:Envelope>"));
    }

    #[test]
    fn bind_28_a_fault_is_soap_1_1() {
        assert_eq!(
            soap_fault(FaultCode::Client, "no <message>"),
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
             <faultcode>soap:Client</faultcode><faultstring>no &lt;message&gt;</faultstring>\
             </soap:Fault></soap:Body></soap:Envelope>"
        );
    }

    proptest! {
        #[test]
        fn bind_02_any_octets_inflate_to_what_they_were(text in "[ -~]{0,3000}|\\PC{0,500}") {
            let mut inflated = String::new();
            let deflated = deflate(&text).unwrap();
            flate2::read::DeflateDecoder::new(&deflated[..]).read_to_string(&mut inflated).unwrap();
            prop_assert_eq!(inflated, text);
        }

        #[test]
        fn bind_19_any_relay_state_comes_back(relay in "\\PC{0,300}") {
            let mut encoded = String::new();
            percent_encode(&mut encoded, &relay);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(percent_decode(&encoded), relay);
        }
    }
}
