//! A JSON Web Token: read, verified, and only then believed (RFC 7515, RFC 7519, RFC 8725).
//!
//! 1. At most 16 KiB, three parts of base64url, a header that is a JSON object.
//! 2. `alg` is the registered one: never `none`, never a shared key (OIDC-02).
//! 3. `crit` is refused: we understand no extension.
//! 4. `kid` names the key; without it there must be only one that fits.
//! 5. The signature verifies; then, and not before, the claims are read.
//!
//! Time is not looked at here: that is for whoever judges the claims, by the clock that is handed in.

use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// The most octets of a token.
const LARGEST: usize = 16 * 1024;
/// The most keys of a set that are looked at.
const MOST_KEYS: usize = 64;
/// The latest instant that a claim may name: the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The public keys of a provider, as far as we can use them.
#[derive(Clone, Default)]
pub struct Jwks(Vec<PublicKey>);

#[derive(Clone)]
struct PublicKey {
    kid: Option<String>,
    alg: Option<String>,
    family: Family,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ed,
    P256,
    P384,
    Rsa,
}

/// Why a token is not believed, before any of its claims is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtRefusal {
    /// Signed with another algorithm than the registered one, or not at all.
    #[error("the algorithm is not the registered one")]
    Algorithm,
    /// The claims are no JSON object.
    #[error("its claims are no JSON object")]
    Claims,
    /// It demands that an extension be understood.
    #[error("it has a crit header")]
    Critical,
    /// Not three parts of base64url with a JSON header.
    #[error("it is no signed JSON Web Token")]
    Malformed,
    /// The signature does not verify.
    #[error("its signature is not the provider's")]
    Signature,
    /// Larger than the limit.
    #[error("it is too large")]
    TooLarge,
    /// No key of the provider has that name, or fits.
    #[error("none of the provider's keys has signed it")]
    UnknownKey,
}

/// A token that was read but not verified: what it says is a claim of whoever sent it.
#[derive(Clone)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: &'a str,
    header: Map<String, Value>,
    claims: &'a str,
}

/// The claims of a token whose signature was verified. Only [`Unverified::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Claims(Map<String, Value>);

impl Jwks {
    /// Reads a JWK Set. A key that we cannot use is left out, as RFC 7517 5 wants it: providers add
    /// kinds that others need.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(octets).ok()?;
        let keys = document.get("keys")?.as_array()?;
        Some(Self(keys.iter().take(MOST_KEYS).filter_map(PublicKey::read).collect()))
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have signed under that name with that algorithm.
    fn fitting(&self, kid: Option<&str>, algorithm: &str) -> Vec<&PublicKey> {
        let fits = |key: &&PublicKey| {
            Some(key.family) == Family::of(algorithm)
                && key.alg.as_deref().is_none_or(|own| own == algorithm)
                && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        self.0.iter().filter(fits).collect()
    }
}

impl PublicKey {
    fn read(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (family, key) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (Family::Rsa, DecodingKey::from_rsa_components(text("n")?, text("e")?)),
            ("EC", Some("P-256")) => (Family::P256, DecodingKey::from_ec_components(text("x")?, text("y")?)),
            ("EC", Some("P-384")) => (Family::P384, DecodingKey::from_ec_components(text("x")?, text("y")?)),
            ("OKP", Some("Ed25519")) => (Family::Ed, DecodingKey::from_ed_components(text("x")?)),
            _ => return None,
        };
        let (kid, alg) = (text("kid").map(ToOwned::to_owned), text("alg").map(ToOwned::to_owned));
        Some(Self { kid, alg, family, key: key.ok()? })
    }
}

impl Family {
    fn of(algorithm: &str) -> Option<Self> {
        match algorithm {
            "EdDSA" => Some(Self::Ed),
            "ES256" => Some(Self::P256),
            "ES384" => Some(Self::P384),
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => Some(Self::Rsa),
            _ => None,
        }
    }
}

