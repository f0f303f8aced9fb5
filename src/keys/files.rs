//! The directory of generated key pairs: `{signing,encryption,tokens}-<kind>-<time>.{key,crt}`.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use openssl::asn1::{Asn1Time, Asn1TimeRef};

use super::pair::{certificate, fingerprint, kind};
use super::{KeyError, Purpose};
use crate::config::KeyFiles;

/// One generated pair in the directory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// What it is for.
    pub purpose: Purpose,
    /// `RSA 2048`, `EC P-256` and so on.
    pub kind: String,
    /// When it was generated, as `yyyymmddHHMMSS` in its name; empty for a configured pair.
    pub generated_at: String,
    /// When its certificate ends. Nobody checks it (MD-17).
    pub not_after: DateTime<Utc>,
    /// SHA-256 of the certificate's DER in hex.
    pub fingerprint: String,
    /// The private key.
    pub key: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
}

/// All generated pairs, the oldest first; none if the directory does not exist.
///
/// # Errors
/// [`KeyError`] when the directory or a certificate in it cannot be read.
pub fn list(directory: &Path) -> Result<Vec<KeyFile>, KeyError> {
    let io = |source| KeyError::Io { path: directory.to_path_buf(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let Some((purpose, generated_at)) = read_name(&path) else {
            continue;
        };
        let files = KeyFiles { key: path.with_extension("key"), certificate: path };
        listed.push(KeyFile { generated_at, ..describe(purpose, &files)? });
    }
    listed.sort_by(|a, b| (&a.generated_at, &a.certificate).cmp(&(&b.generated_at, &b.certificate)));
    Ok(listed)
}

/// What there is to say about a pair, generated or not; only its certificate is read.
///
/// # Errors
/// [`KeyError`] when the certificate cannot be read.
pub fn describe(purpose: Purpose, files: &KeyFiles) -> Result<KeyFile, KeyError> {
    let certificate = certificate(&files.certificate)?;
    Ok(KeyFile {
        purpose,
        kind: kind(&*certificate.public_key()?),
        generated_at: String::new(),
        not_after: instant(certificate.not_after())?,
        fingerprint: fingerprint(&certificate)?,
        key: files.key.clone(),
        certificate: files.certificate.clone(),
    })
}

/// The newest pair for a purpose.
pub(super) fn newest(directory: &Path, purpose: Purpose) -> Result<Option<KeyFile>, KeyError> {
    let mut files = list(directory)?.into_iter();
    Ok(files.rfind(|file| file.purpose == purpose))
}

/// Makes the directory if need be, and holds its lock until the file is dropped.
pub(super) fn lock(directory: &Path) -> Result<File, KeyError> {
    let path = directory.join(".lock");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|source| KeyError::Io { path, source })
}

fn instant(time: &Asn1TimeRef) -> Result<DateTime<Utc>, KeyError> {
    let since_epoch = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since_epoch.days) * 86_400 + i64::from(since_epoch.secs);
    Ok(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
}

/// `signing-rsa-2048-20261123010203.crt` is for signing, and that old.
fn read_name(path: &Path) -> Option<(Purpose, String)> {
    if path.extension()? != "crt" {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let (purpose, rest) = stem.split_once('-')?;
    let purpose = [Purpose::Encryption, Purpose::Signing, Purpose::Tokens]
        .into_iter()
        .find(|known| known.name() == purpose)?;
    let (_, time) = rest.rsplit_once('-')?;
    let is_time = time.len() == 14 && time.bytes().all(|octet| octet.is_ascii_digit());
    is_time.then(|| (purpose, time.to_owned()))
}
