//! A message as it arrived, decoded but not yet read.

use super::super::names::{Binding, RelayState};
use super::Parameter;

/// The octets of a message with all that the binding carried beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// How it came.
    pub binding: Binding,
    /// Under which name it came; on SOAP, where there are no names, as what it was awaited.
    pub parameter: Parameter,
    /// The XML: the message, or on SOAP the envelope around it, its white space normalized
    /// ([`normalized`](super::super::xml::normalized)).
    pub octets: String,
    /// RelayState, if there was one; never to be trusted (BIND-20).
    pub relay_state: Option<RelayState>,
    /// The signature of the Redirect binding; always absent on the other two.
    pub detached: Detached,
}

/// The signature that the Redirect binding carries beside the message (Bindings 3.4.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detached {
    /// Neither `SigAlg` nor `Signature`.
    Absent,
    /// One without the other, or a `Signature` that cannot be decoded (BIND-10).
    Broken,
    /// Both are there.
    Present {
        /// The URI in `SigAlg`.
        algorithm: String,
        /// The octets that were signed, exactly as they came (BIND-04).
        signed: String,
        /// The signature's value.
        signature: Vec<u8>,
    },
}
