//! The demonstration's identity provider: one person at a time per browser, single logout over
//! Redirect, POST and SOAP, in both directions.

mod endpoints;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};

use super::idp_messages::{NewIdpMetadata, NewResponse};
use super::page;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::keys::SigningKey;
use crate::saml::binding::{Parameter, Received, encode, soap};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::logout_response::LogoutResponse;
use crate::saml::message::Limits;
use crate::saml::names::{
    Binding, EntityId, Location, MessageId, NameId, PERSISTENT, RelayState, SessionIndex,
};
use crate::saml::open::Unopened;
use crate::saml::outbound::{NewLogoutRequest, NewLogoutResponse, Reason, Unsigned};
use crate::saml::refusal::Refusal;
use crate::saml::signature::TrustedKeys;
use crate::saml::signing::{Algorithm, EcdsaEncoding, Signer, SigningError};
use crate::saml::status::{SecondLevel, Status, TopLevel};

/// What the identity provider knows of the service provider: what our metadata says.
pub struct ServiceProvider {
    /// Entity ID.
    pub entity_id: EntityId,
    /// Assertion consumer service.
    pub acs: Location,
    /// Single logout on the front channel.
    pub slo: Location,
    /// Single logout over SOAP.
    pub slo_soap: Location,
    /// The public key of the signing certificate, as SubjectPublicKeyInfo.
    pub signing_key: Vec<u8>,
}

/// Why the identity provider cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] crate::saml::names::NameError),
    /// Its key cannot sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The service provider's key cannot verify.
    #[error(transparent)]
    Keys(#[from] crate::saml::signature::KeysError),
}

/// The identity provider.
#[derive(Clone)]
pub struct IdentityProvider(Arc<Inner>);

struct Inner {
    base: String,
    entity_id: EntityId,
    sso: Location,
    slo: Location,
    slo_soap: Location,
    certificate: String,
    signer: Signer,
    sp: ServiceProvider,
    sp_keys: TrustedKeys,
    clock: Clock,
    entropy: Entropy,
    http: reqwest::Client,
    state: Mutex<Memory>,
}

/// All that it remembers; gone when the process ends.
#[derive(Default)]
struct Memory {
    /// By cookie.
    sessions: HashMap<String, IdpSession>,
    /// AuthnRequests whose senders are looking at the sign-in form.
    waiting: HashMap<String, Waiting>,
    /// LogoutRequests of its own that wait for an answer.
    asked: HashMap<String, Binding>,
}

#[derive(Clone)]
struct IdpSession {
    person: &'static str,
    name_id: NameId,
    index: SessionIndex,
    since: DateTime<Utc>,
}

struct Waiting {
    request: MessageId,
    relay_state: Option<RelayState>,
}

/// What a handler failed at.
enum Fault {
    Refused(Refusal),
    Ours(String),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Refused(refusal) => (StatusCode::BAD_REQUEST, format!("Refused: {refusal}")),
            Self::Ours(text) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        };
        (status, Html(page::notice("Demo IdP", &text, &[]))).into_response()
    }
}

