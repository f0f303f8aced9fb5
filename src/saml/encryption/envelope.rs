//! The shape of an encrypted element, checked before any key is used (XML Encryption 1.1, 3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cipher::{Block, Hash, TRANSPORT_ALGORITHMS, WrappedKey};
use crate::saml::refusal::Refusal;
use crate::saml::xml::{DS, Node};

/// `xenc:` — XML Encryption 1.0.
const XENC: &str = crate::saml::write::XENC.uri;
/// `xenc11:` — XML Encryption 1.1.
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// The only type of plaintext that Core 2.2.4 and 2.3.4 allow.
pub(super) const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
/// What a RetrievalMethod may point to.
const ENCRYPTED_KEY: &str = "http://www.w3.org/2001/04/xmlenc#EncryptedKey";
/// The most wrapped keys that are tried: each costs operations of a private key, before it is
/// known who sent them.
const MOST_WRAPPED: usize = 2;
/// The longest OAEP label; no product is known to send one at all.
const LONGEST_LABEL: usize = 256;

/// What there is to decrypt, and the keys to it for whoever has a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) block: Block,
    pub(super) octets: Vec<u8>,
    pub(super) keys: Vec<WrappedKey>,
}

/// Why there is no envelope.
enum Unfit {
    /// Against the schema (row n).
    Schema(Refusal),
    /// Valid, but nothing that is decrypted here (row m).
    NotTaken,
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Schema(refusal)
    }
}

impl Envelope {
    /// Reads EncryptedData and the EncryptedKeys inside its KeyInfo and beside it. None if it is
    /// valid, but not of the shape and the algorithms that are taken: AES in GCM or CBC, its key
    /// wrapped with RSA-OAEP (VAL-14).
    pub(super) fn read(node: Node<'_, '_>) -> Result<Option<Self>, Refusal> {
        match read(node) {
            Ok(envelope) => Ok(Some(envelope)),
            Err(Unfit::NotTaken) => Ok(None),
            Err(Unfit::Schema(refusal)) => Err(refusal),
        }
    }
}

fn read(node: Node<'_, '_>) -> Result<Envelope, Unfit> {
    node.only_attributes(&[])?;
    let mut children = node.sequence()?;
    let data = children.required(XENC, "EncryptedData", "no EncryptedData")?;
    let beside = children.many(XENC, "EncryptedKey");
    children.end()?;

    let parts = Parts::read(data, &["Id", "Type", "MimeType", "Encoding"], &[])?;
    let within = parts.key_info.map(wrapped_within).transpose()?.unwrap_or_default();
    let wrapped = within.into_iter().chain(beside);
    let keys: Vec<_> = wrapped.map(wrapped_key).collect::<Result<_, _>>()?;
    if !(1..=MOST_WRAPPED).contains(&keys.len()) || data.attribute("Type").is_some_and(|kind| kind != ELEMENT)
    {
        return Err(Unfit::NotTaken);
    }
    let block = block(parts.method)?;
    if block.fits(parts.octets.len()) {
        Ok(Envelope { block, octets: parts.octets, keys })
    } else {
        Err(Unfit::NotTaken)
    }
}

/// What EncryptedData and EncryptedKey have in common: `xenc:EncryptedType`.
struct Parts<'d, 'a> {
    method: Node<'d, 'a>,
    key_info: Option<Node<'d, 'a>>,
    octets: Vec<u8>,
}

impl<'d, 'a> Parts<'d, 'a> {
    fn read(node: Node<'d, 'a>, attributes: &[&str], last: &[&str]) -> Result<Self, Unfit> {
        node.only_attributes(attributes)?;
        let mut children = node.sequence()?;
        let method = children.optional(XENC, "EncryptionMethod");
        let key_info = children.optional(DS, "KeyInfo");
        let data = children.required(XENC, "CipherData", "no CipherData")?;
        children.optional(XENC, "EncryptionProperties");
        for name in last {
            children.optional(XENC, name);
        }
        children.end()?;
        let octets = cipher_value(data)?;
        // An encoding would have to be undone by rules that are nowhere written.
        match method {
            Some(method) if node.attribute("Encoding").is_none() => Ok(Self { method, key_info, octets }),
            _ => Err(Unfit::NotTaken),
        }
    }
}

/// The octets of CipherData; a CipherReference is never followed.
fn cipher_value(data: Node<'_, '_>) -> Result<Vec<u8>, Unfit> {
    let mut children = data.sequence()?;
    if children.optional(XENC, "CipherReference").is_some() {
        children.end()?;
        return Err(Unfit::NotTaken);
    }
    let value = children.required(XENC, "CipherValue", "no CipherValue")?;
    children.end()?;
    base64(value)
}

