//! A good Response on its way to a session.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::SignedIn;
use super::arrival::Arrival;
use crate::app::registry::KnownIdp;
use crate::app::{ACS_PATH, App, Fault, ReturnTarget, SessionToken};
use crate::saml::names::RelayState;
use crate::saml::refusal::Refusal;
use crate::saml::sign_in::SignIn;
use crate::store::bars::{self, Late};
use crate::store::open_requests::{self, Authn};
use crate::store::sessions::{self, NewAuthentication, Session};
use crate::store::{PrincipalId, SessionId, assertions, audit, identity_providers, principals};

/// What the store made of a good Response.
pub(super) enum Opened {
    Session(SignedIn),
    Refused(Refusal, &'static str),
    /// The identity provider has changed since its keys were read.
    Stale,
}

/// A good Response on its way to a session.
pub(super) struct Story<'a> {
    pub(super) app: &'a App,
    pub(super) arrival: Arrival<'a>,
    pub(super) idp: &'a KnownIdp,
    pub(super) sign_in: &'a SignIn,
    pub(super) relay_state: Option<&'a RelayState>,
    pub(super) now: DateTime<Utc>,
}

impl Story<'_> {
    /// One transaction, in the order of locks: the identity provider is what it was when its keys
    /// verified; a request waits for this answer (SSO-11, SSO-12); the principal is locked, then the
    /// recorded session; the assertion was not used before (SSO-16); no logout covers it (SSO-19).
    pub(super) async fn open_session(&self) -> Result<Opened, Fault> {
        let Self { app, idp, sign_in, now, .. } = *self;
        let mut tx = app.begin().await?;
        if identity_providers::hold(&mut tx, idp.id).await? != Some(idp.version) {
            return Ok(Opened::Stale);
        }
        let authn = match self.take_request(&mut tx).await? {
            Ok(authn) => authn,
            Err((refusal, rule)) => return Ok(Opened::Refused(refusal, rule)),
        };
        let principal = match &sign_in.name_id {
            Some(name_id) => {
                let key = name_id.principal_key(&idp.entity_id, &app.0.me.entity_id);
                Some(principals::lock(&mut tx, idp.id, key, now).await?)
            }
            None => None,
        };
        let recorded = match authn.as_ref().and_then(|authn| authn.session) {
            Some(session) => {
                sessions::lock(&mut tx, session).await?.filter(|session| session.is_alive(app.alive()))
            }
            None => None,
        };
        if !assertions::use_once(&mut tx, idp.id, sign_in.assertion_id.as_str(), sign_in.remember_until)
            .await?
        {
            return Ok(Opened::Refused(Refusal::AssertionReplayed, Refusal::AssertionReplayed.rule()));
        }
        if self.is_barred(&mut tx, principal).await? {
            // The request is answered and the assertion used all the same.
            tx.commit().await?;
            return Ok(Opened::Refused(Refusal::Barred, Refusal::Barred.rule()));
        }
        let token = self.sign_in(&mut tx, principal, recorded).await?;
        audit::add(&mut tx, &self.accepted()).await?;
        tx.commit().await?;
        // It may have been put in the place of another session.
        self.app.session_ended();
        tracing::info!(idp = idp.slug, message.id = %sign_in.assertion_id, "somebody signed in");
        Ok(Opened::Session(SignedIn { session: token, to: self.target(authn.as_ref()) }))
    }

    /// Takes the request that is answered, or makes sure that none need be.
    async fn take_request(
        &self,
        conn: &mut PgConnection,
    ) -> Result<Result<Option<Authn>, (Refusal, &'static str)>, Fault> {
        let refused = |refusal: Refusal| Ok(Err((refusal, refusal.rule())));
        let Some(request) = &self.sign_in.in_response_to else {
            let allowed = self.idp.policy.allow_unsolicited;
            return if allowed { Ok(Ok(None)) } else { refused(Refusal::Unsolicited) };
        };
        let Some(correlation) = &self.arrival.visitor.correlation else {
            return refused(Refusal::NotRequested);
        };
        let taken =
            open_requests::take_authn(conn, request, self.idp.id, correlation.hash(), self.now).await?;
        let Some(authn) = taken else { return refused(Refusal::NotRequested) };
        // BIND-20: not signed, so good for nothing but a comparison. Some leave it out.
        let swapped =
            self.relay_state.is_some_and(|came| Some(came.as_str()) != authn.relay_state.as_deref());
        if swapped {
            return Ok(Err((Refusal::NotRequested, "BIND-20")));
        }
        Ok(Ok(Some(authn)))
    }

    async fn is_barred(
        &self,
        conn: &mut PgConnection,
        principal: Option<PrincipalId>,
    ) -> Result<bool, Fault> {
        let Some(principal) = principal else { return Ok(false) };
        let late = Late {
            principal,
            session_indexes: &self.sign_in.session_indexes,
            authn_instant: self.sign_in.authn_instant,
            issue_instant: self.sign_in.issue_instant,
        };
        Ok(bars::covers(conn, late, self.now).await?)
    }

    /// Puts the authentication under the recorded session if it belongs there, else under a new one.
    /// The cookie is new in either case (SSO-24).
    async fn sign_in(
        &self,
        conn: &mut PgConnection,
        principal: Option<PrincipalId>,
        recorded: Option<Session>,
    ) -> Result<SessionToken, Fault> {
        let (app, now) = (self.app, self.now);
        let token = SessionToken::parse(&app.0.entropy.token_256()?).ok_or(Fault::Identifier)?;
        let kept = self.belongs(conn, principal, recorded).await?;
        let (session, created_at) = if let Some(session) = kept {
            (session.id, session.created_at)
        } else {
            let public_id = app.0.entropy.handle_128()?;
            let end = now + app.0.settings.session.max;
            (sessions::create(conn, &public_id, token.hash(), now, end).await?, now)
        };
        self.authenticate(conn, session, principal).await?;
        let authentications = sessions::authentications(conn, session).await?;
        let nearest =
            authentications.iter().filter_map(|authentication| authentication.session_not_on_or_after).min();
        let longest = created_at + app.0.settings.session.max;
        let end = nearest.map_or(longest, |nearest| nearest.min(longest));
        sessions::renew(conn, session, token.hash(), now, end).await?;
        Ok(token)
    }

    /// The recorded session, if this authentication belongs under it. If it is of another principal
    /// of the same identity provider, the recorded session ends here, and nobody is asked: the
    /// identity provider has ended it by itself.
    async fn belongs(
        &self,
        conn: &mut PgConnection,
        principal: Option<PrincipalId>,
        recorded: Option<Session>,
    ) -> Result<Option<Session>, Fault> {
        let Some(session) = recorded else { return Ok(None) };
        let authentications = sessions::authentications(conn, session.id).await?;
        let same = authentications.iter().find(|authentication| authentication.idp == self.idp.id);
        let other = same.is_some_and(|same| principal.is_none() || same.principal != principal);
        if other {
            sessions::end(conn, session.id, self.now, "replaced", None).await?;
            return Ok(None);
        }
        Ok(Some(session))
    }

    async fn authenticate(
        &self,
        conn: &mut PgConnection,
        session: SessionId,
        principal: Option<PrincipalId>,
    ) -> Result<(), Fault> {
        let sign_in = self.sign_in;
        let new = NewAuthentication {
            idp: self.idp.id,
            principal,
            name_id: sign_in.name_id.as_ref(),
            session_indexes: &sign_in.session_indexes,
            authn_instant: sign_in.authn_instant,
            session_not_on_or_after: sign_in.session_not_on_or_after,
            assertion_id: sign_in.assertion_id.as_str(),
        };
        Ok(sessions::authenticate(conn, session, &new, self.now).await?)
    }

    /// Where to go now. What comes with an unsolicited response is a path of ours or nothing
    /// (SSO-25).
    fn target(&self, authn: Option<&Authn>) -> ReturnTarget {
        let target = match authn {
            Some(authn) => authn.return_to.as_deref().and_then(|target| self.app.return_target(target)),
            None => self
                .relay_state
                .and_then(|relay| ReturnTarget::parse(relay.as_str(), &self.app.0.settings.base_url, &[])),
        };
        target.unwrap_or_else(ReturnTarget::home)
    }

    fn accepted(&self) -> audit::Entry {
        audit::Entry {
            at: self.now,
            endpoint: ACS_PATH,
            binding: Some("post"),
            issuer: Some(self.idp.entity_id.to_string()),
            message_id: Some(self.sign_in.assertion_id.to_string()),
            digest: Some(self.arrival.digest),
            verdict: audit::Verdict::Accepted,
            rule: "SSO-18",
            sessions: 1,
            count: 1,
            source: None,
            detail: None,
        }
    }
}
