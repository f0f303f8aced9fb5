//! A signed JWT in compact form (RFC 7515, 7.1), always RS256: the one algorithm that every receiver of
//! OpenID tokens has to know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

use super::FormError;

/// The key that signs what applications are told. It is never the one that signs SAML: else what one
/// of the two protocols has signed could be shown to the other.
#[derive(Clone)]
pub struct TokenKey {
    key: PKey<Private>,
    id: String,
}

impl TokenKey {
    /// `id`: its name in our published key set.
    #[must_use]
    pub fn new(key: PKey<Private>, id: String) -> Self {
        Self { key, id }
    }

    /// Its name in our published key set.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs claims under a header of that type.
    ///
    /// # Errors
    /// [`FormError`].
    pub(super) fn sign(&self, token_type: &str, claims: &Value) -> Result<String, FormError> {
        let header = json!({ "alg": "RS256", "typ": token_type, "kid": self.id });
        let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        let signature = signer.sign_oneshot_to_vec(text.as_bytes())?;
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(text)
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TokenKey").field(&self.id).finish()
    }
}
