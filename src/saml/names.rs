//! The names SAML gives to things, each parsed once and trusted from then on.
//!
//! Comparison is always exact and binary (Core 1.3.1, SLO-11): no case folding,
//! no trimming, no Unicode normalisation.

use std::fmt;

use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};
use url::Url;

/// The Format that an absent Format means (Core 8.3.1, E60; SLO-08).
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// The only Format an Issuer may carry besides none (Profiles 4.4.4.1).
pub const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
/// The persistent Format (Core 8.3.7).
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit named.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// Not an `xs:NCName`, which every SAML ID is (Core 1.3.4).
    #[error("is not an NCName")]
    NotNcName,
    /// Not an absolute http or https URL without userinfo and control characters (MD-21).
    #[error("is not an absolute http(s) URL")]
    NotUrl,
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text, exactly as received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text itself.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name! {
    /// An entity ID: the name of an identity provider or service provider, at most 1024
    /// characters (Metadata 2.2.1; VAL-17).
    EntityId
}

text_name! {
    /// The ID of a message or assertion: an NCName (Core 1.3.4).
    MessageId
}

text_name! {
    /// What tells one session of a principal at an IdP from another (Core 2.7.2). Never a key
    /// alone (SLO-06).
    SessionIndex
}

text_name! {
    /// Opaque state that rides along with a message on a front-channel binding. At most 2 KiB are
    /// taken from others (BIND-19); our own are 80 bytes or less (BIND-18).
    RelayState
}

impl EntityId {
    /// Takes a non-empty name of at most 1024 characters.
    ///
    /// # Errors
    /// [`NameError::Empty`], [`NameError::TooLong`].
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        bounded(text.into(), 1024).map(Self)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl MessageId {
    /// Takes an NCName of at most 256 characters.
    ///
    /// # Errors
    /// [`NameError`], all but `NotUrl`.
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        let text = bounded(text.into(), 256)?;
        if is_ncname(&text) { Ok(Self(text)) } else { Err(NameError::NotNcName) }
    }
}

impl SessionIndex {
    /// Takes 1 to 1024 characters.
    ///
    /// # Errors
    /// [`NameError::Empty`], [`NameError::TooLong`].
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        bounded(text.into(), 1024).map(Self)
    }
}

impl RelayState {
    /// The most octets of RelayState that are taken and echoed.
    pub const MAX: usize = 2048;

    /// Takes up to [`Self::MAX`] octets; empty is a value of its own (BIND-07).
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.len() > Self::MAX { Err(NameError::TooLong(Self::MAX)) } else { Ok(Self(text)) }
    }
}

/// Where a message is sent: an absolute http or https URL out of metadata, kept byte for byte
/// (Metadata 2.2.2; MD-21).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Location(String);

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Location {
    /// Takes an absolute URL without userinfo, fragment or control characters.
    ///
    /// Whether plain http is good enough is the caller's question: see [`Location::is_https`] and
    /// [`Location::is_loopback`].
    ///
    /// # Errors
    /// [`NameError::NotUrl`], [`NameError::TooLong`].
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        let text = bounded(text.into(), 2048)?;
        if !text.bytes().all(|b| b.is_ascii_graphic())
            || text.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        {
            return Err(NameError::NotUrl);
        }
        let url = Url::parse(&text).map_err(|_| NameError::NotUrl)?;
        let http = matches!(url.scheme(), "http" | "https") && text.contains("://");
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if http && plain && url.has_host() { Ok(Self(text)) } else { Err(NameError::NotUrl) }
    }

    /// The URL exactly as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "https")
    }

    /// Whether the host is this machine's loopback interface.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        })
    }

    /// Scheme, host and port, as a browser names an origin; for Content-Security-Policy.
    #[must_use]
    pub fn origin(&self) -> String {
        Url::parse(&self.0).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a message travels (Bindings 3.2, 3.4, 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// HTTP-Redirect: the message in the query of a GET.
    Redirect,
    /// HTTP-POST: the message in a form.
    Post,
    /// SOAP 1.1 over HTTP: no browser in between.
    Soap,
}

impl Binding {
    /// The URI that metadata uses for the binding.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
            Self::Soap => "urn:oasis:names:tc:SAML:2.0:bindings:SOAP",
        }
    }

    /// The binding of that URI; none for a binding that we do not speak (MD-22).
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        [Self::Redirect, Self::Post, Self::Soap].into_iter().find(|binding| binding.uri() == uri)
    }

    /// A short word for logs and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Post => "post",
            Self::Soap => "soap",
        }
    }
}

