//! A good ID token on its way to a session.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use url::Url;

use super::OidcSignedIn;
use crate::app::oidc::CALLBACK_PATH;
use crate::app::{App, Fault, ReturnTarget, SessionToken};
use crate::auth0::id_token::IdToken;
use crate::config::OidcProvider;
use crate::store::oidc::{self, NewOidcAuthentication, Subject};
use crate::store::oidc_sign_ins::SignIn;
use crate::store::sessions::{self, Session};
use crate::store::{audit, legs};

/// A good ID token on its way to a session.
pub(super) struct Story<'a> {
    pub(super) app: &'a App,
    pub(super) provider: &'a OidcProvider,
    pub(super) id_token: &'a IdToken,
    /// The ID token as it came.
    pub(super) token: &'a str,
    pub(super) sign_in: &'a SignIn,
    /// Where people sign out there.
    pub(super) end_session: Option<Url>,
    pub(super) now: DateTime<Utc>,
}

impl Story<'_> {
    /// One transaction, in the order of locks: the session and the person at the provider, then the
    /// recorded session; no logout covers the token (SSO-19). None: one does.
    pub(super) async fn open_session(&self) -> Result<Option<OidcSignedIn>, Fault> {
        let Self { app, provider, id_token, now, .. } = *self;
        let issuer = provider.issuer.as_str();
        let mut tx = app.begin().await?;
        if let Some(sid) = &id_token.sid {
            oidc::lock(&mut tx, issuer, Subject::Sid(sid), now).await?;
        }
        oidc::lock(&mut tx, issuer, Subject::Sub(&id_token.subject), now).await?;
        let recorded = match self.sign_in.session {
            Some(session) => {
                sessions::lock(&mut tx, session).await?.filter(|session| session.is_alive(app.alive()))
            }
            None => None,
        };
        let sid_barred = match &id_token.sid {
            Some(sid) => oidc::is_sid_barred(&mut tx, issuer, sid, now).await?,
            None => false,
        };
        let issued_at = id_token.issued_at;
        let (sid, sub) = (id_token.sid.as_deref(), id_token.subject.as_str());
        if sid_barred
            || legs::is_leaving(&mut tx, issuer, sid, Some(sub), id_token.auth_time, now).await?
            || oidc::is_sub_barred(&mut tx, issuer, &id_token.subject, issued_at, now).await?
        {
            return Ok(None);
        }
        let token = self.sign_in(&mut tx, recorded).await?;
        audit::add(&mut tx, &self.accepted()).await?;
        tx.commit().await?;
        self.app.session_ended();
        tracing::info!(provider = provider.name, "somebody signed in");
        let target = self.sign_in.return_to.as_deref().and_then(|target| app.return_target(target));
        Ok(Some(OidcSignedIn { session: token, to: target.unwrap_or_else(ReturnTarget::home) }))
    }

    /// Puts the authentication under the recorded session if it belongs there, else under a new one.
    /// The cookie is new in either case (SSO-24).
    async fn sign_in(
        &self,
        conn: &mut PgConnection,
        recorded: Option<Session>,
    ) -> Result<SessionToken, Fault> {
        let (app, now) = (self.app, self.now);
        let token = SessionToken::parse(&app.0.entropy.token_256()?).ok_or(Fault::Identifier)?;
        let longest = app.0.settings.session.max;
        let kept = self.belongs(conn, recorded).await?;
        let (session, created_at) = if let Some(session) = kept {
            (session.id, session.created_at)
        } else {
            let public_id = app.0.entropy.handle_128()?;
            (sessions::create(conn, &public_id, token.hash(), now, now + longest).await?, now)
        };
        let new = NewOidcAuthentication {
            provider: &self.provider.name,
            issuer: &self.provider.issuer,
            subject: &self.id_token.subject,
            sid: self.id_token.sid.as_deref(),
            id_token: self.token,
            auth_time: self.id_token.auth_time,
            has_back: self.provider.management.is_some() && self.id_token.sid.is_some(),
            end_session_endpoint: self.end_session.as_ref().map(Url::as_str),
        };
        oidc::authenticate(conn, session, &new, now).await?;
        let saml = sessions::authentications(conn, session).await?;
        let nearest = saml.iter().filter_map(|authentication| authentication.session_not_on_or_after).min();
        let end = nearest.map_or(created_at + longest, |nearest| nearest.min(created_at + longest));
        sessions::renew(conn, session, token.hash(), now, end).await?;
        Ok(token)
    }

    /// The recorded session, if this authentication belongs under it. If another person of the same
    /// issuer is signed in there, the recorded session ends first.
    async fn belongs(
        &self,
        conn: &mut PgConnection,
        recorded: Option<Session>,
    ) -> Result<Option<Session>, Fault> {
        let Some(session) = recorded else { return Ok(None) };
        let other = oidc::authentications(conn, session.id)
            .await?
            .into_iter()
            .any(|known| known.issuer == self.provider.issuer && known.subject != self.id_token.subject);
        if other {
            sessions::end(conn, session.id, self.now, "replaced", None).await?;
            return Ok(None);
        }
        Ok(Some(session))
    }

    fn accepted(&self) -> audit::Entry {
        audit::Entry {
            at: self.now,
            endpoint: CALLBACK_PATH,
            binding: None,
            issuer: Some(self.provider.issuer.clone()),
            message_id: None,
            digest: Some(openssl::sha::sha256(self.token.as_bytes())),
            verdict: audit::Verdict::Accepted,
            rule: "SSO-18",
            sessions: 1,
            count: 1,
            source: None,
            detail: None,
        }
    }
}
