//! The one door from untrusted to trusted.
//!
//! A [`Verified`] can be made in this file alone. Before any cryptography the shape of a signature
//! is checked against the profile of SAML (Core 5.4), which removes everything by which a verifier
//! could be made to read files, fetch URLs, run transforms or cover another element than the one
//! that is read. Keys come from the IdP's metadata and from nowhere else (VAL-13).

mod detached;
mod shape;
#[cfg(test)]
mod tests;

use bergshamra::c14n::{C14nMode, canonicalize_doc};
use bergshamra::dsig::verify::verify_all_document_with_source;
use bergshamra::keys::loader::load_spki_der;
use bergshamra::xml::nodeset::NodeSet;
use bergshamra::{DsigContext, Key, KeysManager, VerifyResult};
use openssl::pkey::{Id, PKey, Public};
use openssl::sha::sha256;

use self::detached::{digest, verifies};
use self::shape::shape;
use super::binding::Detached;
use super::encryption::{Cover, DecryptionKeys, Encrypted};
use super::logout_request::LogoutRequest;
use super::message::Message;
use super::names::EntityId;
use super::refusal::Refusal;
use super::response::Response;
use super::second_opinion::{Case, Exhibit, exhibits};
use super::xml::{DS, Document, Node, SAML};

/// The signature algorithms that are taken and published, in order of preference (VAL-14, MD-08).
pub const SIGNATURE_ALGORITHMS: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
/// The digest algorithms that are taken and published, in order of preference (VAL-14, MD-08).
pub const DIGEST_ALGORITHMS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE_C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

/// A message that its issuer is proved to have signed.
///
/// The fields are private and the only function that fills them is in this file, behind the
/// signature check: whoever holds a `Verified<M>` holds a message of `signer`.
#[derive(Debug, Clone)]
pub struct Verified<M> {
    message: M,
    signer: EntityId,
    content: [u8; 32],
    /// What the signatures cover, for a second opinion.
    exhibits: Vec<Exhibit>,
}

impl<M> Verified<M> {
    /// The message.
    #[must_use]
    pub const fn message(&self) -> &M {
        &self.message
    }

    /// The entity whose key verified.
    #[must_use]
    pub const fn signer(&self) -> &EntityId {
        &self.signer
    }

    /// The digest of the message without its signature, in exclusive canonical form: equal for
    /// the same message over whatever binding, however often it was signed (SLO-24).
    #[must_use]
    pub const fn content_digest(&self) -> [u8; 32] {
        self.content
    }
}

impl<M: Message> Verified<M> {
    /// What a second engine can be asked about; none where no XML signature was verified, and in a
    /// build without one.
    #[must_use]
    pub fn case(&self) -> Option<Case> {
        Case::new(&self.exhibits, self.message.testimony())
    }
}

/// Decryption is the one change that a verified message undergoes: what the signature covers is
/// the ciphertext, and the plaintext is what the IdP put into it.
impl Verified<LogoutRequest> {
    /// Decrypts the identifier, if it is encrypted (SLO-28).
    ///
    /// # Errors
    /// Row m.
    pub(super) fn decrypt(&mut self, keys: &DecryptionKeys) -> Result<(), Refusal> {
        self.message.decrypt(keys)
    }
}

impl Verified<Response> {
    /// Decrypts the assertion's subject, if it is encrypted.
    ///
    /// # Errors
    /// [`Refusal::AssertionEncrypted`].
    pub(super) fn decrypt_subject(&mut self, keys: &DecryptionKeys) -> Result<(), Refusal> {
        self.message.decrypt_subject(keys)
    }
}

/// What may be loosened for one IdP. Nothing here switches a signature check off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignaturePolicy {
    /// Take SHA-1 in signatures and digests (VAL-14).
    pub allow_sha1: bool,
    /// Take inclusive canonicalisation (VAL-11).
    pub allow_inclusive_c14n: bool,
}