/// A NameID with all four attributes as they were received: what is absent stays absent, because
/// our LogoutRequest has to repeat the element exactly (SDP-SP29; SLO-38).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct NameId {
    /// The element's content.
    pub value: String,
    /// `Format`.
    pub format: Option<String>,
    /// `NameQualifier`.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
    /// `SPProvidedID`; plays no part in matching (SLO-10).
    pub sp_provided_id: Option<String>,
}

impl NameId {
    /// A NameID of that value without any attribute.
    #[must_use]
    pub fn bare(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            format: None,
            name_qualifier: None,
            sp_name_qualifier: None,
            sp_provided_id: None,
        }
    }

    /// What two NameIDs that *strongly match* (Core 3.3.4) have in common: the digest of IdP,
    /// value, Format and both qualifiers, after the defaults of the specification are filled in
    /// (SLO-07 to SLO-10).
    #[must_use]
    pub fn principal_key(&self, idp: &EntityId, sp: &EntityId) -> PrincipalKey {
        let format = self.format.as_deref().filter(|format| !format.is_empty()).unwrap_or(UNSPECIFIED);
        let qualifier = self.name_qualifier.as_deref().filter(|q| !q.is_empty()).unwrap_or(idp.as_str());
        let sp_qualifier = self.sp_name_qualifier.as_deref().filter(|q| !q.is_empty()).unwrap_or(sp.as_str());
        let mut digest = Sha256::new();
        for part in [idp.as_str(), &self.value, format, qualifier, sp_qualifier] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        PrincipalKey(digest.finish())
    }
}

/// The key of a principal at one IdP: equal exactly when the NameIDs strongly match. It reveals
/// no NameID to a reader of the table, and an index on it compares octets, whatever the collation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalKey(pub [u8; 32]);

fn bounded(text: String, limit: usize) -> Result<String, NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > limit && text.chars().count() > limit {
        Err(NameError::TooLong(limit))
    } else {
        Ok(text)
    }
}

/// `xs:NCName` of XML 1.0 (fifth edition), without the colon.
fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(|c| is_name_start(c) || is_name_part(c))
}

fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_part(c: char) -> bool {
    matches!(c, '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn key(name: &NameId) -> PrincipalKey {
        name.principal_key(&EntityId::parse("https://idp").unwrap(), &EntityId::parse("https://sp").unwrap())
    }

    #[test]
    fn slo_08_an_absent_format_means_unspecified() {
        let explicit = NameId { format: Some(UNSPECIFIED.into()), ..NameId::bare("a") };
        assert_eq!(key(&NameId::bare("a")), key(&explicit));
        let other = NameId { format: Some(PERSISTENT.into()), ..NameId::bare("a") };
        assert_ne!(key(&NameId::bare("a")), key(&other));
    }

    #[test]
    fn slo_09_absent_qualifiers_mean_the_two_entities() {
        let explicit = NameId {
            name_qualifier: Some("https://idp".into()),
            sp_name_qualifier: Some("https://sp".into()),
            ..NameId::bare("a")
        };
        assert_eq!(key(&NameId::bare("a")), key(&explicit));
        let wrong = NameId { sp_name_qualifier: Some("https://other".into()), ..NameId::bare("a") };
        assert_ne!(key(&NameId::bare("a")), key(&wrong));
    }

    #[test]
    fn slo_10_sp_provided_id_plays_no_part() {
        let provided = NameId { sp_provided_id: Some("x".into()), ..NameId::bare("a") };
        assert_eq!(key(&NameId::bare("a")), key(&provided));
    }

    #[test]
    fn slo_11_no_folding_and_no_trimming() {
        assert_ne!(key(&NameId::bare("Alice")), key(&NameId::bare("alice")));
        assert_ne!(key(&NameId::bare("alice ")), key(&NameId::bare("alice")));
    }

    #[test]
    fn f_14_message_ids_are_ncnames() {
        assert!(MessageId::parse("_0123").is_ok());
        for bad in ["", "0a", "a b", "x' or '1'='1", "a:b", "#a"] {
            assert!(MessageId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn md_21_only_plain_http_locations() {
        assert!(Location::parse("https://idp.example/slo?x=1").is_ok());
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://u:p@h/",
            "//h/x",
            "https:h",
            "https://h/\nx",
            "https://h/#f",
            "ftp://h/",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
