//! Key pairs in temporary directories.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::{Flags, Machine};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn owner(directory: &Path) -> Owner {
    Owner { directory: directory.to_path_buf(), host: String::from("sp.example.com") }
}

fn new_pair(directory: &Path, kind: KeyKind, seconds: i64) -> KeyFiles {
    let entropy = Entropy::seeded(1);
    generate(kind, Purpose::Signing, &owner(directory), at(seconds), &entropy).unwrap()
}

/// A key of any strength, with a certificate that fits.
fn weak_pair(directory: &Path, key: &PKey<Private>) -> KeyFiles {
    let files = KeyFiles { key: directory.join("weak.key"), certificate: directory.join("weak.crt") };
    let mut builder = openssl::x509::X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let now = openssl::asn1::Asn1Time::days_from_now(0).unwrap();
    builder.set_not_before(&now).unwrap();
    builder.set_not_after(&now).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(key, openssl::hash::MessageDigest::sha256()).unwrap();
    std::fs::write(&files.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    std::fs::write(&files.certificate, builder.build().to_pem().unwrap()).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    files
}

fn settings(directory: &Path) -> Settings {
    Settings::load(&Flags::default(), &Machine::bare(directory)).unwrap()
}

#[test]
fn md_05_a_generated_pair_fits_and_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let certs = directory.path().join("certs");
    let entropy = Entropy::system();
    for (kind, purpose, described) in [
        (KeyKind::Rsa2048, Purpose::Signing, "RSA 2048"),
        (KeyKind::Rsa3072, Purpose::Encryption, "RSA 3072"),
        (KeyKind::P256, Purpose::Signing, "EC P-256"),
    ] {
        let files = generate(kind, purpose, &owner(&certs), at(0), &entropy).unwrap();
        let mode = std::fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        match purpose {
            Purpose::Signing | Purpose::Tokens => drop(SigningKey::load(&files).unwrap()),
            Purpose::Encryption => drop(EncryptionKey::load(&files).unwrap()),
        }
        let listed = list(&certs).unwrap();
        let file = listed.iter().find(|file| file.kind == described).unwrap();
        assert_eq!((file.not_after - at(0)).num_days(), 3652);
    }
    let mode = std::fs::metadata(&certs).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(certs.join("signing-rsa-2048-20260921141320.crt").exists());
}

#[test]
fn two_pairs_of_one_second_are_not_mixed_up() {
    let directory = tempfile::tempdir().unwrap();
    new_pair(directory.path(), KeyKind::P256, 0);
    let again =
        generate(KeyKind::P256, Purpose::Signing, &owner(directory.path()), at(0), &Entropy::system());
    assert!(matches!(again, Err(KeyError::Exists(_))));
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let one = new_pair(directory.path(), KeyKind::P256, 0);
    let two = new_pair(directory.path(), KeyKind::P256, 1);
    let mixed = KeyFiles { key: one.key, certificate: two.certificate };
    let error = SigningKey::load(&mixed).unwrap_err();
    assert!(matches!(error, KeyError::Foreign { .. }), "{error}");
}

#[test]
fn weak_and_foreign_kinds_of_keys_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let k1 = EcGroup::from_curve_name(Nid::SECP256K1).unwrap();
    let p224 = EcGroup::from_curve_name(Nid::SECP224R1).unwrap();
    for key in [
        PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap(),
        PKey::from_ec_key(EcKey::generate(&k1).unwrap()).unwrap(),
        PKey::from_ec_key(EcKey::generate(&p224).unwrap()).unwrap(),
    ] {
        let error = SigningKey::load(&weak_pair(directory.path(), &key)).unwrap_err();
        assert!(matches!(error, KeyError::Weak { .. }), "{error}");
    }
    let curve = new_pair(directory.path(), KeyKind::P256, 0);
    assert!(SigningKey::load(&curve).is_ok());
    assert!(matches!(EncryptionKey::load(&curve), Err(KeyError::Weak { .. })));
}

#[test]
fn val_01_a_key_that_strangers_have_used_is_not_too_dear() {
    let directory = tempfile::tempdir().unwrap();
    for (bits, taken) in [(4096, true), (4104, false)] {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        let files = weak_pair(directory.path(), &key);
        assert_eq!(EncryptionKey::load(&files).is_ok(), taken, "{bits}");
        assert!(SigningKey::load(&files).is_ok(), "{bits}: nobody else has us sign with it");
    }
}

#[test]
fn a_key_that_others_may_write_is_refused_and_one_they_may_read_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let files = new_pair(directory.path(), KeyKind::P256, 0);
    for (mode, accepted) in [(0o600, true), (0o444, true), (0o620, false), (0o602, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&files.key, permissions).unwrap();
        assert_eq!(SigningKey::load(&files).is_ok(), accepted, "{mode:o}");
    }
}

#[test]
fn files_that_hold_something_else_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let files = new_pair(directory.path(), KeyKind::P256, 0);
    let swapped = KeyFiles { key: files.certificate.clone(), certificate: files.key.clone() };
    let error = SigningKey::load(&swapped).unwrap_err().to_string();
    assert!(error.contains(".key: expected a certificate"), "{error}");

    // An encrypted key must not make OpenSSL ask the terminal.
    let key = PKey::private_key_from_pem(&std::fs::read(&files.key).unwrap()).unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let pem = key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap();
    std::fs::write(&files.key, pem).unwrap();
    let error = SigningKey::load(&files).unwrap_err().to_string();
    assert!(error.contains("not encrypted"), "{error}");
}