fn base64(node: Node<'_, '_>) -> Result<Vec<u8>, Unfit> {
    let text = node.text()?;
    let unwrapped: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    STANDARD.decode(unwrapped).map_err(|_| Unfit::Schema(Refusal::Schema("ciphertext is not base64")))
}

/// The EncryptedKeys inside a KeyInfo. A RetrievalMethod can only point to one of those beside it,
/// which are all tried anyway: it is checked, and not followed (F-15). Names and certificates are
/// hints, and not needed.
fn wrapped_within<'d, 'a>(key_info: Node<'d, 'a>) -> Result<Vec<Node<'d, 'a>>, Unfit> {
    let mut children = key_info.sequence()?;
    let mut wrapped = Vec::new();
    while let Some(child) = children.any() {
        if child.is(XENC, "EncryptedKey") {
            wrapped.push(child);
        } else if child.is(DS, "RetrievalMethod") {
            let here = child.attribute("URI").is_some_and(|uri| uri.starts_with('#') && !uri.contains('('));
            let plain = child.sequence()?.end().is_ok();
            if !here || !plain || child.attribute("Type").is_some_and(|kind| kind != ENCRYPTED_KEY) {
                return Err(Unfit::NotTaken);
            }
        }
    }
    Ok(wrapped)
}

fn wrapped_key(node: Node<'_, '_>) -> Result<WrappedKey, Unfit> {
    let attributes = ["Id", "Type", "MimeType", "Encoding", "Recipient"];
    let parts = Parts::read(node, &attributes, &["ReferenceList", "CarriedKeyName"])?;
    if let Some(key_info) = parts.key_info {
        // The key is wrapped for a private key of ours and for nothing in between.
        let mut children = key_info.sequence()?;
        while let Some(child) = children.any() {
            let indirect = ["EncryptedKey", "AgreementMethod"].iter().any(|name| child.is(XENC, name))
                || child.is(XENC11, "DerivedKey")
                || child.is(DS, "RetrievalMethod");
            if indirect {
                return Err(Unfit::NotTaken);
            }
        }
    }
    let transport = transport(parts.method)?;
    Ok(WrappedKey { octets: parts.octets, ..transport })
}

/// The algorithm of the content. Its only parameter is a key size that the name says already.
fn block(method: Node<'_, '_>) -> Result<Block, Unfit> {
    method.only_attributes(&["Algorithm"])?;
    let block = method.attribute("Algorithm").and_then(Block::of_uri).ok_or(Unfit::NotTaken)?;
    let mut children = method.sequence()?;
    if let Some(size) = children.optional(XENC, "KeySize")
        && size.text()?.trim() != (block.key_size() * 8).to_string()
    {
        return Err(Unfit::NotTaken);
    }
    children.end().map_err(|_| Unfit::NotTaken)?;
    Ok(block)
}

/// The algorithm by which the key is wrapped: RSA-OAEP, in its first form with SHA-1 as mask digest,
/// in its second with any. RSA-1_5 is not among them, and no setting adds it (VAL-14).
fn transport(method: Node<'_, '_>) -> Result<WrappedKey, Unfit> {
    method.only_attributes(&["Algorithm"])?;
    let uri = method.attribute("Algorithm").unwrap_or_default();
    if !TRANSPORT_ALGORITHMS.contains(&uri) {
        return Err(Unfit::NotTaken);
    }
    let is_second = uri.starts_with(XENC11);
    let (mut digest, mut mask, mut label) = (None, None, None);
    let mut children = method.sequence()?;
    while let Some(child) = children.any() {
        let again = if child.is(DS, "DigestMethod") {
            let hash = child.attribute("Algorithm").and_then(Hash::of_digest).ok_or(Unfit::NotTaken)?;
            digest.replace(hash).is_some()
        } else if child.is(XENC11, "MGF") && is_second {
            let hash = child.attribute("Algorithm").and_then(Hash::of_mask).ok_or(Unfit::NotTaken)?;
            mask.replace(hash).is_some()
        } else if child.is(XENC, "OAEPparams") {
            label.replace(base64(child)?).is_some()
        } else {
            return Err(Unfit::NotTaken);
        };
        if again {
            return Err(Unfit::NotTaken);
        }
    }
    let label = label.unwrap_or_default();
    if label.len() > LONGEST_LABEL {
        return Err(Unfit::NotTaken);
    }
    Ok(WrappedKey {
        digest: digest.unwrap_or(Hash::Sha1),
        mask: mask.unwrap_or(Hash::Sha1),
        label,
        octets: Vec::new(),
    })
}
