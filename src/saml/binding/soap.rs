//! SOAP 1.1, receiving (Bindings 3.2). Envelope and message are one document and are parsed once;
//! see [`Document::parse_soap`](super::super::xml::Document::parse_soap).

use super::super::names::Binding;
use super::super::refusal::Refusal;
use super::super::xml::normalized;
use super::{Detached, Parameter, Received};

/// Takes the body of a SOAP request or of the answer to one.
///
/// # Errors
/// [`Refusal::NotWellFormed`] if it is not UTF-8.
pub fn decode(body: &[u8], awaited: Parameter) -> Result<Received, Refusal> {
    Ok(Received {
        binding: Binding::Soap,
        parameter: awaited,
        octets: normalized(std::str::from_utf8(body).map_err(|_| Refusal::NotWellFormed)?.to_owned()),
        relay_state: None,
        detached: Detached::Absent,
    })
}
