//! What one application is told of one end: everything that the pure forms need.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use sqlx::PgConnection;

use crate::app::{App, Fault};
use crate::logout::hearing::Form;
use crate::outbox::forms::{self, Ended, FormError, TokenKey};
use crate::outbox::notify::Notice;
use crate::store::applications::ApplicationRow;
use crate::store::notifications::{self, Leased};
use crate::store::{ApplicationId, NotificationId, SessionId};

/// Why a notification could not be made: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unmade {
    #[error("not sent: there is no key that signs tokens")]
    NoTokenKey,
    #[error("not sent: {0}")]
    Form(#[from] FormError),
    #[error("not sent: OpenSSL: {0}")]
    Crypto(#[from] ErrorStack),
    #[error("not sent: the application has no secret")]
    NoSecret,
    #[error("not sent: the application reads its feed")]
    Pull,
}

/// An application that is told, with the names of those whose sessions ended.
pub(super) struct Receiver {
    pub(super) application: ApplicationId,
    pub(super) slug: String,
    pub(super) form: Form,
    pub(super) url: String,
    token_type: String,
    secret: Option<Vec<u8>>,
    key: Option<TokenKey>,
    subjects: HashMap<SessionId, String>,
}

impl Receiver {
    /// Loads what a batch for one application needs.
    pub(super) async fn load(
        app: &App,
        conn: &mut PgConnection,
        row: ApplicationRow,
        leased: &[Leased],
    ) -> Result<Self, Fault> {
        let form = Form::parse(&row.form).unwrap_or(Form::Pull);
        let sessions: Vec<i64> =
            leased.iter().filter_map(|one| one.session.map(|session| session.0)).collect();
        let mut subjects = HashMap::new();
        for found in notifications::subjects(conn, &sessions).await? {
            let subject = if row.subject == "name-id" {
                found.name_id
            } else {
                app.pairwise_subject(&row.slug, &found.key).map_err(Fault::Crypto)?
            };
            subjects.insert(found.session, subject);
        }
        let key = app
            .token_keys()
            .active(app.now())
            .filter(|_| form.is_token())
            .map(|(pair, private)| TokenKey::new(private.clone(), pair.public.kid.clone()));
        Ok(Self {
            application: row.id,
            slug: row.slug,
            form,
            url: row.url.unwrap_or_default(),
            token_type: row.token_type,
            secret: row.secret,
            key,
            subjects,
        })
    }

    /// The notification as it goes out now.
    pub(super) fn notice(&self, app: &App, one: &Leased, now: DateTime<Utc>) -> Result<Notice, Unmade> {
        let id = app.notification_name(one.id)?;
        let ended = Ended {
            id: &id,
            issuer: app.0.settings.base_url.as_str(),
            audience: &self.slug,
            sid: &one.sid,
            subject: one.session.and_then(|session| self.subjects.get(&session)).map(String::as_str),
            participations: &one.participations,
            reason: &one.reason,
            ended_at: one.ended_at,
            now,
        };
        let key = || self.key.as_ref().ok_or(Unmade::NoTokenKey);
        Ok(match self.form {
            Form::LogoutToken => forms::logout_token(&ended, key()?, &self.token_type)?,
            Form::Caep => forms::caep(&ended, key()?)?,
            Form::Webhook => forms::webhook(&ended, self.secret.as_deref().ok_or(Unmade::NoSecret)?)?,
            Form::Pull => return Err(Unmade::Pull),
        })
    }
}

impl App {
    /// The name that an application knows a principal by, and no other application does: it cannot be
    /// computed, or turned back, without what all nodes share.
    pub(in crate::app) fn pairwise_subject(
        &self,
        application: &str,
        principal: &[u8],
    ) -> Result<String, ErrorStack> {
        self.keyed_name(b"pairwise subject:", &[application.as_bytes(), b":", principal])
    }

    /// The name of a notification: the same in every try and on every node, and not to be guessed.
    fn notification_name(&self, id: NotificationId) -> Result<String, ErrorStack> {
        self.keyed_name(b"notification:", &[&id.0.to_be_bytes()])
    }

    fn keyed_name(&self, kind: &[u8], parts: &[&[u8]]) -> Result<String, ErrorStack> {
        let key = PKey::hmac(&self.0.secret)?;
        let mut hmac = Signer::new(MessageDigest::sha256(), &key)?;
        hmac.update(kind)?;
        for part in parts {
            hmac.update(part)?;
        }
        Ok(URL_SAFE_NO_PAD.encode(hmac.sign_to_vec()?))
    }
}
