//! Queries and forms: a second reading to compare with, and a mutator that gets through their
//! encodings to the message inside.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

use crate::saml::binding::{Parameter, Received};
use crate::saml::names::RelayState;
use crate::saml::xml::MAX_MESSAGE;

const NAMES: [&str; 6] = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"];
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Compares what was decoded with what the WHATWG's reader finds in the same octets.
///
/// # Panics
/// If a limit was passed over, or the two readers differ on a parameter that we know.
pub fn check(raw: &[u8], received: &Received) {
    assert!(received.octets.len() <= MAX_MESSAGE);
    assert!(received.relay_state.as_ref().is_none_or(|state| state.as_str().len() <= RelayState::MAX));
    let pairs: Vec<_> = form_urlencoded::parse(raw).collect();
    for name in NAMES {
        let alike = pairs.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
        assert!(alike <= 1, "{name} occurs {alike} times");
    }
    let value = |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
    assert_eq!(value("RelayState"), received.relay_state.as_ref().map(RelayState::as_str));
    let other = match received.parameter {
        Parameter::SamlRequest => Parameter::SamlResponse,
        Parameter::SamlResponse => Parameter::SamlRequest,
    };
    assert!(value(other.as_str()).is_none(), "two messages");
    assert!(value(received.parameter.as_str()).is_some_and(|value| !value.is_empty()));
}

/// The message in that query or form, found by the WHATWG's reader.
pub fn message(raw: &[u8], parameter: Parameter, packing: Packing) -> Option<String> {
    let (_, value) = form_urlencoded::parse(raw).find(|(name, _)| name == parameter.as_str())?;
    String::from_utf8(packing.unpack(&value)?).ok()
}

/// How a message is packed before it is put into a parameter.
#[derive(Clone, Copy)]
pub enum Packing {
    /// In base64: forms.
    Plain,
    /// Deflated, in base64: queries.
    Deflated,
}

impl Packing {
    /// Unpacks the decoded value of a parameter.
    pub fn unpack(self, value: &str) -> Option<Vec<u8>> {
        let value: String = value.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
        let octets = BASE64.decode(value).ok()?;
        match self {
            Self::Plain => Some(octets),
            Self::Deflated => {
                let mut inflated = Vec::new();
                let limit = MAX_MESSAGE as u64 + 1;
                DeflateDecoder::new(octets.as_slice()).take(limit).read_to_end(&mut inflated).ok()?;
                Some(inflated)
            }
        }
    }

    /// Packs a message into the raw value of a parameter.
    pub fn pack(self, message: &[u8]) -> String {
        let octets = match self {
            Self::Plain => message.to_vec(),
            Self::Deflated => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(message).unwrap();
                encoder.finish().unwrap()
            }
        };
        utf8_percent_encode(&BASE64.encode(octets), NON_ALPHANUMERIC).to_string()
    }
}

/// Mutates either the raw octets or, as often, the message that they carry: blind changes to
/// base64 would hardly ever leave anything that can be unpacked.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, packing: Packing) -> usize {
    if seed.is_multiple_of(2)
        && let Some(mutated) = inside(&data[..size], max_size, packing)
    {
        data[..mutated.len()].copy_from_slice(&mutated);
        return mutated.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

fn inside(raw: &[u8], max_size: usize, packing: Packing) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?;
    let from = text.find("SAMLRe")?;
    let from = from + text[from..].find('=')? + 1;
    let to = text[from..].find('&').map_or(text.len(), |length| from + length);
    let value = percent_decode_str(&text[from..to]).decode_utf8().ok()?;
    let mut message = packing.unpack(&value)?;
    let size = message.len();
    message.resize(size + 1024, 0);
    let size = libfuzzer_sys::fuzzer_mutate(&mut message, size, size + 1024);
    let mutated = format!("{}{}{}", &text[..from], packing.pack(&message[..size]), &text[to..]);
    (mutated.len() <= max_size).then(|| mutated.into_bytes())
}
