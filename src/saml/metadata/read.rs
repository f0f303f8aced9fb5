//! Reading identity providers' metadata (MD-12 to MD-22).
//!
//! Everything is found by its expanded name and in its place: a key counts below the KeyDescriptor
//! of an IDPSSODescriptor for SAML 2.0 and nowhere else (MD-18), an endpoint directly below that
//! role. What we do not know is passed over, whatever it is (MD-22). A signature over the metadata
//! is not looked at here: files are trusted because an administrator put them there.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::stream::{Element, MAX_OCTETS, Stream, XML};
use super::{
    EncryptionTarget, Endpoint, IdpMetadata, KeyProblem, MetadataError, Note, Policy, Service, SigningKeyDer,
    keys,
};
use crate::saml::instant::Instant;
use crate::saml::names::{Binding, EntityId, Location};
use crate::saml::signing::Algorithm;
use crate::saml::write::{ALG, ASLO, DS, MD, MDUI};

const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The most algorithms of one key, and of one role, that are kept.
const MOST_METHODS: usize = 16;
/// A name to show is cut here.
const LONGEST_DISPLAY_NAME: usize = 120;

/// What was read out of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The identity providers; at least one.
    pub idps: Vec<IdpMetadata>,
    /// Identity providers of an aggregate that cannot be used, and why. One bad entry among
    /// thousands does not keep the others out.
    pub left_out: Vec<MetadataError>,
}

impl IdpMetadata {
    /// Reads every identity provider of a document, whose root is an EntityDescriptor or an
    /// EntitiesDescriptor with any number of children (MD-14).
    ///
    /// # Errors
    /// [`MetadataError`]: of the document; of the entity, if it is the root; or the first entity's,
    /// if none can be used.
    pub fn read(xml: &[u8], policy: Policy, now: DateTime<Utc>) -> Result<Reading, MetadataError> {
        if xml.len() > MAX_OCTETS {
            return Err(MetadataError::TooLarge);
        }
        let (mut stream, root) = Stream::open(xml)?;
        let mut document =
            Document { policy, now, seen: HashSet::new(), idps: Vec::new(), left_out: Vec::new() };
        if root.is(MD.uri, "EntityDescriptor") {
            let idp = document.entity(&mut stream, &root, None)?;
            document.idps.extend(idp);
        } else if root.is(MD.uri, "EntitiesDescriptor") {
            document.entities(&mut stream, &root, None)?;
        } else {
            return Err(MetadataError::NotMetadata);
        }
        stream.close()?;
        let Document { idps, mut left_out, .. } = document;
        if !idps.is_empty() {
            Ok(Reading { idps, left_out })
        } else if left_out.is_empty() {
            Err(MetadataError::NoIdp)
        } else {
            Err(left_out.swap_remove(0))
        }
    }
}

/// One document while it is being read.
struct Document {
    policy: Policy,
    now: DateTime<Utc>,
    seen: HashSet<EntityId>,
    idps: Vec<IdpMetadata>,
    left_out: Vec<MetadataError>,
}

/// An IDPSSODescriptor while it is being read.
#[derive(Debug, Default)]
struct Role {
    valid_until: Option<DateTime<Utc>>,
    want_authn_requests_signed: bool,
    keys: Vec<SigningKeyDer>,
    encryption_keys: Vec<EncryptionTarget>,
    problems: Vec<KeyProblem>,
    single_sign_on: Vec<Endpoint>,
    single_logout: Vec<Endpoint>,
    name_id_formats: Vec<String>,
    signing_methods: Vec<String>,
    display_name: LocalName,
}

impl Document {
    fn entities(
        &mut self,
        stream: &mut Stream<'_>,
        element: &Element,
        outer: Option<DateTime<Utc>>,
    ) -> Result<(), MetadataError> {
        let valid_until = earlier(outer, valid_until(element)?);
        stream.children(|stream, element| {
            if element.is(MD.uri, "EntitiesDescriptor") {
                return self.entities(stream, element, valid_until);
            }
            if element.is(MD.uri, "EntityDescriptor") {
                match self.entity(stream, element, valid_until) {
                    Ok(idp) => self.idps.extend(idp),
                    // The document itself is broken, or says two things about one name.
                    Err(error @ (MetadataError::Xml(_) | MetadataError::Twins(_))) => return Err(error),
                    Err(error) => self.left_out.push(error),
                }
            }
            Ok(())
        })
    }

