//! One key pair, read and checked: a private key that fits its certificate and is strong
//! enough for what it is used for.

use std::fmt;
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::sha::sha256;
use openssl::x509::X509;

use super::KeyError;
use crate::config::KeyFiles;

/// A key pair that signs: RSA of 2048 bits or more, or P-256, P-384 or P-521.
#[derive(Clone)]
pub struct SigningKey(Pair);

/// The longest RSA key that others may encrypt to, in bits. Whoever encrypts something to it has us use
/// it a few times before we know who that is, and the work grows with the third power (VAL-01).
const LONGEST_FOR_STRANGERS: u32 = 4096;

/// A key pair that others encrypt to: RSA of 2048 to 4096 bits.
#[derive(Clone)]
pub struct EncryptionKey(Pair);

#[derive(Clone)]
struct Pair {
    private: PKey<Private>,
    certificate: X509,
    certificate_der: Vec<u8>,
    fingerprint: String,
}

impl SigningKey {
    /// Reads a pair and checks it (MD-05).
    ///
    /// # Errors
    /// [`KeyError`] naming the file that does not do.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let pair = Pair::load(files)?;
        check_strength(&pair.private, &files.key)?;
        Ok(Self(pair))
    }
}

impl EncryptionKey {
    /// Reads a pair and checks it (MD-05). Key transport needs RSA.
    ///
    /// # Errors
    /// [`KeyError`] naming the file that does not do.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let pair = Pair::load(files)?;
        if pair.private.id() != Id::RSA || pair.private.bits() > LONGEST_FOR_STRANGERS {
            return Err(KeyError::Weak {
                path: files.key.clone(),
                found: kind(&pair.private),
                expected: "RSA of 2048 to 4096 bits for encryption",
            });
        }
        check_strength(&pair.private, &files.key)?;
        Ok(Self(pair))
    }
}

/// The same accessors for both kinds of pair.
macro_rules! accessors {
    ($($key:ident),*) => {$(
        impl $key {
            /// The private key.
            #[must_use]
            pub fn private(&self) -> &PKey<Private> {
                &self.0.private
            }

            /// The certificate.
            #[must_use]
            pub fn certificate(&self) -> &X509 {
                &self.0.certificate
            }

            /// The certificate as DER.
            #[must_use]
            pub fn certificate_der(&self) -> &[u8] {
                &self.0.certificate_der
            }

            /// SHA-256 of the certificate's DER, in hex: the name of this key.
            #[must_use]
            pub fn fingerprint(&self) -> &str {
                &self.0.fingerprint
            }
        }

        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($key)).field(&self.0.fingerprint).finish()
            }
        }
    )*};
}
accessors!(SigningKey, EncryptionKey);

impl Pair {
    fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let certificate = certificate(&files.certificate)?;
        let private = private_key(&files.key)?;
        if !certificate.public_key()?.public_eq(&private) {
            return Err(KeyError::Foreign { key: files.key.clone(), certificate: files.certificate.clone() });
        }
        let certificate_der = certificate.to_der()?;
        Ok(Self { fingerprint: hex(&sha256(&certificate_der)), private, certificate, certificate_der })
    }
}

/// Reads the first certificate of a PEM file.
///
/// # Errors
/// [`KeyError`] when there is none.
pub fn certificate(path: &Path) -> Result<X509, KeyError> {
    X509::from_pem(&read(path)?)
        .map_err(|_| KeyError::Unreadable { path: path.to_path_buf(), expected: "a certificate in PEM" })
}

/// SHA-256 of a certificate's DER in hex: the name of its key.
///
/// # Errors
/// [`KeyError::OpenSsl`] when the certificate cannot be encoded.
pub fn fingerprint(certificate: &X509) -> Result<String, KeyError> {
    Ok(hex(&sha256(&certificate.to_der()?)))
}

/// `RSA 2048`, `EC prime256v1` and so on, for messages and lists.
pub(super) fn kind<T: HasPublic>(key: &PKeyRef<T>) -> String {
    match key.id() {
        Id::RSA => format!("RSA {}", key.bits()),
        Id::EC => format!("EC {}", curve(key).unwrap_or("of an unnamed curve")),
        _ => String::from("a key of another kind"),
    }
}

fn private_key(path: &Path) -> Result<PKey<Private>, KeyError> {
    let unreadable =
        || KeyError::Unreadable { path: path.to_path_buf(), expected: "a private key in PEM, not encrypted" };
    let pem = read(path)?;
    let metadata = std::fs::metadata(path).map_err(|source| io(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(KeyError::Exposed { path: path.to_path_buf(), mode });
    }
    if mode & 0o044 != 0 {
        // Mounted secrets often look like this, so it is no reason not to start.
        tracing::warn!(
            path = %path.display(),
            mode = %format!("{mode:o}"),
            "other accounts may read this private key: expected mode 600"
        );
    }
    // Without a callback OpenSSL would ask the terminal for a passphrase and wait.
    PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).map_err(|_| unreadable())
}

fn check_strength(key: &PKey<Private>, path: &Path) -> Result<(), KeyError> {
    let strong = match key.id() {
        Id::RSA => (2048..=16_384).contains(&key.bits()),
        Id::EC => matches!(curve(key), Some("P-256" | "P-384" | "P-521")),
        _ => false,
    };
    if strong {
        return Ok(());
    }
    Err(KeyError::Weak {
        path: path.to_path_buf(),
        found: kind(key),
        expected: "RSA of 2048 bits or more, or P-256, P-384 or P-521",
    })
}

fn curve<T: HasPublic>(key: &PKeyRef<T>) -> Option<&'static str> {
    match key.ec_key().ok()?.group().curve_name()? {
        Nid::X9_62_PRIME256V1 => Some("P-256"),
        Nid::SECP384R1 => Some("P-384"),
        Nid::SECP521R1 => Some("P-521"),
        other => other.short_name().ok(),
    }
}

/// Far more than a key or a chain needs; a device or a pipe must not fill the memory.
const LONGEST_FILE: u64 = 1 << 20;

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut content = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut content))
        .map_err(|source| io(path, source))?;
    Ok(content)
}

fn io(path: &Path, source: std::io::Error) -> KeyError {
    KeyError::Io { path: path.to_path_buf(), source }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
