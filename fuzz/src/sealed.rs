//! Encrypted elements: a key pair that is no secret, and a sealer for every algorithm, so that a
//! fuzzer gets at what is inside. Made with OpenSSL's other interfaces than those that decrypt.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt, encrypt_aead};

use crate::saml::encryption::{BLOCK_ALGORITHMS, DecryptionKeys, TRANSPORT_ALGORITHMS};

/// Made for the fuzzers, short so that they are fast, and good for nothing else.
const KEY: &str = concat!(
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAM23JEiZX3WeQsyRIaJO2vlRy05DaHXdBFgLVK1/pi4u4SQux+Lq",
    "cB13UJnGHqtQJXyZPmXyh/moc7tLJgRWrTb975RobVLtfRTQKbcCw7o+P9iZM9hSpoiHNz6scnBFG7i+M1mwb0uBFQ9d2kMNDs7X",
    "tr/qB39mS4M5VvWdQvnVAgMBAAECgYBDKqboJVurtY6t6D0JF6IbgX9WAGBdC1rdvGVbeLAzqA7Ol4+gIVeV510juDJPUQ3MTuS2",
    "uKd49m1DG9g/1mUbV2kunIQNkQ0mtq6BOcCceGrfHTdGudGL9cUFgMMoNYIkxd3r26HdQmbKS3d+CeNIx2nSX1rlp0TcrFccphD8",
    "SQJBAPDyrWN/qbP7QqU5oM6CH9XIJT8k0klLRkgCaI4x6+Mn7ifD/Nr8YM+sGJHxNmguuMfcpeTjrsTaGrnHePLVRA8CQQDakQNg",
    "fafS2YSYzFcXpBYBTNojHdXbghiAa8I2je9OeJwAL6Wmgatak55PRlMYC92PkdG+uuelmaenBPuifS/bAkEA6bV6GRirMrh0XG8Z",
    "WzU8S9Bm0GiW0CEDerVbVRF3DE6e4lNn38EM5mK3MlgVvdgTw0hyYSG3U5l6ctjYqDHUYQJAYg12X15f4Ma2prndRHzXZmPs5J4o",
    "594YUdyF92V7e0++ZJL7lJRNpEffWJ8q/fmsvxDi8Nb2vyMMxHAG16GjywJBAL7vZwUAuQtFqf8TxQj8lCecQn1Rwkhr6XM7YgNJ",
    "LL5ogOtPWbuWHaUc7WYCF1Nwdre6OVvI0YWlh3XARSq/GE8=",
);

/// The content key of everything that is sealed here; shorter ones are its beginning.
const CONTENT_KEY: [u8; 32] = *b"a content key that is no secret.";

/// The private key to everything that is sealed here.
pub fn decryption() -> &'static DecryptionKeys {
    static KEYS: OnceLock<DecryptionKeys> = OnceLock::new();
    KEYS.get_or_init(|| DecryptionKeys::new([key()]))
}

fn key() -> PKey<Private> {
    PKey::private_key_from_der(&STANDARD.decode(KEY).unwrap()).unwrap()
}

/// How an element is sealed: chosen by a number, so that a mutator can ask for any.
#[derive(Clone, Copy)]
pub struct Recipe {
    block: &'static str,
    transport: &'static str,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Within,
    Beside,
    Retrieved,
}

impl Recipe {
    /// The recipe of that number.
    pub fn number(number: usize) -> Self {
        let places = [Place::Within, Place::Beside, Place::Retrieved];
        Self {
            block: BLOCK_ALGORITHMS[number % 6],
            transport: TRANSPORT_ALGORITHMS[number / 6 % 2],
            place: places[number / 12 % 3],
        }
    }

    /// The EncryptedData, with the wrapped key in it or behind it.
    pub fn seal(self, plaintext: &str) -> String {
        let Self { block, transport, place } = self;
        let octets = STANDARD.encode(self.content(plaintext.as_bytes()));
        let wrapped = STANDARD.encode(self.wrapped());
        let xenc = "xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"";
        let key = format!(
            "<e:EncryptedKey {xenc} Id=\"_k\"><e:EncryptionMethod Algorithm=\"{transport}\"/><e:CipherData><e:CipherValue>{wrapped}</e:CipherValue></e:CipherData></e:EncryptedKey>"
        );
        let retrieval =
            "<d:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" URI=\"#_k\"/>";
        let (within, beside) = match place {
            Place::Within => (key.as_str(), ""),
            Place::Beside => ("", key.as_str()),
            Place::Retrieved => (retrieval, key.as_str()),
        };
        format!(
            "<e:EncryptedData {xenc} Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><e:EncryptionMethod Algorithm=\"{block}\"/><d:KeyInfo xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\">{within}</d:KeyInfo><e:CipherData><e:CipherValue>{octets}</e:CipherValue></e:CipherData></e:EncryptedData>{beside}"
        )
    }

    fn size(self) -> usize {
        [("128", 16), ("192", 24)]
            .iter()
            .find(|(bits, _)| self.block.contains(bits))
            .map_or(32, |(_, size)| *size)
    }

    fn content(self, plaintext: &[u8]) -> Vec<u8> {
        let key = &CONTENT_KEY[..self.size()];
        if self.block.ends_with("gcm") {
            let cipher = [Cipher::aes_128_gcm(), Cipher::aes_192_gcm(), Cipher::aes_256_gcm()];
            let (nonce, mut tag) = ([7; 12], [0; 16]);
            let cipher = cipher[self.size() / 8 - 2];
            let ciphertext = encrypt_aead(cipher, key, Some(&nonce), &[], plaintext, &mut tag).unwrap();
            [&nonce[..], &ciphertext, &tag].concat()
        } else {
            let cipher = [Cipher::aes_128_cbc(), Cipher::aes_192_cbc(), Cipher::aes_256_cbc()];
            let first = [9; 16];
            let ciphertext = encrypt(cipher[self.size() / 8 - 2], key, Some(&first), plaintext).unwrap();
            [&first[..], &ciphertext].concat()
        }
    }

    fn wrapped(self) -> Vec<u8> {
        let key = key();
        let mut encrypter = Encrypter::new(&key).unwrap();
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        encrypter.set_rsa_oaep_md(MessageDigest::sha1()).unwrap();
        encrypter.set_rsa_mgf1_md(MessageDigest::sha1()).unwrap();
        let plain = &CONTENT_KEY[..self.size()];
        let mut wrapped = vec![0; encrypter.encrypt_len(plain).unwrap()];
        let length = encrypter.encrypt(plain, &mut wrapped).unwrap();
        wrapped.truncate(length);
        wrapped
    }
}