    /// Reads an entity; none if it is no identity provider of SAML 2.0.
    fn entity(
        &mut self,
        stream: &mut Stream<'_>,
        element: &Element,
        outer: Option<DateTime<Utc>>,
    ) -> Result<Option<IdpMetadata>, MetadataError> {
        let entity_id = entity_id(element);
        let valid_until = valid_until(element);
        let mut roles = Vec::new();
        let mut organization = LocalName::default();
        let mut signing_methods = Vec::new();
        stream.children(|stream, element| {
            if element.is(MD.uri, "Extensions") {
                stream.children(|_, element| {
                    signing_method(&mut signing_methods, element);
                    Ok::<_, MetadataError>(())
                })?;
            } else if element.is(MD.uri, "IDPSSODescriptor") && speaks_saml2(element) {
                roles.push(self.role(stream, element, entity_id.as_ref())?);
            } else if element.is(MD.uri, "Organization") {
                stream.children(|stream, element| {
                    organization.read(stream, element, MD.uri, "OrganizationDisplayName")
                })?;
            }
            Ok::<_, MetadataError>(())
        })?;
        let Some(mut role) = roles.pop() else { return Ok(None) };
        let entity_id = entity_id.ok_or(MetadataError::EntityId)?;
        if !self.seen.insert(entity_id.clone()) {
            return Err(MetadataError::Twins(entity_id));
        }
        if !roles.is_empty() {
            return Err(MetadataError::TwoRoles(entity_id));
        }
        // What the role lists is instead of what the entity lists (Metadata Algorithm Support 2.5).
        if role.signing_methods.is_empty() {
            role.signing_methods = signing_methods;
        }
        let valid_until = earlier(earlier(outer, valid_until?), role.valid_until);
        role.into_idp(entity_id, valid_until, organization, self.now).map(Some)
    }

    fn role(
        &self,
        stream: &mut Stream<'_>,
        element: &Element,
        entity_id: Option<&EntityId>,
    ) -> Result<Role, MetadataError> {
        let mut role = Role {
            // cacheDuration says when to fetch anew, not how long it is good (MD-13).
            valid_until: valid_until(element)?,
            want_authn_requests_signed: boolean(element.attribute("WantAuthnRequestsSigned")),
            ..Role::default()
        };
        stream.children(|stream, element| {
            let service = match element.name.as_str() {
                _ if element.namespace != MD.uri => return Ok(()),
                "Extensions" => return role.extensions(stream),
                "KeyDescriptor" => return role.key_descriptor(stream, element),
                "NameIDFormat" => {
                    role.name_id_formats.push(collapsed(&stream.text()?));
                    return Ok(());
                }
                "SingleSignOnService" => Service::SingleSignOn,
                "SingleLogoutService" => Service::SingleLogout,
                _ => return Ok(()),
            };
            let endpoint =
                endpoint(element, service, self.policy).map_err(|location| match entity_id.cloned() {
                    Some(entity_id) => MetadataError::Endpoint { entity_id, service, location },
                    None => MetadataError::EntityId,
                })?;
            match service {
                Service::SingleSignOn => role.single_sign_on.extend(endpoint),
                Service::SingleLogout => role.single_logout.extend(endpoint),
            }
            Ok::<_, MetadataError>(())
        })?;
        Ok(role)
    }
}

impl Role {
    /// Reads a KeyDescriptor. One without `use` serves for signing and encryption (E62; MD-15); one
    /// for encryption never verifies anything (MD-18).
    fn key_descriptor(&mut self, stream: &mut Stream<'_>, element: &Element) -> Result<(), MetadataError> {
        let (signing, encryption) = match element.attribute("use") {
            None => (true, true),
            Some("signing") => (true, false),
            Some("encryption") => (false, true),
            Some(_) => {
                self.complain(KeyProblem::UnknownUse);
                return Ok(());
            }
        };
        let (mut found, mut methods) = (keys::Found::default(), Vec::new());
        stream.children(|stream, element| {
            if element.is(DS.uri, "KeyInfo") {
                found = keys::read(stream)?;
            } else if element.is(MD.uri, "EncryptionMethod") && methods.len() < MOST_METHODS {
                methods.extend(element.attribute("Algorithm").map(str::to_owned));
            }
            Ok::<_, MetadataError>(())
        })?;
        if encryption {
            let targets = found.keys.iter().filter(|key| key.is_rsa()).cloned();
            self.encryption_keys
                .extend(targets.map(|key| EncryptionTarget { key, methods: methods.clone() }));
        }
        if signing {
            for problem in found.problems {
                self.complain(problem);
            }
            for key in found.keys {
                if !self.keys.contains(&key) {
                    self.keys.push(key);
                }
            }
        }
        Ok(())
    }

