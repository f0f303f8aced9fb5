//! What one logout message costs in this process, beside the bound: what OpenSSL alone costs.
//!
//! `cargo bench --bench messages` prints the ratio to the bound in its last lines. Everything runs
//! on one thread; the figures are operations per second of that thread.

#![expect(clippy::unwrap_used, reason = "a bench stops by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;
use openssl::x509::X509;
use signoff::saml::binding::{Outbound, encode, redirect};
use signoff::saml::logout_request::LogoutRequest;
use signoff::saml::message::Limits;
use signoff::saml::names::{EntityId, Location, MessageId, NameId, PERSISTENT, SessionIndex};
use signoff::saml::open::Unopened;
use signoff::saml::outbound::{NewLogoutRequest, NewLogoutResponse, Reason};
use signoff::saml::signature::{SignaturePolicy, TrustedKeys, Verified};
use signoff::saml::signing::{Algorithm, EcdsaEncoding, Signer};
use signoff::saml::status::Status;

const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_000_000_000_000_000);
const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

/// A key pair, and one LogoutRequest that it signed.
struct Scene {
    key: PKey<Private>,
    signer: Signer,
    keys: TrustedKeys,
    me: Location,
    idp: EntityId,
    query: String,
    envelope: String,
}

impl Scene {
    fn new() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::from_unix(1).unwrap()).unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = certificate.build().to_der().unwrap();
        let signer = Signer::new(key.clone(), &certificate, Algorithm::RsaSha256).unwrap();
        let idp = EntityId::parse("https://idp.example/metadata").unwrap();
        let spki = key.public_key_to_der().unwrap();
        let keys = TrustedKeys::new(idp.clone(), [spki.as_slice()], SignaturePolicy::default()).unwrap();
        let me = Location::parse("https://sp.example/saml/slo").unwrap();
        let message = NewLogoutRequest {
            id: &MessageId::parse("_0123456789abcdef0123456789abcdef01234567").unwrap(),
            issue_instant: NOW,
            destination: &me,
            issuer: &idp,
            not_on_or_after: Some(NOW + TimeDelta::minutes(5)),
            reason: Reason::User,
            name_id: &NameId {
                format: Some(PERSISTENT.into()),
                ..NameId::bare("b1c5d9a0-alice@example.com")
            },
            session_indexes: &[SessionIndex::parse("_be9967abd904ddcae3c0eb4189adbe3f71e327cf93").unwrap()],
            asynchronous: false,
        }
        .write();
        let Outbound::Redirect { url } =
            encode::redirect(&message, None, &signer, EcdsaEncoding::Raw).unwrap()
        else {
            unreachable!("asked for a redirect")
        };
        let query = url.split_once('?').unwrap().1.to_owned();
        let envelope = encode::soap(&message, &signer).unwrap();
        Self { key, signer, keys, me, idp, query, envelope }
    }

    /// Decode, verify and read a Redirect LogoutRequest.
    fn open(&self) -> Verified<LogoutRequest> {
        let received = redirect::decode(&self.query).unwrap();
        Unopened::<LogoutRequest>::read(&received).unwrap().open(&self.keys, &self.me, &LIMITS, NOW).unwrap()
    }

    /// The same for SOAP, with its XML signature.
    fn open_soap(&self) -> Verified<LogoutRequest> {
        let parameter = signoff::saml::binding::Parameter::SamlRequest;
        let received = signoff::saml::binding::soap::decode(self.envelope.as_bytes(), parameter).unwrap();
        Unopened::<LogoutRequest>::read(&received).unwrap().open(&self.keys, &self.me, &LIMITS, NOW).unwrap()
    }

    /// The second engine's word on it.
    #[cfg(feature = "second-opinion")]
    fn confirm(&self, request: &Verified<LogoutRequest>) {
        request.case().unwrap().judge(&self.keys).unwrap();
    }

    /// Build and sign a LogoutResponse.
    fn answer(&self, request: &Verified<LogoutRequest>, post: bool) -> Outbound {
        let id = MessageId::parse("_fedcba9876543210fedcba9876543210fedcba98").unwrap();
        let answer =
            NewLogoutResponse::answering(request, Status::success(), &id, NOW, Some(&self.me), &self.idp)
                .write();
        if post {
            encode::post(&answer, None, &self.signer).unwrap()
        } else {
            encode::redirect(&answer, None, &self.signer, EcdsaEncoding::Raw).unwrap()
        }
    }

    /// OpenSSL alone: one verification of a digest made beforehand.
    fn raw_verify(&self, digest: &[u8], signature: &[u8]) {
        let mut context = PkeyCtx::new(&self.key).unwrap();
        context.verify_init().unwrap();
        context.set_rsa_padding(Padding::PKCS1).unwrap();
        context.set_signature_md(openssl::md::Md::sha256()).unwrap();
        assert!(context.verify(digest, signature).unwrap());
    }

    /// OpenSSL alone: one signature of a digest made beforehand.
    fn raw_sign(&self, digest: &[u8], signature: &mut [u8]) {
        let mut context = PkeyCtx::new(&self.key).unwrap();
        context.sign_init().unwrap();
        context.set_rsa_padding(Padding::PKCS1).unwrap();
        context.set_signature_md(openssl::md::Md::sha256()).unwrap();
        context.sign(digest, Some(signature)).unwrap();
    }
}

