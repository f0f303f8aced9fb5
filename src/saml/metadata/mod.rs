//! Metadata (saml-metadata-2.0): what we keep of an identity provider's, and our own.

mod keys;
mod read;
#[cfg(test)]
mod read_tests;
mod stream;
mod write;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use openssl::pkey::{Id, PKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::read::Reading;
pub use self::stream::{MAX_OCTETS, XmlError};
pub use self::write::{Contact, Organization, SpMetadata};
use super::names::{Binding, EntityId, Location};

/// What we keep of an identity provider's metadata: all that single sign-on and single logout need
/// (MD-19). It can be stored and loaded as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdpMetadata {
    /// The IdP's name.
    pub entity_id: EntityId,
    /// Until when this may be used; the smallest of all that apply (MD-13).
    pub valid_until: Option<DateTime<Utc>>,
    /// What to call it in front of people.
    pub display_name: Option<String>,
    /// Where an AuthnRequest goes.
    pub single_sign_on: Vec<Endpoint>,
    /// Where logout messages go. May be empty: then it cannot be told of a logout.
    pub single_logout: Vec<Endpoint>,
    /// The keys that verify its messages; at least one (MD-16, MD-20).
    pub signing_keys: Vec<SigningKeyDer>,
    /// The keys to which it can be written in secret; most often none is needed (SLO-43).
    #[serde(default)]
    pub encryption_keys: Vec<EncryptionTarget>,
    /// Whether it takes signed AuthnRequests only.
    pub want_authn_requests_signed: bool,
    /// The NameID formats it offers.
    pub name_id_formats: Vec<String>,
    /// The signature algorithms that it takes, the preferred first; if there are none, it does not say
    /// (MD-24).
    #[serde(default)]
    pub signing_methods: Vec<String>,
    /// What was left out on reading, for the person who imports; not kept.
    #[serde(skip)]
    pub notes: Vec<Note>,
}

impl IdpMetadata {
    /// The single logout endpoint for that binding.
    #[must_use]
    pub fn slo(&self, binding: Binding) -> Option<&Endpoint> {
        self.single_logout.iter().find(|endpoint| endpoint.binding == binding)
    }

    /// The single sign-on endpoint for that binding.
    #[must_use]
    pub fn sso(&self, binding: Binding) -> Option<&Endpoint> {
        self.single_sign_on.iter().find(|endpoint| endpoint.binding == binding)
    }

    /// Whether it may no longer be used (MD-12).
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.valid_until.is_some_and(|until| until <= now)
    }
}

/// Where messages go over one binding (Metadata 2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The binding.
    pub binding: Binding,
    /// Where requests go.
    pub location: Location,
    /// Where responses go, if elsewhere.
    pub response_location: Option<Location>,
    /// Whether it takes the asynchronous logout extension (SLO-49).
    #[serde(default)]
    pub asynchronous: bool,
}

impl Endpoint {
    /// Where responses go (E41; SLO-18).
    #[must_use]
    pub fn response_location(&self) -> &Location {
        self.response_location.as_ref().unwrap_or(&self.location)
    }
}

/// A public key as SubjectPublicKeyInfo in DER: RSA of 2048 bits or more, or P-256, P-384, P-521.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SigningKeyDer(Vec<u8>);

impl SigningKeyDer {
    /// The DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// Whether it can be encrypted to.
    fn is_rsa(&self) -> bool {
        PKey::public_key_from_der(&self.0).is_ok_and(|key| key.id() == Id::RSA)
    }
}

impl AsRef<[u8]> for SigningKeyDer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SigningKeyDer {
    /// Kind and size, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PKey::public_key_from_der(&self.0) {
            Ok(key) if key.id() == Id::RSA => write!(f, "RSA {}", key.bits()),
            Ok(key) => write!(f, "EC {}", key.bits()),
            Err(_) => f.write_str("unknown"),
        }
    }
}

impl Serialize for SigningKeyDer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SigningKeyDer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A key to encrypt to, and the algorithms by which, the preferred first; none if it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionTarget {
    /// An RSA key.
    pub key: SigningKeyDer,
    /// The URIs of `md:EncryptionMethod`.
    pub methods: Vec<String>,
}