/// The keys by which one IdP's messages are verified.
pub struct TrustedKeys {
    entity_id: EntityId,
    keys: Vec<PKey<Public>>,
    engine: DsigContext,
    policy: SignaturePolicy,
    /// The same keys for the second engine.
    #[cfg(feature = "second-opinion")]
    other: super::second_opinion::OtherKeys,
}

/// Why no set of keys could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Without a key nothing could be verified, and nothing is taken unverified (MD-20).
    #[error("there is no usable signing key")]
    NoKey,
}

impl TrustedKeys {
    /// Takes the signing keys of an IdP's metadata as SubjectPublicKeyInfo in DER; a key that is
    /// neither RSA of 2048 bits nor EC on a NIST curve is left out.
    ///
    /// # Errors
    /// [`KeysError::NoKey`] if none is left.
    pub fn new<'a>(
        entity_id: EntityId,
        spki: impl IntoIterator<Item = &'a [u8]>,
        policy: SignaturePolicy,
    ) -> Result<Self, KeysError> {
        let mut manager = KeysManager::new();
        let mut keys = Vec::new();
        for der in spki {
            if let Some((key, imported)) = usable(der) {
                manager.add_key(imported);
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeysError::NoKey);
        }
        Ok(Self {
            entity_id,
            #[cfg(feature = "second-opinion")]
            other: super::second_opinion::OtherKeys::new(&keys, policy.allow_sha1),
            keys,
            engine: DsigContext::new(manager),
            policy,
        })
    }

    /// The IdP whose keys these are.
    #[must_use]
    pub const fn entity_id(&self) -> &EntityId {
        &self.entity_id
    }

    /// The same keys for the second engine.
    #[cfg(feature = "second-opinion")]
    pub(super) const fn other(&self) -> &super::second_opinion::OtherKeys {
        &self.other
    }

    fn signature_allowed(&self, uri: &str) -> bool {
        SIGNATURE_ALGORITHMS.contains(&uri) || (self.policy.allow_sha1 && uri == RSA_SHA1)
    }

    fn digest_allowed(&self, uri: &str) -> bool {
        DIGEST_ALGORITHMS.contains(&uri) || (self.policy.allow_sha1 && uri == SHA1)
    }

    fn c14n_allowed(&self, uri: &str) -> bool {
        uri == EXCLUSIVE_C14N || (self.policy.allow_inclusive_c14n && uri == INCLUSIVE_C14N)
    }
}

/// Whether anything can be verified with that SubjectPublicKeyInfo. Import and use ask the same
/// question, so that no identity provider is taken whose messages can never be (MD-20).
pub(super) fn verifies_with(der: &[u8]) -> bool {
    usable(der).is_some()
}

/// The key for the detached signatures and for the XML engine, each of which has limits of its own.
fn usable(der: &[u8]) -> Option<(PKey<Public>, Key)> {
    let key = PKey::public_key_from_der(der).ok()?;
    let strong = match key.id() {
        Id::RSA => key.bits() >= 2048,
        Id::EC => key.bits() >= 256,
        _ => false,
    };
    if strong { Some((key, load_spki_der(der).ok()?)) } else { None }
}

/// Verifies the detached signature of the Redirect binding. An XML signature inside such a message
/// counts for nothing (BIND-09).
///
/// # Errors
/// [`Refusal::SignatureMissing`], [`Refusal::BrokenDetachedSignature`],
/// [`Refusal::AlgorithmNotAllowed`], [`Refusal::SignatureInvalid`], [`Refusal::IssuerMismatch`].
pub(super) fn verify_detached<M: Message>(
    document: &Document<'_>,
    message: M,
    detached: &Detached,
    keys: &TrustedKeys,
) -> Result<Verified<M>, Refusal> {
    let (algorithm, signed, signature) = match detached {
        Detached::Absent => return Err(Refusal::SignatureMissing),
        Detached::Broken => return Err(Refusal::BrokenDetachedSignature),
        Detached::Present { algorithm, signed, signature } => (algorithm, signed, signature),
    };
    if !keys.signature_allowed(algorithm) {
        return Err(Refusal::AlgorithmNotAllowed);
    }
    let (kind, digest) = digest(algorithm, signed.as_bytes())?;
    let mut fitting = keys.keys.iter().filter(|key| key.id() == kind).peekable();
    if fitting.peek().is_none() {
        return Err(Refusal::AlgorithmNotAllowed);
    }
    // An error of the library means the same as "no": nothing but a plain yes verifies (F-25).
    if fitting.any(|key| verifies(key, &digest, signature)) {
        prove(document, message, keys, Vec::new())
    } else {
        Err(Refusal::SignatureInvalid)
    }
}