impl<'a> Unverified<'a> {
    /// Takes a token apart; nothing in it is believed.
    ///
    /// # Errors
    /// [`JwtRefusal::TooLarge`], [`JwtRefusal::Malformed`].
    pub fn read(token: &'a str) -> Result<Self, JwtRefusal> {
        if token.len() > LARGEST {
            return Err(JwtRefusal::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtRefusal::Malformed)?;
        if ![header, claims, signature].into_iter().all(is_base64url) {
            return Err(JwtRefusal::Malformed);
        }
        let header = object(header).ok_or(JwtRefusal::Malformed)?;
        Ok(Self { signed, signature, header, claims })
    }

    /// Whom it claims to come from: good for choosing keys and nothing else.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<String> {
        object(self.claims)?.get("iss")?.as_str().map(ToOwned::to_owned)
    }

    /// Whether it claims to be for that client: good for choosing among registrations at one issuer
    /// and nothing else.
    #[must_use]
    pub fn claims_audience(&self, client_id: &str) -> bool {
        object(self.claims).is_some_and(|claims| Claims(claims).has_audience(client_id))
    }

    /// Header `typ`, if it is there. RFC 7515 4.1.9: case does not count, nor does `application/`.
    #[must_use]
    pub fn typ(&self) -> Option<String> {
        let typ = self.header.get("typ")?.as_str().unwrap_or_default().to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(ToOwned::to_owned).unwrap_or(typ))
    }

    /// Verifies the signature with the provider's keys under the registered algorithm.
    ///
    /// # Errors
    /// [`JwtRefusal`].
    pub fn verify(&self, keys: &Jwks, algorithm: &str) -> Result<Claims, JwtRefusal> {
        if self.header.get("alg").and_then(Value::as_str) != Some(algorithm) {
            return Err(JwtRefusal::Algorithm);
        }
        if self.header.contains_key("crit") {
            return Err(JwtRefusal::Critical);
        }
        let kid = match self.header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.as_str()),
            Some(_) => return Err(JwtRefusal::Malformed),
        };
        let [key] = keys.fitting(kid, algorithm)[..] else { return Err(JwtRefusal::UnknownKey) };
        let parsed: Algorithm = algorithm.parse().map_err(|_| JwtRefusal::Algorithm)?;
        install_crypto();
        let verified = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key.key, parsed);
        if !matches!(verified, Ok(true)) {
            return Err(JwtRefusal::Signature);
        }
        object(self.claims).map(Claims).ok_or(JwtRefusal::Claims)
    }
}

impl Claims {
    /// A claim that is text; none if it is absent or something else.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim, whatever it is.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is an instant (RFC 7519, NumericDate: seconds, perhaps with a fraction).
    #[must_use]
    pub fn instant(&self, name: &str) -> Option<DateTime<Utc>> {
        let seconds = self.0.get(name)?.as_f64()?;
        if !(0.0..=LAST_SECOND).contains(&seconds) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within the years that were just checked")]
        let millis = (seconds * 1000.0).floor() as i64;
        DateTime::from_timestamp_millis(millis)
    }

    /// Whether `aud` is, or contains, that client.
    #[must_use]
    pub fn has_audience(&self, client_id: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(audience)) => audience == client_id,
            Some(Value::Array(audiences)) => audiences.iter().any(|one| one.as_str() == Some(client_id)),
            _ => false,
        }
    }

    /// Whether `aud` names others besides.
    #[must_use]
    pub fn has_other_audiences(&self) -> bool {
        self.0.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1)
    }
}

/// Chooses the cryptography of `jsonwebtoken` for the whole process. Whoever comes second finds it
/// chosen: then there is nothing to do.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

fn is_base64url(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

/// A part as a JSON object. A name that stands twice makes it none: readers differ in which they take.
fn object(part: &str) -> Option<Map<String, Value>> {
    let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
    let Object(map) = serde_json::from_slice(&octets).ok()?;
    Some(map)
}

/// A JSON object without repeated names on its first level.
struct Object(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Unique)
    }
}

struct Unique;

impl<'de> serde::de::Visitor<'de> for Unique {
    type Value = Object;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a name stands twice"));
            }
        }
        Ok(Object(map))
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