/// What reading may take from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Take plain http endpoints on loopback hosts, because our own base URL is such a one
    /// (MD-21).
    pub loopback_http: bool,
}

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// A certificate that cannot be read.
    #[error("a certificate that cannot be read")]
    Certificate,
    /// A key value that cannot be read.
    #[error("a key value that cannot be read")]
    KeyValue,
    /// Neither RSA nor one of the three curves.
    #[error("a key that is neither RSA nor on P-256, P-384 or P-521")]
    Kind,
    /// Nothing but names or references.
    #[error("a KeyInfo without certificate or key value")]
    NoKey,
    /// An RSA key below 2048 bits.
    #[error("an RSA key of {0} bits, where 2048 is the least")]
    RsaTooShort(u32),
    /// An RSA key too long to verify with.
    #[error("an RSA key of {0} bits, where 16384 is the most")]
    RsaTooLong(u32),
    /// More certificates in one KeyInfo than are looked at.
    #[error("more than 16 certificates in one KeyInfo")]
    TooMany,
    /// A key that signatures cannot be verified with: no key by its numbers, or beyond what our
    /// verifiers take.
    #[error("a key that signatures cannot be verified with")]
    Unusable,
    /// A `use` that the specification does not have.
    #[error("a KeyDescriptor of unknown use")]
    UnknownUse,
}

/// Something that was left out, though the IdP can be used without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A signing key was left out.
    #[error("not used: {0}")]
    Key(KeyProblem),
    /// There is no single logout endpoint for a binding that we speak.
    #[error("it has no single logout endpoint: it cannot be told of a logout")]
    NoSingleLogout,
    /// There is no single sign-on endpoint for a binding that we speak.
    #[error("it has no single sign-on endpoint for HTTP-Redirect or HTTP-POST: nobody can sign in there")]
    NoSingleSignOn,
    /// It lists signature algorithms, and none of them is one that we sign with.
    #[error("it takes none of the algorithms that we sign with: nothing can be sent to it")]
    NoSigningMethod,
}

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `SingleSignOnService`.
    SingleSignOn,
    /// `SingleLogoutService`.
    SingleLogout,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleSignOn => "SingleSignOnService",
            Self::SingleLogout => "SingleLogoutService",
        })
    }
}

/// Why metadata was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// More octets than [`MAX_OCTETS`].
    #[error("the metadata is larger than {} MiB", MAX_OCTETS / 1024 / 1024)]
    TooLarge,
    /// The XML itself.
    #[error("the metadata {0}")]
    Xml(#[from] XmlError),
    /// The root is neither an EntityDescriptor nor an EntitiesDescriptor.
    #[error("this is no SAML metadata: the root is neither md:EntityDescriptor nor md:EntitiesDescriptor")]
    NotMetadata,
    /// No entity in it is an identity provider of SAML 2.0.
    #[error("the metadata has no identity provider (no IDPSSODescriptor for SAML 2.0)")]
    NoIdp,
    /// The entity ID is missing, too long, or has space around it or control characters inside.
    #[error("an identity provider's entityID is missing or unusable")]
    EntityId,
    /// Two entities of the same name.
    #[error("two entities in the metadata are called {0:?}")]
    Twins(EntityId),
    /// One entity with two roles that both speak SAML 2.0 as an identity provider.
    #[error("{0:?} has two IDPSSODescriptors for SAML 2.0")]
    TwoRoles(EntityId),
    /// The validity is over (MD-12).
    #[error("the metadata of {entity_id:?} was valid until {}", until.to_rfc3339_opts(SecondsFormat::AutoSi, true))]
    Expired {
        /// Whose.
        entity_id: EntityId,
        /// The end of its validity.
        until: DateTime<Utc>,
    },
    /// `validUntil` is no instant: how long the metadata is good cannot be told.
    #[error("validUntil is no instant: {0:?}")]
    ValidUntil(String),
    /// No key that could verify anything (MD-20).
    #[error("{entity_id:?} has no usable signing key{}", listed(problems))]
    NoKey {
        /// Whose.
        entity_id: EntityId,
        /// What was wrong with those that it has.
        problems: Vec<KeyProblem>,
    },
    /// An endpoint without Binding or Location, or with one that is not to be sent to (MD-21).
    #[error(
        "{entity_id:?} has a {service} at {location:?}, which is not an absolute https URL without user name, fragment and control characters"
    )]
    Endpoint {
        /// Whose.
        entity_id: EntityId,
        /// What for.
        service: Service,
        /// What it says; empty if nothing.
        location: String,
    },
}

impl MetadataError {
    /// The rule that the document broke, for the audit.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::Xml(XmlError::TooDeep | XmlError::TooManyAttributes) => "VAL-01",
            Self::Xml(XmlError::Dtd | XmlError::Entity) => "VAL-02",
            Self::Xml(XmlError::NotUtf8 | XmlError::NotWellFormed) => "VAL-04",
            Self::NotMetadata => "MD-14",
            Self::NoIdp | Self::TwoRoles(_) => "MD-18",
            Self::EntityId => "MD-01",
            Self::Twins(_) => "MD-23",
            Self::Expired { .. } | Self::ValidUntil(_) => "MD-12",
            Self::NoKey { .. } => "MD-20",
            Self::Endpoint { .. } => "MD-21",
        }
    }
}

fn listed(problems: &[KeyProblem]) -> String {
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join("; ")) }
}