/// Verifies the enveloped signature of a message on POST or SOAP. There must be exactly one
/// signature in the whole document, and it must cover the message's root (VAL-10, BIND-33).
///
/// # Errors
/// The refusals of rows g: missing, of a forbidden shape or algorithm, or invalid.
pub(super) fn verify_enveloped<M: Message>(
    document: &Document<'_>,
    message: M,
    keys: &TrustedKeys,
) -> Result<Verified<M>, Refusal> {
    let covered = verify_signatures(document, &[document.root()], keys)?;
    if covered.as_slice() == [true] {
        prove(document, message, keys, exhibits(&[document.root()]))
    } else {
        Err(Refusal::SignatureMissing)
    }
}

/// Which parts of a response its signatures cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coverage {
    /// The Response element carries a signature of its own.
    pub(super) response: bool,
    /// The assertion carries a signature of its own.
    pub(super) assertion: bool,
}

/// Verifies every signature of a response: on its root, on its assertion, nowhere else. One that
/// does not verify voids all (SSO-07). The assertion must be covered by one of them.
///
/// # Errors
/// The refusals of row g, and [`Refusal::AssertionUnsigned`].
pub(super) fn verify_response<M: Message>(
    document: &Document<'_>,
    message: M,
    keys: &TrustedKeys,
) -> Result<(Verified<M>, Coverage), Refusal> {
    let root = document.root();
    let mut carriers = vec![root];
    carriers.extend(
        document
            .all(SAML, "Assertion")
            .into_iter()
            .filter(|node| node.parent().is_some_and(|parent| parent.same(root))),
    );
    let covered = match verify_signatures(document, &carriers, keys) {
        Err(Refusal::SignatureMissing) => return Err(Refusal::AssertionUnsigned),
        covered => covered?,
    };
    let coverage = Coverage {
        response: covered.first().copied().unwrap_or(false),
        assertion: covered.get(1).copied().unwrap_or(false),
    };
    // The Response's signature covers the assertion's as well.
    let carrier = if coverage.response { carriers.first() } else { carriers.get(1) };
    match carrier {
        Some(carrier) if coverage.response || coverage.assertion => {
            Ok((prove(document, message, keys, exhibits(&[*carrier]))?, coverage))
        }
        _ => Err(Refusal::AssertionUnsigned),
    }
}

/// Verifies a response around an EncryptedAssertion, in the order of E93: the Response's own signature
/// first, if it has one; then the assertion is decrypted, without that signature from GCM only;
/// then the assertion's own signature is verified within what was decrypted. One of the two there
/// must be, and one that does not verify voids all (SSO-07, SSO-21, F-38).
///
/// # Errors
/// As [`verify_response`], and [`Refusal::AssertionEncrypted`] for whatever cannot be decrypted.
pub(super) fn verify_encrypted_response(
    document: &Document<'_>,
    response: Response,
    encrypted: &Encrypted,
    decryption: &DecryptionKeys,
    keys: &TrustedKeys,
) -> Result<(Verified<Response>, Coverage), Refusal> {
    let signed = |document: &Document<'_>| match verify_signatures(document, &[document.root()], keys) {
        Err(Refusal::SignatureMissing) => Ok(false),
        covered => Ok(covered? == [true]),
    };
    let response_signed = signed(document)?;
    let cover = if response_signed { Cover::Signed } else { Cover::Unsigned };
    let undecryptable = |_| Refusal::AssertionEncrypted;
    let plaintext = encrypted.decrypt(decryption, cover).map_err(undecryptable)?;
    let decrypted = plaintext.document().map_err(undecryptable)?;
    if !decrypted.root().is(SAML, "Assertion") {
        return Err(Refusal::AssertionEncrypted);
    }
    let coverage = Coverage { response: response_signed, assertion: signed(&decrypted)? };
    if !(coverage.response || coverage.assertion) {
        return Err(Refusal::AssertionUnsigned);
    }
    let mut carriers = Vec::new();
    carriers.extend(coverage.response.then(|| document.root()));
    carriers.extend(coverage.assertion.then(|| decrypted.root()));
    Ok((prove(document, response.reveal(&decrypted)?, keys, exhibits(&carriers))?, coverage))
}