fn messages(criterion: &mut Criterion) {
    let scene = Scene::new();
    let digest = sha256(b"bound");
    let mut signature = vec![0; scene.key.size()];
    scene.raw_sign(&digest, &mut signature);
    let request = scene.open();

    let mut group = criterion.benchmark_group("rsa-2048");
    group.bench_function("bound: verify", |bench| bench.iter(|| scene.raw_verify(&digest, &signature)));
    group.bench_function("LogoutRequest by Redirect: decode, verify, read", |bench| {
        bench.iter(|| scene.open());
    });
    group.bench_function("LogoutRequest by SOAP: decode, verify, read", |bench| {
        bench.iter(|| scene.open_soap());
    });
    group.bench_function("bound: sign", |bench| {
        let mut signature = signature.clone();
        bench.iter(|| scene.raw_sign(&digest, &mut signature));
    });
    group.bench_function("LogoutResponse by Redirect: build, sign", |bench| {
        bench.iter(|| scene.answer(&request, false));
    });
    group.bench_function("LogoutResponse by POST: build, sign", |bench| {
        bench.iter(|| scene.answer(&request, true));
    });
    group.finish();

    ratios(&scene, &request, &digest, &signature);
}

/// The figures beside their bounds. Bound and figure take turns, so that a busy machine slows both.
fn ratios(scene: &Scene, request: &Verified<LogoutRequest>, digest: &[u8], signature: &[u8]) {
    let mut buffer = signature.to_vec();
    let verify = || scene.raw_verify(digest, signature);
    report(
        "LogoutRequest by Redirect: decode, verify, read",
        &mut || drop(black_box(scene.open())),
        &mut || verify(),
    );
    report(
        "LogoutRequest by SOAP: decode, verify, read",
        &mut || drop(black_box(scene.open_soap())),
        &mut || verify(),
    );
    #[cfg(feature = "second-opinion")]
    {
        let verified = scene.open_soap();
        report("LogoutRequest by SOAP: second opinion", &mut || scene.confirm(&verified), &mut || verify());
    }
    for (name, post) in [("Redirect", false), ("POST", true)] {
        let mut figure = || drop(black_box(scene.answer(request, post)));
        report(&format!("LogoutResponse by {name}: build, sign"), &mut figure, &mut || {
            scene.raw_sign(digest, &mut buffer);
        });
    }
}

fn report(what: &str, figure: &mut dyn FnMut(), bound: &mut dyn FnMut()) {
    let (mut figures, mut bounds) = (0.0, 0.0);
    for _ in 0..20 {
        figures += per_second(figure);
        bounds += per_second(bound);
    }
    let (figure, bound) = (figures / 20.0, bounds / 20.0);
    println!("{what}: {figure:.0}/s, OpenSSL alone {bound:.0}/s, ratio {:.0} %", 100.0 * figure / bound);
}

#[expect(clippy::cast_precision_loss, reason = "a count of operations within a tenth of a second")]
fn per_second(operation: &mut dyn FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0u64);
    while start.elapsed() < Duration::from_millis(100) {
        (0..16).for_each(|_| operation());
        count += 16;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = messages
}
criterion_main!(benches);
