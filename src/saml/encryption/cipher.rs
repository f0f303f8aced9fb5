//! The algorithms, done by OpenSSL (XML Encryption 1.1, 5.2 and 5.5).

use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{PKey, PKeyRef, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, Crypter, Mode, decrypt_aead, encrypt, encrypt_aead};

/// The content algorithms that are taken and published, in order of preference (MD-08).
pub const BLOCK_ALGORITHMS: [&str; 6] = [
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
];
/// The key transport algorithms that are taken and published, in order of preference (MD-08).
pub const TRANSPORT_ALGORITHMS: [&str; 2] =
    ["http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"];

/// Octets before the ciphertext in GCM, and after it (5.2.4).
const NONCE: usize = 12;
const TAG: usize = 16;
/// The block of AES, which in CBC stands before the ciphertext once more (5.2.2).
const BLOCK: usize = 16;

/// AES, in one of two modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// It tells by itself whether it was changed; the size of its key in octets.
    Gcm(usize),
    /// It does not.
    Cbc(usize),
}

impl Block {
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        let kinds =
            [Self::Gcm(32), Self::Gcm(16), Self::Gcm(24), Self::Cbc(32), Self::Cbc(16), Self::Cbc(24)];
        BLOCK_ALGORITHMS.into_iter().zip(kinds).find_map(|(known, kind)| (known == uri).then_some(kind))
    }

    pub(super) const fn is_authenticated(self) -> bool {
        matches!(self, Self::Gcm(_))
    }

    pub(super) const fn key_size(self) -> usize {
        match self {
            Self::Gcm(size) | Self::Cbc(size) => size,
        }
    }

    /// Whether that many octets can be a ciphertext with something in it.
    pub(super) const fn fits(self, length: usize) -> bool {
        match self {
            Self::Gcm(_) => length > NONCE + TAG,
            Self::Cbc(_) => length >= 2 * BLOCK && length.is_multiple_of(BLOCK),
        }
    }

    /// The plaintext, if key, ciphertext and padding are what they should be.
    pub(super) fn decrypt(self, key: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
        if key.len() != self.key_size() || !self.fits(octets.len()) {
            return None;
        }
        let cipher = self.cipher();
        match self {
            Self::Gcm(_) => {
                let (nonce, rest) = octets.split_at_checked(NONCE)?;
                let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
                decrypt_aead(cipher, key, Some(nonce), &[], ciphertext, tag).ok()
            }
            Self::Cbc(_) => {
                let (first, ciphertext) = octets.split_at_checked(BLOCK)?;
                unpadded(cbc(cipher, key, first, ciphertext).ok()?)
            }
        }
    }

    /// The ciphertext, behind what has to be as random as the key: `first`, of which GCM takes 12
    /// octets and CBC 16.
    pub(super) fn encrypt(self, key: &[u8], first: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let first = first.get(..if self.is_authenticated() { NONCE } else { BLOCK }).unwrap_or(first);
        let mut tag = [0; TAG];
        let (ciphertext, tag): (_, &[u8]) = if self.is_authenticated() {
            (encrypt_aead(self.cipher(), key, Some(first), &[], plaintext, &mut tag)?, &tag)
        } else {
            // The padding of PKCS#7 is one of those that XML Encryption allows.
            (encrypt(self.cipher(), key, Some(first), plaintext)?, &[])
        };
        Ok([first, &ciphertext, tag].concat())
    }

    fn cipher(self) -> Cipher {
        match self {
            Self::Gcm(16) => Cipher::aes_128_gcm(),
            Self::Gcm(24) => Cipher::aes_192_gcm(),
            Self::Gcm(_) => Cipher::aes_256_gcm(),
            Self::Cbc(16) => Cipher::aes_128_cbc(),
            Self::Cbc(24) => Cipher::aes_192_cbc(),
            Self::Cbc(_) => Cipher::aes_256_cbc(),
        }
    }
}

fn cbc(cipher: Cipher, key: &[u8], first: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut crypter = Crypter::new(cipher, Mode::Decrypt, key, Some(first))?;
    // XML Encryption has a padding of its own.
    crypter.pad(false);
    let mut plaintext = vec![0; ciphertext.len() + BLOCK];
    let mut length = crypter.update(ciphertext, &mut plaintext)?;
    length += crypter.finalize(plaintext.get_mut(length..).unwrap_or_default())?;
    plaintext.truncate(length);
    Ok(plaintext)
}

/// Takes the padding off: the last octet says how many, the others may be anything (5.2.1).
fn unpadded(mut plaintext: Vec<u8>) -> Option<Vec<u8>> {
    let padding = usize::from(*plaintext.last()?);
    if !(1..=BLOCK).contains(&padding) {
        return None;
    }
    plaintext.truncate(plaintext.len().checked_sub(padding)?);
    Some(plaintext)
}

/// A digest of RSA-OAEP. SHA-1 is no weakness there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the URI of a digest algorithm.
    pub(super) fn of_digest(uri: &str) -> Option<Self> {
        match uri {
            "http://www.w3.org/2000/09/xmldsig#sha1" => Some(Self::Sha1),
            "http://www.w3.org/2001/04/xmlenc#sha256" => Some(Self::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(Self::Sha384),
            "http://www.w3.org/2001/04/xmlenc#sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// By the URI of a mask generation function.
    pub(super) fn of_mask(uri: &str) -> Option<Self> {
        match uri.strip_prefix("http://www.w3.org/2009/xmlenc11#")? {
            "mgf1sha1" => Some(Self::Sha1),
            "mgf1sha256" => Some(Self::Sha256),
            "mgf1sha384" => Some(Self::Sha384),
            "mgf1sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn md(self) -> &'static MdRef {
        match self {
            Self::Sha1 => Md::sha1(),
            Self::Sha256 => Md::sha256(),
            Self::Sha384 => Md::sha384(),
            Self::Sha512 => Md::sha512(),
        }
    }
}

/// A content key, wrapped with RSA-OAEP for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrappedKey {
    pub(super) digest: Hash,
    pub(super) mask: Hash,
    pub(super) label: Vec<u8>,
    pub(super) octets: Vec<u8>,
}

impl WrappedKey {
    /// The content key, if it was wrapped for that key.
    pub(super) fn unwrap_with(&self, key: &PKey<Private>) -> Option<Vec<u8>> {
        let unwrap = || -> Result<Vec<u8>, ErrorStack> {
            let mut context = PkeyCtx::new(key)?;
            context.decrypt_init()?;
            context.set_rsa_padding(Padding::PKCS1_OAEP)?;
            context.set_rsa_oaep_md(self.digest.md())?;
            context.set_rsa_mgf1_md(self.mask.md())?;
            if !self.label.is_empty() {
                context.set_rsa_oaep_label(&self.label)?;
            }
            let mut octets = vec![0; key.size()];
            let length = context.decrypt(&self.octets, Some(&mut octets))?;
            octets.truncate(length);
            Ok(octets)
        };
        unwrap().ok()
    }
}

/// Wraps a content key with RSA-OAEP in its first form: SHA-1 throughout.
pub(super) fn wrap(content_key: &[u8], to: &PKeyRef<Public>) -> Result<Vec<u8>, ErrorStack> {
    let mut context = PkeyCtx::new(to)?;
    context.encrypt_init()?;
    context.set_rsa_padding(Padding::PKCS1_OAEP)?;
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(content_key, &mut wrapped)?;
    Ok(wrapped)
}