    fn complain(&mut self, problem: KeyProblem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Reads the name for people out of `mdui:UIInfo`, and the signature algorithms.
    fn extensions(&mut self, stream: &mut Stream<'_>) -> Result<(), MetadataError> {
        stream.children(|stream, element| {
            signing_method(&mut self.signing_methods, element);
            if element.is(MDUI.uri, "UIInfo") {
                stream.children(|stream, element| {
                    self.display_name.read(stream, element, MDUI.uri, "DisplayName")
                })?;
            }
            Ok(())
        })
    }

    fn into_idp(
        self,
        entity_id: EntityId,
        valid_until: Option<DateTime<Utc>>,
        organization: LocalName,
        now: DateTime<Utc>,
    ) -> Result<IdpMetadata, MetadataError> {
        if let Some(until) = valid_until.filter(|until| *until <= now) {
            return Err(MetadataError::Expired { entity_id, until });
        }
        if self.keys.is_empty() {
            return Err(MetadataError::NoKey { entity_id, problems: self.problems });
        }
        let mut notes: Vec<_> = self.problems.into_iter().map(Note::Key).collect();
        notes.extend(self.single_logout.is_empty().then_some(Note::NoSingleLogout));
        notes.extend(self.single_sign_on.is_empty().then_some(Note::NoSingleSignOn));
        let foreign =
            !self.signing_methods.is_empty() && !self.signing_methods.iter().any(|uri| is_ours(uri));
        notes.extend(foreign.then_some(Note::NoSigningMethod));
        Ok(IdpMetadata {
            entity_id,
            valid_until,
            display_name: self.display_name.best.or(organization.best),
            single_sign_on: self.single_sign_on,
            single_logout: self.single_logout,
            signing_keys: self.keys,
            encryption_keys: self.encryption_keys,
            want_authn_requests_signed: self.want_authn_requests_signed,
            name_id_formats: self.name_id_formats,
            signing_methods: self.signing_methods,
            notes,
        })
    }
}

/// Keeps an `alg:SigningMethod` (Metadata Algorithm Support 2.4; MD-24). Bounds on the size of keys are
/// not looked at: ours are of the sizes that everybody takes.
fn signing_method(methods: &mut Vec<String>, element: &Element) {
    let Some(uri) = element.attribute("Algorithm").filter(|_| element.is(ALG.uri, "SigningMethod")) else {
        return;
    };
    // One of ours is kept wherever it stands in the list: to lose it would be to send nothing.
    let uri = uri.trim();
    if (methods.len() < MOST_METHODS || is_ours(uri)) && !methods.iter().any(|known| known == uri) {
        methods.push(uri.to_owned());
    }
}

/// Whether it is an algorithm that some key of ours could sign with.
fn is_ours(uri: &str) -> bool {
    Algorithm::ALL.iter().any(|algorithm| algorithm.uri() == uri)
}

/// A name that comes in several languages: the English one, else the first.
#[derive(Debug, Default)]
struct LocalName {
    best: Option<String>,
    english: bool,
}

impl LocalName {
    fn read(
        &mut self,
        stream: &mut Stream<'_>,
        element: &Element,
        namespace: &str,
        name: &str,
    ) -> Result<(), MetadataError> {
        if !element.is(namespace, name) {
            return Ok(());
        }
        let language = element.attribute_of(XML, "lang").unwrap_or_default();
        let english = language.eq_ignore_ascii_case("en") || language.to_ascii_lowercase().starts_with("en-");
        let text = collapsed(&stream.text()?);
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_DISPLAY_NAME).collect();
        if !text.is_empty() && (self.best.is_none() || (english && !self.english)) {
            self.best = Some(text);
            self.english = english;
        }
        Ok(())
    }
}

/// Compared exactly ever after, so nothing is trimmed here (SLO-11): space around it is refused.
fn entity_id(element: &Element) -> Option<EntityId> {
    let text = element.attribute("entityID")?;
    let sound = text.trim() == text && !text.chars().any(char::is_control);
    EntityId::parse(text).ok().filter(|_| sound)
}

/// Reads an endpoint; none if we do not speak its binding (MD-22).
///
/// # Errors
/// The Location that is not to be sent to (MD-21).
fn endpoint(element: &Element, service: Service, policy: Policy) -> Result<Option<Endpoint>, String> {
    let Some(binding) = Binding::from_uri(element.attribute("Binding").unwrap_or_default().trim()) else {
        return Ok(None);
    };
    if service == Service::SingleSignOn && binding == Binding::Soap {
        return Ok(None);
    }
    let response_location = element.attribute("ResponseLocation");
    Ok(Some(Endpoint {
        binding,
        location: location(element.attribute("Location").unwrap_or_default(), policy)?,
        response_location: response_location.map(|text| location(text, policy)).transpose()?,
        asynchronous: boolean(element.attribute_of(ASLO.uri, "supportsAsynchronous")),
    }))
}

fn location(text: &str, policy: Policy) -> Result<Location, String> {
    Location::parse(text.trim_matches(' '))
        .ok()
        .filter(|location| location.is_https() || (policy.loopback_http && location.is_loopback()))
        .ok_or_else(|| text.chars().take(200).collect())
}

fn speaks_saml2(role: &Element) -> bool {
    let protocols = role.attribute("protocolSupportEnumeration").unwrap_or_default();
    protocols.split_ascii_whitespace().any(|protocol| protocol == SAML2)
}

fn valid_until(element: &Element) -> Result<Option<DateTime<Utc>>, MetadataError> {
    let Some(text) = element.attribute("validUntil") else { return Ok(None) };
    match Instant::parse(text) {
        Some(instant) => Ok(Some(instant.at)),
        None => Err(MetadataError::ValidUntil(text.chars().take(60).collect())),
    }
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// `xs:boolean`; absent and unreadable are false.
fn boolean(text: Option<&str>) -> bool {
    matches!(text.map(str::trim), Some("true" | "1"))
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
