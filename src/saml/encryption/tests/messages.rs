//! Messages around what is encrypted, and the way they are opened.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::by_hand::Recipe;
use super::{ALICE, DecryptionKeys, Refusal};
use crate::saml::test_messages::sign_in;
pub(super) use crate::saml::test_messages::{
    alice, assertion, location, logout_request, open_logout, open_response as open, response, signed,
};

/// The name of whom a response signs in.
pub(super) fn name(xml: &str, decryption: &DecryptionKeys) -> Result<String, Refusal> {
    Ok(sign_in(xml, decryption)?.name_id.unwrap().value)
}

pub(super) fn encrypted(recipe: &Recipe) -> String {
    recipe.encrypt("EncryptedAssertion", &assertion(ALICE))
}

/// An encrypted assertion in a signed response.
pub(super) fn covered(recipe: &Recipe) -> String {
    signed(&response(&encrypted(recipe)), "_r")
}
