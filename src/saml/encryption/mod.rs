//! `<saml:EncryptedID>` and `<saml:EncryptedAssertion>` (Core 2.2.4, 2.3.4; XML Encryption 1.1).
//!
//! Our encryption key is public, so whatever decrypts may come from anyone: decryption proves
//! nothing (F-38), and what comes out of it is read by the same reader and needs the same
//! signature as if it had come in clear. An [`Encrypted`] is checked for its shape and algorithms
//! while it is read; [`Encrypted::decrypt`] is the only place where a private key is used, and it
//! says no in one way and with the same work, whatever the reason (F-29).

mod cipher;
mod envelope;
mod seal;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use openssl::pkey::{Id, PKey, Private};

pub use self::cipher::{BLOCK_ALGORITHMS, TRANSPORT_ALGORITHMS};
use self::envelope::Envelope;
pub use self::seal::{EncryptedId, RANDOM_OCTETS};
use super::message;
use super::names::NameId;
use super::refusal::Refusal;
use super::xml::{Document, Node, SAML, normalized};

/// The most private keys that are tried: the present one, the one before and the one to come.
pub const MOST_KEYS: usize = 3;
/// The most private-key operations for a message of which nobody knows yet who sent it (VAL-01): with
/// RSA-4096 each takes 4 ms. It is enough for the key in use and the one before it if one key is wrapped.
const MOST_FOR_STRANGERS: usize = 2;
/// The longest plaintext of a stranger that is parsed a second time, among the namespaces of where it
/// stood (VAL-01).
const LONGEST_LEANING: usize = 32 * 1024;

/// The private keys that identity providers encrypt to, all of which are tried (SLO-28).
#[derive(Debug)]
pub struct DecryptionKeys {
    keys: Vec<PKey<Private>>,
    operations: AtomicU64,
}

/// For a message that is opened where nothing can be decrypted.
pub(super) static NO_KEYS: DecryptionKeys =
    DecryptionKeys { keys: Vec::new(), operations: AtomicU64::new(0) };

impl DecryptionKeys {
    /// Takes the RSA keys among `keys`, at most [`MOST_KEYS`] of them, the one in use first: each is
    /// tried on each message, which may come from anyone.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PKey<Private>>) -> Self {
        let keys = keys.into_iter().filter(|key| key.id() == Id::RSA).take(MOST_KEYS).collect();
        Self { keys, operations: AtomicU64::new(0) }
    }

    /// How many private-key operations there have been: none for what is refused before (SLO-29).
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }
}

/// Whether a verified signature covers the ciphertext. Without one an attacker may ask about
/// ciphertexts of his own making, which CBC does not survive (E93; SSO-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// A signature that has been verified covers it.
    Signed,
    /// Anybody may have made or changed it.
    Unsigned,
}

/// It could not be decrypted. The reason is not told, not even to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be decrypted")]
pub(super) struct Undecryptable;

/// An encrypted element as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// None if it is valid by the schema, but of a kind or algorithm that is not taken.
    envelope: Option<Envelope>,
    /// The namespaces in scope where it stands, as prefix and name: some encrypt an element
    /// without the declarations that it leans on.
    namespaces: Vec<(String, String)>,
}

impl Encrypted {
    /// Reads an element of type `saml:EncryptedElementType`. No key is used and no reference
    /// followed. An algorithm that is not taken is no fault of the schema: it is remembered, and
    /// nothing of it will be decrypted.
    ///
    /// # Errors
    /// [`Refusal::Schema`].
    pub(super) fn read(node: Node<'_, '_>) -> Result<Self, Refusal> {
        let namespaces = node.namespaces();
        let namespaces =
            namespaces.into_iter().map(|(prefix, name)| (prefix.to_owned(), name.to_owned())).collect();
        Ok(Self { envelope: Envelope::read(node)?, namespaces })
    }