impl IdentityProvider {
    /// An identity provider at `base`, which trusts one service provider.
    ///
    /// # Errors
    /// [`IdpError`].
    pub fn new(
        base: &str,
        key: &SigningKey,
        sp: ServiceProvider,
        clock: Clock,
        entropy: Entropy,
        http: reqwest::Client,
    ) -> Result<Self, IdpError> {
        let algorithm = Algorithm::suiting(key.private())?;
        let signer = Signer::new(key.private().clone(), key.certificate_der(), algorithm)?;
        let sp_keys = TrustedKeys::new(
            sp.entity_id.clone(),
            [sp.signing_key.as_slice()],
            crate::saml::signature::SignaturePolicy::default(),
        )?;
        Ok(Self(Arc::new(Inner {
            entity_id: EntityId::parse(format!("{base}/metadata"))?,
            sso: Location::parse(format!("{base}/sso"))?,
            slo: Location::parse(format!("{base}/slo"))?,
            slo_soap: Location::parse(format!("{base}/slo/soap"))?,
            certificate: STANDARD.encode(key.certificate_der()),
            base: base.to_owned(),
            signer,
            sp,
            sp_keys,
            clock,
            entropy,
            http,
            state: Mutex::default(),
        })))
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> String {
        let front = self.0.slo.clone();
        NewIdpMetadata {
            entity_id: &self.0.entity_id,
            display_name: "Demo IdP",
            certificate: &self.0.certificate,
            single_sign_on: &self.0.sso,
            single_logout: &[
                (Binding::Redirect, front.clone()),
                (Binding::Post, front),
                (Binding::Soap, self.0.slo_soap.clone()),
            ],
        }
        .write()
    }

    /// Its pages and endpoints.
    pub fn router(self) -> Router {
        endpoints::router(self)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits() -> Limits {
        Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false }
    }

    fn message_id(&self) -> Result<MessageId, Fault> {
        let id = self.0.entropy.message_id().map_err(|error| Fault::Ours(error.to_string()))?;
        MessageId::parse(id).map_err(|error| Fault::Ours(error.to_string()))
    }

    fn token(&self) -> Result<String, Fault> {
        self.0.entropy.token_256().map_err(|error| Fault::Ours(error.to_string()))
    }

    fn session(&self, headers: &HeaderMap) -> Option<(String, IdpSession)> {
        let cookie = endpoints::cookie(headers)?;
        let session = self.memory().sessions.get(&cookie).cloned()?;
        Some((cookie, session))
    }

    /// The Response that signs a person in at the service provider, by POST.
    fn respond(&self, session: &IdpSession, waiting: &Waiting) -> Result<Response, Fault> {
        let message = NewResponse {
            id: &self.message_id()?,
            assertion_id: &self.message_id()?,
            in_response_to: &waiting.request,
            now: self.0.clock.now(),
            idp: &self.0.entity_id,
            sp: &self.0.sp.entity_id,
            acs: &self.0.sp.acs,
            name_id: &session.name_id,
            session_index: &session.index,
            authn_instant: session.since,
        }
        .write();
        endpoints::send(encode::post(&message, waiting.relay_state.as_ref(), &self.0.signer))
    }

    fn new_session(&self, person: &'static str) -> Result<(String, IdpSession), Fault> {
        let (cookie, index) = (self.token()?, self.token()?);
        let session = IdpSession {
            person,
            name_id: NameId {
                value: format!("demo|{person}"),
                format: Some(PERSISTENT.to_owned()),
                name_qualifier: Some(self.0.entity_id.to_string()),
                sp_name_qualifier: Some(self.0.sp.entity_id.to_string()),
                sp_provided_id: None,
            },
            index: SessionIndex::parse(format!("idx-{index}"))
                .map_err(|error| Fault::Ours(error.to_string()))?,
            since: self.0.clock.now(),
        };
        self.memory().sessions.insert(cookie.clone(), session.clone());
        Ok((cookie, session))
    }

    /// Ends the session that a LogoutRequest names: the NameID must be the very one that was
    /// issued, attribute by attribute, and the SessionIndex the session's.
    fn end_named(&self, request: &LogoutRequest) -> Status {
        let Ok(name_id) = request.name_id() else { return unknown_principal() };
        let indexes = request.session_indexes();
        let mut memory = self.memory();
        let before = memory.sessions.len();
        memory.sessions.retain(|_, session| {
            session.name_id != *name_id || !(indexes.is_empty() || indexes.contains(&session.index))
        });
        if memory.sessions.len() < before { Status::success() } else { unknown_principal() }
    }

    /// Takes a logout message from the front channel: a request is answered, an answer is shown.
    fn front_channel(&self, received: &Received) -> Result<Response, Fault> {
        let now = self.0.clock.now();
        match received.parameter {
            Parameter::SamlRequest => {
                let request = Unopened::<LogoutRequest>::read(received)?
                    .open(&self.0.sp_keys, &self.0.slo, &Self::limits(), now)
                    .map_err(|refused| refused.refusal)?;
                let status = self.end_named(request.message());
                let id = self.message_id()?;
                let answer = NewLogoutResponse::answering(
                    &request,
                    status,
                    &id,
                    now,
                    Some(&self.0.sp.slo),
                    &self.0.entity_id,
                )
                .write();
                let relay_state = received.relay_state.as_ref();
                endpoints::send(match received.binding {
                    Binding::Post => encode::post(&answer, relay_state, &self.0.signer),
                    Binding::Redirect | Binding::Soap => {
                        encode::redirect(&answer, relay_state, &self.0.signer, EcdsaEncoding::Raw)
                    }
                })
            }
            Parameter::SamlResponse => {
                let response = Unopened::<LogoutResponse>::read(received)?.open(
                    &self.0.sp_keys,
                    Some(&self.0.slo),
                    &Self::limits(),
                    now,
                )?;
                self.show_answer(response.message())
            }
        }
    }

    /// The page that says what the service provider answered to a LogoutRequest of this IdP.
    fn show_answer(&self, response: &LogoutResponse) -> Result<Response, Fault> {
        let asked = response.in_response_to().and_then(|id| self.memory().asked.remove(id.as_str()));
        let binding = asked.ok_or(Fault::Refused(Refusal::NotRequested))?;
        let text = format!("Signoff answered over {}: {}", binding.as_str(), response.status());
        Ok(Html(page::notice("Signed out at the Demo IdP", &text, &[("/", "Back to the IdP")]))
            .into_response())
    }

    /// The LogoutRequest for a session of this identity provider.
    fn logout_request(&self, session: &IdpSession, destination: &Location) -> Result<Unsigned, Fault> {
        let now = self.0.clock.now();
        Ok(NewLogoutRequest {
            id: &self.message_id()?,
            issue_instant: now,
            destination,
            issuer: &self.0.entity_id,
            not_on_or_after: Some(now + TimeDelta::minutes(5)),
            reason: Reason::User,
            name_id: &session.name_id,
            session_indexes: std::slice::from_ref(&session.index),
            asynchronous: false,
        }
        .write())
    }

    /// Tells the service provider over SOAP and shows what it answered.
    async fn tell_by_soap(&self, session: &IdpSession) -> Result<Response, Fault> {
        let request = self.logout_request(session, &self.0.sp.slo_soap)?;
        self.memory().asked.insert(request.id().as_str().to_owned(), Binding::Soap);
        let ours = |error: String| Fault::Ours(error);
        let envelope = encode::soap(&request, &self.0.signer).map_err(|error| ours(error.to_string()))?;
        let answer = self
            .0
            .http
            .post(self.0.sp.slo_soap.as_str())
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .body(envelope)
            .send()
            .await
            .map_err(|error| ours(error.to_string()))?;
        let octets = answer.bytes().await.map_err(|error| ours(error.to_string()))?;
        let received = soap::decode(&octets, Parameter::SamlResponse)?;
        let response = Unopened::<LogoutResponse>::read(&received)?.open(
            &self.0.sp_keys,
            None,
            &Self::limits(),
            self.0.clock.now(),
        )?;
        self.show_answer(response.message())
    }
}

const fn unknown_principal() -> Status {
    Status::new(TopLevel::Requester, Some(SecondLevel::UnknownPrincipal))
}
