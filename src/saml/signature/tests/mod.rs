//! Each check of a signature by itself. Where a shape is wrong, the identity provider's own key has
//! signed it that way: were the check not there, the message would open.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod coverage;
mod detached;
mod keys;
mod shape;

use super::*;
use crate::saml::binding::{Parameter, Received};
use crate::saml::open::Unopened;
use crate::saml::test_messages::{Forge, alice, keys, logout_request, received};

const BOTH: SignaturePolicy = SignaturePolicy { allow_sha1: true, allow_inclusive_c14n: true };

fn posted(xml: &str) -> Received {
    received(Parameter::SamlRequest, xml)
}

/// Whether a LogoutRequest counts as signed.
fn verdict(received: &Received, keys: &TrustedKeys) -> Result<(), Refusal> {
    Unopened::<LogoutRequest>::read(received)?.signed_by(keys).map(|_| ())
}

/// A LogoutRequest about alice with that signature.
fn request(forge: &Forge<'_>) -> String {
    forge.sign(&logout_request(&alice()), "_l")
}