    /// Decrypts. Every fitting key is tried on every wrapped key, and the content decrypted each
    /// time, whatever came of the one before: the work does not tell what failed. Under no signature
    /// the trials end with [`MOST_FOR_STRANGERS`].
    ///
    /// # Errors
    /// [`Undecryptable`].
    pub(super) fn decrypt(&self, keys: &DecryptionKeys, cover: Cover) -> Result<Plaintext, Undecryptable> {
        let envelope = self.envelope.as_ref().ok_or(Undecryptable)?;
        if cover == Cover::Unsigned && !envelope.block.is_authenticated() {
            return Err(Undecryptable);
        }
        let most = match cover {
            Cover::Signed => usize::MAX,
            Cover::Unsigned => MOST_FOR_STRANGERS,
        };
        let pairs = keys.keys.iter().flat_map(|key| envelope.keys.iter().map(move |wrapped| (key, wrapped)));
        let fitting = pairs.filter(|(key, wrapped)| key.size() == wrapped.octets.len());
        let mut opened = None;
        for (key, wrapped) in fitting.take(most) {
            keys.operations.fetch_add(1, Ordering::Relaxed);
            let content_key = wrapped.unwrap_with(key).filter(|k| k.len() == envelope.block.key_size());
            let known = content_key.is_some();
            let content_key = content_key.unwrap_or_else(|| vec![0; envelope.block.key_size()]);
            let octets = envelope.block.decrypt(&content_key, &envelope.octets);
            // Under the stand-in key anybody can encrypt: that plaintext never counts.
            opened = opened.or(octets.filter(|_| known));
        }
        let text = opened.and_then(|octets| String::from_utf8(octets).ok()).ok_or(Undecryptable)?;
        Ok(Plaintext::new(&normalized(text), &self.namespaces, cover))
    }

    /// The NameID inside an EncryptedID that a verified signature covers (SLO-28).
    ///
    /// # Errors
    /// [`Refusal::IdentifierEncrypted`] if it cannot be decrypted or is no identifier;
    /// [`Refusal::IdentifierUnknown`] for a BaseID (SLO-29).
    pub(super) fn name_id(&self, keys: &DecryptionKeys) -> Result<NameId, Refusal> {
        let undecryptable = |_| Refusal::IdentifierEncrypted;
        let plaintext = self.decrypt(keys, Cover::Signed).map_err(undecryptable)?;
        let document = plaintext.document().map_err(undecryptable)?;
        if document.root().is(SAML, "BaseID") {
            return Err(Refusal::IdentifierUnknown);
        }
        if !document.root().is(SAML, "NameID") {
            return Err(Refusal::IdentifierEncrypted);
        }
        message::name_id(document.root()).map_err(|_| Refusal::IdentifierEncrypted)
    }
}

/// What was decrypted: text, as little believed as any that arrives.
pub(super) struct Plaintext {
    /// The text inside an element that declares the namespaces of where it was encrypted.
    enclosed: String,
    text: std::ops::Range<usize>,
    /// Whether it is known who sent it.
    cover: Cover,
}

impl Plaintext {
    fn new(text: &str, namespaces: &[(String, String)], cover: Cover) -> Self {
        let mut enclosed = String::from("<enclosure");
        for (prefix, name) in namespaces {
            let colon = if prefix.is_empty() { "" } else { ":" };
            let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            let name = name.replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;");
            // Writing to a String cannot fail.
            let _ = write!(enclosed, " xmlns{colon}{prefix}=\"{name}\"");
        }
        enclosed.push('>');
        let start = enclosed.len();
        enclosed.push_str(text);
        let text = start..enclosed.len();
        enclosed.push_str("</enclosure>");
        Self { enclosed, text, cover }
    }

    /// The one element that was encrypted, parsed within the limits of every message: as a document
    /// of its own or, if it leans on namespaces declared around it, among these. A long one of a stranger
    /// has to stand by itself.
    ///
    /// # Errors
    /// [`Undecryptable`], also for what is no element.
    pub(super) fn document(&self) -> Result<Document<'_>, Undecryptable> {
        let text = self.enclosed.get(self.text.clone()).unwrap_or_default();
        let alone = Document::parse(text);
        let may_lean = self.cover == Cover::Signed || text.len() <= LONGEST_LEANING;
        if alone.is_err() && may_lean {
            return Document::parse_enclosed(&self.enclosed).map_err(|_| Undecryptable);
        }
        alone.map_err(|_| Undecryptable)
    }
}
