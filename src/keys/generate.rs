//! New key pairs with self-signed certificates. The key alone counts in SAML (MD-17); the
//! certificate is the envelope that metadata wants.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::{KeyError, Purpose};
use crate::config::KeyFiles;
use crate::entropy::Entropy;

/// The kinds of keys that are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast, for signing, where the identity providers can.
    P256,
    /// RSA of 2048 bits: what every identity provider can verify, four times as fast to
    /// sign with as the next.
    Rsa2048,
    /// RSA of 3072 bits: what new keys should have (MD-05) where speed does not matter.
    Rsa3072,
}

impl KeyKind {
    /// The word on the command line and in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p-256",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
        }
    }
}

/// Whose pair it is, and where it goes.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The directory for the files; made if it is not there.
    pub directory: PathBuf,
    /// The host of the base URL: the common name of the certificate.
    pub host: String,
}

/// Generates a pair and writes it under the owner's directory, readable by its owner
/// alone. The certificate is written last, so that a pair that can be seen is whole.
///
/// # Errors
/// [`KeyError`]: a curve for encryption, a pair of the same second, a full disk.
pub fn generate(
    kind: KeyKind,
    purpose: Purpose,
    owner: &Owner,
    now: DateTime<Utc>,
    entropy: &Entropy,
) -> Result<KeyFiles, KeyError> {
    let stem = format!("{}-{}-{}", purpose.name(), kind.name(), now.format("%Y%m%d%H%M%S"));
    let files = KeyFiles {
        key: owner.directory.join(format!("{stem}.key")),
        certificate: owner.directory.join(format!("{stem}.crt")),
    };
    if purpose != Purpose::Signing && kind == KeyKind::P256 {
        return Err(KeyError::Weak {
            path: files.key,
            found: String::from("a curve"),
            expected: if purpose == Purpose::Tokens { "RSA for tokens" } else { "RSA for encryption" },
        });
    }
    if files.certificate.exists() {
        return Err(KeyError::Exists(files.certificate));
    }
    let key = new_key(kind)?;
    let certificate = self_signed(&key, purpose, &owner.host, now, entropy)?;
    make_directory(&owner.directory)?;
    write(&files.key, &key.private_key_to_pem_pkcs8()?)?;
    write(&files.certificate, &certificate.to_pem()?)?;
    Ok(files)
}

fn new_key(kind: KeyKind) -> Result<PKey<Private>, ErrorStack> {
    match kind {
        KeyKind::P256 => {
            let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            // By name, not by its parameters, or others cannot read the certificate.
            group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
            PKey::from_ec_key(EcKey::generate(&group)?)
        }
        KeyKind::Rsa2048 => PKey::from_rsa(Rsa::generate(2048)?),
        KeyKind::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?),
    }
}

fn self_signed(
    key: &PKey<Private>,
    purpose: Purpose,
    host: &str,
    now: DateTime<Utc>,
    entropy: &Entropy,
) -> Result<X509, KeyError> {
    const HOUR: i64 = 3_600;
    const TEN_YEARS: i64 = 3_652 * 24 * HOUR;
    // X.520 allows a common name of 64 characters.
    let common_name = if host.len() <= 64 { host } else { "signoff" };
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    let name = name.build();
    let mut serial = entropy.bytes::<16>()?;
    // Positive, and as long as the others (RFC 5280, 4.1.2.2).
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    let mut usage = KeyUsage::new();
    usage.critical();
    match purpose {
        Purpose::Encryption => usage.key_encipherment(),
        Purpose::Signing | Purpose::Tokens => usage.digital_signature(),
    };

    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let serial = BigNum::from_slice(&serial)?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(key)?;
    // An hour back, for peers whose clock is behind.
    let not_before = Asn1Time::from_unix(now.timestamp() - HOUR)?;
    builder.set_not_before(&not_before)?;
    let not_after = Asn1Time::from_unix(now.timestamp() + TEN_YEARS)?;
    builder.set_not_after(&not_after)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(usage.build()?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn make_directory(directory: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| KeyError::Io { path: directory.to_path_buf(), source })
}

/// Writes a whole file or none, with mode 0600 from its first octet.
fn write(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        // An admin who works as root makes keys for the account that owns the directory. Only
        // root may give files away, and nobody else needs to.
        if let Some(owner) = path.parent().and_then(|directory| std::fs::metadata(directory).ok()) {
            let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    written().map_err(|source| {
        let _ = std::fs::remove_file(&temporary);
        KeyError::Io { path: path.to_path_buf(), source }
    })
}
