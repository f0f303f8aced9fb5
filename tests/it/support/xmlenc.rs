//! Encrypted elements as an identity provider makes them, with openssl alone and a knob for each
//! way of breaking one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt, encrypt_aead};

use super::dsig::Key;

pub const OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
pub const OAEP_11: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
pub const RSA_1_5: &str = "http://www.w3.org/2001/04/xmlenc#rsa-1_5";
pub const AES_256_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
pub const AES_192_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes192-gcm";
pub const AES_128_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
pub const AES_256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
pub const AES_192_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes192-cbc";
pub const AES_128_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
pub const TRIPLE_DES: &str = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc";
/// Every content algorithm that has to be taken, under a signature.
pub const CIPHERS: [&str; 6] = [AES_128_GCM, AES_192_GCM, AES_256_GCM, AES_128_CBC, AES_192_CBC, AES_256_CBC];

/// Where the wrapped key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// In the `KeyInfo` of the `EncryptedData`.
    Inside,
    /// After the `EncryptedData`, as its sibling.
    Beside,
}

/// How an element is encrypted.
#[derive(Clone, Copy)]
pub struct Sealing<'a> {
    pub to: &'a Key,
    pub cipher: &'static str,
    pub transport: &'static str,
    pub placed: Placed,
    /// Stands for what the encryption of the content gives.
    pub content: Option<&'a [u8]>,
    /// Stands for what the wrapping of the key gives.
    pub wrapped: Option<&'a [u8]>,
}

impl<'a> Sealing<'a> {
    /// AES-256-GCM, RSA-OAEP, the key inside.
    pub const fn of(to: &'a Key) -> Self {
        Self {
            to,
            cipher: AES_256_GCM,
            transport: OAEP,
            placed: Placed::Inside,
            content: None,
            wrapped: None,
        }
    }

    /// `<saml:NAME>` with `plaintext` encrypted inside.
    pub fn element(&self, name: &str, plaintext: &str) -> String {
        let content_key: Vec<u8> = (0..u8::try_from(cipher(self.cipher).key_len()).unwrap()).collect();
        let wrapped = self.wrapped.map_or_else(|| self.wrap(&content_key), <[u8]>::to_vec);
        let octets = self.content.map_or_else(|| self.encrypt(&content_key, plaintext), <[u8]>::to_vec);
        let parameters = if self.transport == OAEP_11 {
            "<ds:DigestMethod xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod><xenc11:MGF xmlns:xenc11=\"http://www.w3.org/2009/xmlenc11#\" Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1sha256\"></xenc11:MGF>"
        } else {
            ""
        };
        let xenc = if self.placed == Placed::Inside {
            ""
        } else {
            " xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\""
        };
        let key = format!(
            "<xenc:EncryptedKey{xenc}><xenc:EncryptionMethod Algorithm=\"{}\">{parameters}</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>",
            self.transport,
            BASE64.encode(wrapped)
        );
        let (inside, beside) = match self.placed {
            Placed::Inside => (
                format!("<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{key}</ds:KeyInfo>"),
                String::new(),
            ),
            Placed::Beside => (String::new(), key),
        };
        format!(
            "<saml:{name} xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"{}\"></xenc:EncryptionMethod>{inside}<xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{beside}</saml:{name}>",
            self.cipher,
            BASE64.encode(octets)
        )
    }

    fn wrap(&self, content_key: &[u8]) -> Vec<u8> {
        let mut encrypter = Encrypter::new(&self.to.private).unwrap();
        let padding = if self.transport == RSA_1_5 { Padding::PKCS1 } else { Padding::PKCS1_OAEP };
        encrypter.set_rsa_padding(padding).unwrap();
        if self.transport == OAEP_11 {
            encrypter.set_rsa_oaep_md(MessageDigest::sha256()).unwrap();
            encrypter.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        }
        let mut wrapped = vec![0; encrypter.encrypt_len(content_key).unwrap()];
        let length = encrypter.encrypt(content_key, &mut wrapped).unwrap();
        wrapped.truncate(length);
        wrapped
    }

    fn encrypt(&self, content_key: &[u8], plaintext: &str) -> Vec<u8> {
        let cipher = cipher(self.cipher);
        if self.cipher.ends_with("gcm") {
            let (nonce, mut tag) = ([3; 12], [0; 16]);
            let inner = encrypt_aead(cipher, content_key, Some(&nonce), &[], plaintext.as_bytes(), &mut tag);
            return [&nonce[..], &inner.unwrap(), &tag].concat();
        }
        let first = vec![3; cipher.iv_len().unwrap()];
        [&first[..], &encrypt(cipher, content_key, Some(&first), plaintext.as_bytes()).unwrap()].concat()
    }
}

fn cipher(algorithm: &str) -> Cipher {
    match algorithm {
        AES_128_GCM => Cipher::aes_128_gcm(),
        AES_192_GCM => Cipher::aes_192_gcm(),
        AES_256_GCM => Cipher::aes_256_gcm(),
        AES_128_CBC => Cipher::aes_128_cbc(),
        AES_192_CBC => Cipher::aes_192_cbc(),
        AES_256_CBC => Cipher::aes_256_cbc(),
        TRIPLE_DES => Cipher::des_ede3_cbc(),
        other => panic!("{other}"),
    }
}
