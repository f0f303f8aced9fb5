//! Encrypting by hand, with OpenSSL's other interfaces than those that decrypt.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::symm::{Cipher, Crypter, Mode, encrypt_aead};

use super::{DecryptionKeys, MGF1P, SAML_NS};

/// The private keys of a service: the one that is published, and another.
pub(super) fn ours(which: usize) -> PKey<Private> {
    static KEYS: std::sync::OnceLock<Vec<PKey<Private>>> = std::sync::OnceLock::new();
    let make = || (0..3).map(|_| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()).collect();
    KEYS.get_or_init(make)[which].clone()
}

pub(super) fn decryption(which: &[usize]) -> DecryptionKeys {
    DecryptionKeys::new(which.iter().map(|which| ours(*which)))
}

/// Where the wrapped key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Within,
    Beside,
    BesideRetrieved,
}

/// How something is encrypted.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) block: &'static str,
    pub(super) transport: &'static str,
    pub(super) digest: Option<(&'static str, MessageDigest)>,
    pub(super) mask: Option<(&'static str, MessageDigest)>,
    pub(super) label: &'static [u8],
    pub(super) place: Place,
    pub(super) to: PKey<Public>,
    /// The content key is used as it is, and wrapped in so many octets.
    pub(super) wrapped_octets: usize,
    /// What becomes of the octets of the content and of the wrapped key.
    pub(super) damage: fn(&mut Vec<u8>, &mut Vec<u8>),
    /// What becomes of the text in the end.
    pub(super) finish: fn(String) -> String,
}

pub(super) fn recipe(block: &'static str) -> Recipe {
    Recipe {
        block,
        transport: MGF1P,
        digest: None,
        mask: None,
        label: b"",
        place: Place::Within,
        to: PKey::public_key_from_der(&ours(0).public_key_to_der().unwrap()).unwrap(),
        wrapped_octets: key_size(block),
        damage: |_, _| (),
        finish: |text| text,
    }
}

pub(super) fn to(which: usize) -> PKey<Public> {
    PKey::public_key_from_der(&ours(which).public_key_to_der().unwrap()).unwrap()
}

pub(super) fn key_size(block: &str) -> usize {
    if block.contains("128") {
        16
    } else if block.contains("192") || block.contains("tripledes") {
        24
    } else {
        32
    }
}

pub(super) fn content(block: &str, key: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let cipher = match (block.rsplit_once('#').unwrap().1, key.len()) {
        ("tripledes-cbc", _) => Cipher::des_ede3_cbc(),
        (name, 16) if name.ends_with("gcm") => Cipher::aes_128_gcm(),
        (name, 24) if name.ends_with("gcm") => Cipher::aes_192_gcm(),
        (name, _) if name.ends_with("gcm") => Cipher::aes_256_gcm(),
        (_, 16) => Cipher::aes_128_cbc(),
        (_, 24) => Cipher::aes_192_cbc(),
        _ => Cipher::aes_256_cbc(),
    };
    if block.ends_with("gcm") {
        let (nonce, mut tag) = ([7; 12], [0; 16]);
        let ciphertext = encrypt_aead(cipher, key, Some(&nonce), &[], plaintext, &mut tag).unwrap();
        return [&nonce[..], &ciphertext, &tag].concat();
    }
    let first = vec![9; cipher.block_size()];
    let missing = cipher.block_size() - plaintext.len() % cipher.block_size();
    // ISO 10126: only the last octet of the padding says anything.
    let mut padded = [plaintext, &vec![0xAA; missing]].concat();
    *padded.last_mut().unwrap() = u8::try_from(missing).unwrap();
    let mut crypter = Crypter::new(cipher, Mode::Encrypt, key, Some(&first)).unwrap();
    crypter.pad(false);
    let mut out = vec![0; padded.len() + cipher.block_size()];
    let length = crypter.update(&padded, &mut out).unwrap();
    out.truncate(length);
    [first, out].concat()
}

impl Recipe {
    fn wrap(&self, key: &[u8]) -> Vec<u8> {
        let mut encrypter = Encrypter::new(&self.to).unwrap();
        if self.transport.ends_with("rsa-1_5") {
            encrypter.set_rsa_padding(Padding::PKCS1).unwrap();
        } else {
            encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
            let digest = self.digest.map_or_else(MessageDigest::sha1, |(_, digest)| digest);
            encrypter.set_rsa_oaep_md(digest).unwrap();
            encrypter.set_rsa_mgf1_md(self.mask.map_or_else(MessageDigest::sha1, |(_, mask)| mask)).unwrap();
            if !self.label.is_empty() {
                encrypter.set_rsa_oaep_label(self.label).unwrap();
            }
        }
        let mut wrapped = vec![0; encrypter.encrypt_len(key).unwrap()];
        let length = encrypter.encrypt(key, &mut wrapped).unwrap();
        wrapped.truncate(length);
        wrapped
    }

    /// The element of that name with the plaintext inside, in exclusive canonical form.
    pub(super) fn encrypt(&self, name: &str, plaintext: &str) -> String {
        let key: Vec<u8> = (0..32).collect();
        let mut octets = content(self.block, &key[..key_size(self.block)], plaintext.as_bytes());
        let mut wrapped = self.wrap(&key[..self.wrapped_octets]);
        (self.damage)(&mut octets, &mut wrapped);
        let (octets, wrapped) = (STANDARD.encode(octets), STANDARD.encode(wrapped));

        let mut parameters = Vec::new();
        if !self.label.is_empty() {
            parameters.push(format!("<e:OAEPparams>{}</e:OAEPparams>", STANDARD.encode(self.label)));
        }
        if let Some((uri, _)) = self.digest {
            parameters.push(format!(
                "<d:DigestMethod xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"{uri}\"></d:DigestMethod>"
            ));
        }
        if let Some((uri, _)) = self.mask {
            parameters.push(format!(
                "<e11:MGF xmlns:e11=\"http://www.w3.org/2009/xmlenc11#\" Algorithm=\"{uri}\"></e11:MGF>"
            ));
        }
        let parameters = parameters.concat();
        let xmlns = "xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"";
        let (block, transport) = (self.block, self.transport);
        let wrapped_key = |xmlns: &str| {
            format!(
                "<e:EncryptedKey{xmlns} Id=\"_k\"><e:EncryptionMethod Algorithm=\"{transport}\">{parameters}</e:EncryptionMethod><e:CipherData><e:CipherValue>{wrapped}</e:CipherValue></e:CipherData></e:EncryptedKey>"
            )
        };
        let (within, beside) = match self.place {
            Place::Within => (wrapped_key(""), String::new()),
            Place::Beside => (String::new(), wrapped_key(&format!(" {xmlns}"))),
            Place::BesideRetrieved => (
                "<ds:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" URI=\"#_k\"></ds:RetrievalMethod>".to_owned(),
                wrapped_key(&format!(" {xmlns}")),
            ),
        };
        let key_info = match within.as_str() {
            "" => String::new(),
            within => {
                format!("<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{within}</ds:KeyInfo>")
            }
        };
        (self.finish)(format!(
            "<saml:{name} {SAML_NS}><e:EncryptedData {xmlns} Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><e:EncryptionMethod Algorithm=\"{block}\"></e:EncryptionMethod>{key_info}<e:CipherData><e:CipherValue>{octets}</e:CipherValue></e:CipherData></e:EncryptedData>{beside}</saml:{name}>"
        ))
    }
}
