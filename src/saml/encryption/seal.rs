//! The EncryptedID that we send, to an identity provider that demands one (SLO-43).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;

use super::cipher::{Block, TRANSPORT_ALGORITHMS, wrap};
use super::envelope::ELEMENT;
use crate::saml::metadata::EncryptionTarget;
use crate::saml::names::NameId;
use crate::saml::outbound::write_name_id;
use crate::saml::write::{DS, SAML, Writer, XENC};

/// A NameID that only its identity provider can read, as the element of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedId(String);

/// How many random octets one encryption takes: a content key and what stands before the ciphertext.
pub const RANDOM_OCTETS: usize = 48;

impl EncryptedId {
    /// Encrypts a NameID with the content algorithm that the target prefers, AES-256-GCM if it does
    /// not say, and RSA-OAEP in its first form, which everyone has. `random` is used up: it must
    /// come fresh from the source of randomness, for this one encryption.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn new(
        name_id: &NameId,
        target: &EncryptionTarget,
        random: &[u8; RANDOM_OCTETS],
    ) -> Result<Self, ErrorStack> {
        let mut plaintext = Writer::new();
        write_name_id(&mut plaintext, name_id);
        let (uri, block) = target
            .methods
            .iter()
            .find_map(|uri| Some((uri.as_str(), Block::of_uri(uri)?)))
            .unwrap_or((super::BLOCK_ALGORITHMS[0], Block::Gcm(32)));
        let (key, first) = random.split_at(32);
        let key = key.get(..block.key_size()).unwrap_or(key);
        let octets = block.encrypt(key, first, plaintext.finish().as_bytes())?;
        let wrapped = wrap(key, &*PKey::public_key_from_der(target.key.as_der())?)?;
        Ok(Self(written(uri, &octets, &wrapped)))
    }

    pub(in crate::saml) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The element, with the wrapped key where nearly everyone looks for it: inside.
fn written(uri: &str, octets: &[u8], wrapped: &[u8]) -> String {
    let mut xml = Writer::new();
    let cipher_data = |xml: &mut Writer, octets: &[u8]| {
        xml.element((XENC, "CipherData"), &[], |xml| {
            xml.text_element((XENC, "CipherValue"), &[], &STANDARD.encode(octets));
        });
    };
    xml.element((SAML, "EncryptedID"), &[], |xml| {
        xml.element((XENC, "EncryptedData"), &[("Type", Some(ELEMENT))], |xml| {
            xml.element((XENC, "EncryptionMethod"), &[("Algorithm", Some(uri))], |_| ());
            xml.element((DS, "KeyInfo"), &[], |xml| {
                xml.element((XENC, "EncryptedKey"), &[], |xml| {
                    let algorithm = [("Algorithm", Some(TRANSPORT_ALGORITHMS[1]))];
                    xml.element((XENC, "EncryptionMethod"), &algorithm, |_| ());
                    cipher_data(xml, wrapped);
                });
            });
            cipher_data(xml, octets);
        });
    });
    xml.finish()
}
