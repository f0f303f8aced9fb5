//! Idempotency keys: a POST that is repeated with its key is done once and answered alike.
//!
//! A key belongs to one token and one route and is kept for a day. The answer is stored in the
//! transaction of what was done, so there is never one without the other; where nothing was done, no
//! key is used up. What is stored is sealed with a key made from the token, which is itself nowhere:
//! an answer may hold a secret that was shown once, and the database must not know it.

use chrono::TimeDelta;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{Halt, Refused};
use crate::app::tokens::Caller;
use crate::app::{App, Fault};
use crate::store::idempotency::{self, Claimed, Scope, UsedKey};
use crate::store::{StoreError, TokenId};

/// How long a key is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// How long a request waits for another with the same key before it says so.
const PATIENCE_MS: u32 = 200;
/// The longest key.
const LONGEST: usize = 255;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A request that is to be done once.
#[derive(Clone)]
pub struct Once {
    token: TokenId,
    route: String,
    key: String,
    /// Opens and closes what is stored.
    seal: [u8; 32],
    /// Of the body, keyed: a body may name a person.
    digest: [u8; 32],
}

/// An answer as it goes out, now and when the request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The HTTP status.
    pub status: u16,
    /// Where the new thing is.
    pub location: Option<String>,
    /// The body, JSON.
    pub body: String,
}

/// An idempotency key is 1 to 255 printable ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Idempotency-Key is 1 to 255 printable ASCII characters, sent once")]
pub struct KeyMalformed;

#[derive(Serialize, Deserialize)]
struct Sealed {
    location: Option<String>,
    body: String,
}

impl Once {
    /// A key as it came, with the route (method and path) and the body that came with it.
    ///
    /// # Errors
    /// [`KeyMalformed`].
    pub fn new(caller: &Caller, route: String, key: &str, body: &[u8]) -> Result<Self, KeyMalformed> {
        let printable = key.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
        if key.is_empty() || key.len() > LONGEST || !printable {
            return Err(KeyMalformed);
        }
        Ok(Self {
            token: caller.token,
            route,
            key: key.to_owned(),
            seal: keyed(caller.seal(), b"answer").map_err(|_| KeyMalformed)?,
            digest: keyed(caller.seal(), body).map_err(|_| KeyMalformed)?,
        })
    }

    fn scope(&self) -> Scope<'_> {
        Scope { token: self.token, route: &self.route, key: &self.key }
    }

    /// What a sealed answer is bound to.
    fn bound(&self, status: u16) -> Vec<u8> {
        format!("{}\n{}\n{}\n{status}", self.token, self.route, self.key).into_bytes()
    }

    fn close(&self, app: &App, answer: &Kept) -> Result<Vec<u8>, Fault> {
        let sealed = Sealed { location: answer.location.clone(), body: answer.body.clone() };
        let plain = serde_json::to_vec(&sealed).map_err(|_| Fault::Identifier)?;
        let nonce = app.0.entropy.bytes::<NONCE>()?;
        let mut tag = [0; TAG];
        let cipher = Cipher::aes_256_gcm();
        let bound = self.bound(answer.status);
        let secret = encrypt_aead(cipher, &self.seal, Some(&nonce), &bound, &plain, &mut tag);
        Ok([&nonce[..], &tag[..], &secret.map_err(Fault::Crypto)?].concat())
    }

    fn open(&self, used: &UsedKey) -> Result<Kept, Fault> {
        let corrupt = || {
            Fault::Store(StoreError::Corrupt { table: "idempotency_key", column: "body", row: self.token.0 })
        };
        let status = u16::try_from(used.status).map_err(|_| corrupt())?;
        let (nonce, rest) = used.body.split_at_checked(NONCE).ok_or_else(corrupt)?;
        let (tag, secret) = rest.split_at_checked(TAG).ok_or_else(corrupt)?;
        let bound = self.bound(status);
        let plain = decrypt_aead(Cipher::aes_256_gcm(), &self.seal, Some(nonce), &bound, secret, tag)
            .map_err(|_| corrupt())?;
        let Sealed { location, body } = serde_json::from_slice(&plain).map_err(|_| corrupt())?;
        Ok(Kept { status, location, body })
    }
}

impl Kept {
    /// An answer with that status and body.
    pub(in crate::app) fn new(
        status: u16,
        location: Option<String>,
        view: &impl Serialize,
    ) -> Result<Self, Fault> {
        let body = serde_json::to_string(view).map_err(|_| Fault::Identifier)?;
        Ok(Self { status, location, body })
    }
}

/// Claims the key in the transaction that is about to do what was asked; gives the answer if it was
/// done before.
pub(in crate::app) async fn claim(
    app: &App,
    conn: &mut PgConnection,
    once: Option<&Once>,
) -> Result<Option<Kept>, Halt> {
    let Some(once) = once else { return Ok(None) };
    let now = app.now();
    let claimed = idempotency::claim(conn, once.scope(), once.digest, now, now + KEPT, PATIENCE_MS).await?;
    match claimed {
        Claimed::New => Ok(None),
        Claimed::InFlight => Err(Refused::InFlight.into()),
        Claimed::Used(used) if used.body_digest != once.digest => Err(Refused::KeyReused.into()),
        Claimed::Used(used) => Ok(Some(once.open(&used)?)),
    }
}

/// Stores the answer to a claimed key in the transaction that did what was asked.
pub(in crate::app) async fn keep(
    app: &App,
    conn: &mut PgConnection,
    once: Option<&Once>,
    answer: Kept,
) -> Result<Kept, Fault> {
    if let Some(once) = once {
        let body = once.close(app, &answer)?;
        idempotency::keep(conn, once.scope(), i32::from(answer.status), &body).await?;
    }
    Ok(answer)
}

/// HMAC-SHA256.
pub(in crate::app) fn keyed(key: &[u8], data: &[u8]) -> Result<[u8; 32], Fault> {
    let key = PKey::hmac(key).map_err(Fault::Crypto)?;
    let mut hmac = Signer::new(MessageDigest::sha256(), &key).map_err(Fault::Crypto)?;
    hmac.update(data).map_err(Fault::Crypto)?;
    let mut seal = [0; 32];
    hmac.sign(&mut seal).map_err(Fault::Crypto)?;
    Ok(seal)
}