/// The only maker of a [`Verified`]. Its callers have checked the signature; that the claimed
/// Issuer is the owner of the keys is checked here, so no caller can forget it (SLO-02, F-33).
fn prove<M: Message>(
    document: &Document<'_>,
    message: M,
    keys: &TrustedKeys,
    exhibits: Vec<Exhibit>,
) -> Result<Verified<M>, Refusal> {
    if *message.issuer() != keys.entity_id {
        return Err(Refusal::IssuerMismatch);
    }
    let content = content_digest(document)?;
    Ok(Verified { signer: keys.entity_id.clone(), message, content, exhibits })
}

/// The digest of the message's root in exclusive canonical form, without its own signature.
fn content_digest(document: &Document<'_>) -> Result<[u8; 32], Refusal> {
    let tree = document.tree();
    let mut nodes = NodeSet::tree_without_comments(document.root().id(), tree);
    for signature in document.all(DS, "Signature") {
        nodes = nodes.subtract(&NodeSet::tree_without_comments(signature.id(), tree));
    }
    let canonical = canonicalize_doc::<&str>(tree, C14nMode::Exclusive, Some(&nodes), &[]);
    match canonical {
        Ok(octets) if !octets.is_empty() => Ok(sha256(&octets)),
        // F-04: a canonicalisation that fails or yields nothing proves nothing.
        _ => Err(Refusal::SignatureShape("canonicalisation failed")),
    }
}

/// Checks the shape of every signature in the document and verifies them all; says for each
/// carrier whether a signature covers it.
fn verify_signatures(
    document: &Document<'_>,
    carriers: &[Node<'_, '_>],
    keys: &TrustedKeys,
) -> Result<Vec<bool>, Refusal> {
    let signatures = document.all(DS, "Signature");
    if signatures.is_empty() {
        return Err(Refusal::SignatureMissing);
    }
    let mut covered = vec![false; carriers.len()];
    for signature in &signatures {
        let parent = signature.parent();
        let at = carriers.iter().position(|carrier| parent.is_some_and(|parent| parent.same(*carrier)));
        let slot = at
            .and_then(|at| covered.get_mut(at))
            .ok_or(Refusal::SignatureShape("signature in the wrong place"))?;
        if std::mem::replace(slot, true) {
            return Err(Refusal::SignatureShape("two signatures on one element"));
        }
        shape(*signature, keys)?;
    }
    let results = verify_all_document_with_source(&keys.engine, document.tree(), Some(document.source()))
        .map_err(|_| Refusal::SignatureShape("duplicate ID"))?;
    if results.len() != signatures.len() {
        return Err(Refusal::SignatureInvalid);
    }
    for (signature, result) in signatures.iter().zip(&results) {
        covers_parent(*signature, result)?;
    }
    Ok(covered)
}

/// Whether the engine verified this very signature, over its own parent and nothing else.
fn covers_parent(signature: Node<'_, '_>, result: &VerifyResult) -> Result<(), Refusal> {
    let VerifyResult::Valid { signature_node, references, .. } = result else {
        return Err(Refusal::SignatureInvalid);
    };
    let parent = signature.parent().ok_or(Refusal::SignatureInvalid)?;
    match references.as_slice() {
        [reference]
            if *signature_node == signature.id()
                && result.all_reference_digests_verified()
                && reference.resolved_node == Some(parent.id()) =>
        {
            Ok(())
        }
        _ => Err(Refusal::SignatureInvalid),
    }
}