#[test]
fn keys_are_generated_once_and_only_where_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let entropy = Entropy::system();
    let error = KeyRing::open(&settings, None, false, at(0), &entropy).unwrap_err();
    assert!(matches!(error, KeyError::Absent { .. }), "{error}");
    let rings: Vec<KeyRing> = std::thread::scope(|scope| {
        let open = || KeyRing::open(&settings, None, true, at(0), &entropy).unwrap();
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(open)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let fingerprint = rings[0].signing.fingerprint();
    assert!(rings.iter().all(|ring| ring.signing.fingerprint() == fingerprint));
    assert!(rings.iter().all(|ring| ring.encryption.len() == 1));
    assert_eq!(list(&settings.certs_dir()).unwrap().len(), 3);
    assert_eq!(fingerprint.len(), 64);
    let token = |ring: &KeyRing| ring.tokens.active(at(0)).unwrap().0.fingerprint.clone();
    assert!(rings.iter().all(|ring| token(ring) == token(&rings[0]) && token(ring) != fingerprint));
}

#[test]
fn one_key_cannot_sign_saml_and_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let files = new_pair(directory.path(), KeyKind::Rsa2048, 0);
    let mut settings = settings(directory.path());
    settings.saml.signing = Some(files.clone());
    settings.tokens.signing = Some(files);
    let error = KeyRing::open(&settings, None, false, at(0), &Entropy::system()).unwrap_err();
    assert!(matches!(error, KeyError::Shared(_)), "{error}");
}

#[test]
fn tokens_take_rsa_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.tokens.signing = Some(new_pair(directory.path(), KeyKind::P256, 0));
    assert!(matches!(TokenKeys::open(&settings), Err(KeyError::Weak { .. })));
    let owner = owner(directory.path());
    let made = generate(KeyKind::P256, Purpose::Tokens, &owner, at(9), &Entropy::system());
    assert!(matches!(made, Err(KeyError::Weak { .. })));
}

#[test]
fn md_06_a_newer_pair_is_published_before_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let entropy = Entropy::system();
    let old = new_pair(&settings.certs_dir(), KeyKind::P256, 0);
    let new = new_pair(&settings.certs_dir(), KeyKind::P256, 60);
    let name = |files: &KeyFiles| fingerprint(&certificate(&files.certificate).unwrap()).unwrap();
    let open = |recorded: &str| KeyRing::open(&settings, Some(recorded), false, at(99), &entropy);

    let before = open(&name(&old)).unwrap();
    assert_eq!(before.signing.fingerprint(), name(&old));
    assert_eq!(fingerprint(&before.next_certificate.unwrap()).unwrap(), name(&new));

    let after = open(&name(&new)).unwrap();
    assert_eq!(after.signing.fingerprint(), name(&new));
    assert!(after.next_certificate.is_none());

    assert!(matches!(open("ab"), Err(KeyError::RecordedAbsent { .. })));
}

#[test]
fn configured_keys_win_over_generated_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    new_pair(&settings.certs_dir(), KeyKind::P256, 0);
    let own = new_pair(&directory.path().join("own"), KeyKind::P256, 0);
    settings.saml.signing = Some(own.clone());
    settings.saml.next_signing_certificate = Some(own.certificate.clone());
    let entropy = Entropy::system();
    let ring = KeyRing::open(&settings, Some("recorded"), false, at(0), &entropy).unwrap();
    let expected = fingerprint(&certificate(&own.certificate).unwrap()).unwrap();
    assert_eq!(ring.signing.fingerprint(), expected);
    assert_eq!(fingerprint(&ring.next_certificate.unwrap()).unwrap(), expected);
    assert!(!format!("{:?}", ring.signing).contains("PRIVATE"));
}

#[test]
fn slo_28_several_keys_decrypt_and_one_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    let entropy = Entropy::system();
    new_pair(&settings.certs_dir(), KeyKind::P256, 0);
    let encryption = |directory: &Path, seconds| {
        generate(KeyKind::Rsa2048, Purpose::Encryption, &owner(directory), at(seconds), &entropy).unwrap()
    };
    let name = |files: &KeyFiles| fingerprint(&certificate(&files.certificate).unwrap()).unwrap();
    let names = |settings: &Settings| -> Vec<String> {
        let ring = KeyRing::open(settings, None, false, at(0), &entropy).unwrap();
        ring.encryption.iter().map(|key| key.fingerprint().to_owned()).collect()
    };
    let generated: Vec<_> = (0..4).map(|seconds| encryption(&settings.certs_dir(), seconds)).collect();
    assert_eq!(
        names(&settings),
        generated[1..].iter().rev().map(name).collect::<Vec<_>>(),
        "the newest three"
    );

    let own: Vec<_> = (0..3).map(|seconds| encryption(&directory.path().join("own"), seconds)).collect();
    settings.saml.encryption = Some(own[1].clone());
    settings.saml.previous_encryption = Some(own[0].clone());
    settings.saml.next_encryption = Some(own[2].clone());
    assert_eq!(names(&settings), [name(&own[1]), name(&own[0]), name(&own[2])]);
}
