//! Sign-in through an OpenID provider, second half: the browser comes back with a code.

use std::sync::Arc;

use openssl::sha::sha256;
use serde_json::Value;

use super::outbound::{self, OutboundFault};
use super::providers::{Known, Provider, ProviderFault};
use super::{CALLBACK_PATH, callback::story::Story};
use crate::app::refusals::Refused;
use crate::app::{App, Fault, ReturnTarget, SessionToken, Visitor};
use crate::auth0::discovery::ClientAuthentication;
use crate::auth0::end_session;
use crate::auth0::id_token::{IdToken, IdTokenRefusal};
use crate::auth0::jwt::JwtRefusal;
use crate::config::OidcKind;
use crate::store::audit;
use crate::store::oidc_sign_ins::{self, SignIn};

mod story;

/// What the browser brought, decoded; a parameter that came twice is refused before.
#[derive(Clone, Default)]
pub struct CallbackQuery {
    /// `code`.
    pub code: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `iss` (RFC 9207).
    pub issuer: Option<String>,
    /// `error`.
    pub error: Option<String>,
}

/// Somebody is signed in.
#[derive(Debug)]
pub struct OidcSignedIn {
    /// The value of the session cookie: new at every sign-in.
    pub session: SessionToken,
    /// Where to go now.
    pub to: ReturnTarget,
}

/// Nobody was signed in. The page that says so is bland; the log has the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackRefused {
    /// Why.
    pub why: CallbackRefusal,
    /// Under this the log and the audit know it.
    pub incident: String,
    /// The name of the provider, to sign in again with, where it is known.
    pub provider: Option<String>,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackRefusal {
    /// A logout covers this sign-in.
    #[error("a logout covers this sign-in")]
    Barred,
    /// The provider said that it signed nobody in.
    #[error("the provider said that it signed nobody in")]
    Declined,
    /// The ID token is no good.
    #[error(transparent)]
    IdToken(#[from] IdTokenRefusal),
    /// The answer comes from another provider than the one that was asked (RFC 9207).
    #[error("another provider answered than the one that was asked")]
    Issuer,
    /// This browser has begun no such sign-in, or has finished it before.
    #[error("this browser waits for no such answer")]
    NotRequested,
    /// The provider did not give a token for the code.
    #[error("the provider gave no token for the code")]
    NoToken,
    /// A fault of ours, or the provider does not answer.
    #[error("sign-in is not possible at the moment")]
    Unavailable,
}

impl CallbackRefusal {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Barred => "SSO-19",
            Self::IdToken(refusal) => refusal.rule(),
            Self::Issuer => "OIDC-03",
            Self::Declined | Self::NoToken | Self::NotRequested => "SSO-11",
            Self::Unavailable => "row f",
        }
    }

    /// The HTTP status of the page that says so.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unavailable => 503,
            _ => 400,
        }
    }
}

/// Why there is no good ID token.
enum NoIdToken {
    Refused(CallbackRefusal),
    Outbound(OutboundFault),
    Provider(ProviderFault),
}

/// Takes what the provider sent the browser back with. Which session it belongs to is what the open
/// sign-in says, re-checked under lock.
///
/// # Errors
/// [`CallbackRefused`]; nobody is signed in.
pub async fn receive(
    app: &App,
    visitor: &Visitor,
    query: &CallbackQuery,
) -> Result<OidcSignedIn, CallbackRefused> {
    let refused = |provider: Option<&Provider>, why: CallbackRefusal, detail: String| {
        let incident = app.refuse(&Refused {
            endpoint: CALLBACK_PATH,
            binding: None,
            issuer: provider.map(|provider| provider.settings.issuer.as_str()),
            message_id: None,
            digest: sha256(query.code.as_deref().unwrap_or_default().as_bytes()),
            verdict: audit::Verdict::Refused,
            rule: why.rule(),
            source: Some(visitor.address),
            detail,
        });
        let provider = provider.map(|provider| provider.settings.name.clone());
        CallbackRefused { why, incident, provider }
    };
    let ours = |provider: Option<&Provider>, fault: &Fault| CallbackRefused {
        why: CallbackRefusal::Unavailable,
        incident: app.fault("signing somebody in through an OpenID provider", fault),
        provider: provider.map(|provider| provider.settings.name.clone()),
    };
    let (sign_in, provider) = match app.patiently(take(app, visitor, query)).await {
        Ok(Some(taken)) => taken,
        Ok(None) => {
            let why = CallbackRefusal::NotRequested;
            return Err(refused(None, why, why.to_string()));
        }
        Err(fault) => return Err(ours(None, &fault)),
    };
    let (known, id_token, token) = match redeem(app, &provider, &sign_in, query).await {
        Ok(redeemed) => redeemed,
        Err(NoIdToken::Refused(why)) => {
            let detail = match &query.error {
                // Of a closed alphabet (RFC 6749 4.1.2.1); anything else is not worth repeating.
                Some(error) => format!("{why}: {}", plain(error)),
                None => why.to_string(),
            };
            return Err(refused(Some(&provider), why, detail));
        }
        Err(NoIdToken::Outbound(fault)) => {
            let detail = format!("the code could not be redeemed: {fault}");
            let why = match fault {
                OutboundFault::Status(400..=499) => CallbackRefusal::NoToken,
                _ => CallbackRefusal::Unavailable,
            };
            return Err(refused(Some(&provider), why, detail));
        }
        Err(NoIdToken::Provider(fault)) => {
            return Err(refused(Some(&provider), CallbackRefusal::Unavailable, fault.to_string()));
        }
    };
    let auth0 = provider.settings.kind == OidcKind::Auth0;
    let described = known.discovery.end_session_endpoint.as_ref();
    let story = Story {
        app,
        provider: &provider.settings,
        id_token: &id_token,
        token: &token,
        sign_in: &sign_in,
        end_session: end_session::endpoint(described, &provider.settings.issuer, auth0),
        now: app.now(),
    };
    match app.patiently(story.open_session()).await {
        Ok(Some(signed_in)) => Ok(signed_in),
        Ok(None) => {
            Err(refused(Some(&provider), CallbackRefusal::Barred, CallbackRefusal::Barred.to_string()))
        }
        Err(fault) => Err(ours(Some(&provider), &fault)),
    }
}

/// Takes the open sign-in of this browser; whatever comes of it, it is used up.
async fn take(
    app: &App,
    visitor: &Visitor,
    query: &CallbackQuery,
) -> Result<Option<(SignIn, Arc<Provider>)>, Fault> {
    let (Some(state), Some(correlation)) = (&query.state, &visitor.correlation) else { return Ok(None) };
    let mut conn = app.connection().await?;
    let taken =
        oidc_sign_ins::take(&mut conn, sha256(state.as_bytes()), correlation.hash(), app.now()).await?;
    let Some(sign_in) = taken else { return Ok(None) };
    // It may be gone from the settings since.
    let provider = app.0.providers.named(&sign_in.provider).cloned();
    Ok(provider.map(|provider| (sign_in, provider)))
}

/// Turns the code into a good ID token.
async fn redeem(
    app: &App,
    provider: &Provider,
    sign_in: &SignIn,
    query: &CallbackQuery,
) -> Result<(Arc<Known>, IdToken, String), NoIdToken> {
    let known = provider.known(app).await.map_err(NoIdToken::Provider)?;
    // All providers share one address of ours: that they name themselves keeps one from passing off
    // its answer as another's.
    let named = query.issuer.as_deref();
    let rightly = match named {
        Some(issuer) => issuer == provider.settings.issuer,
        None => !known.discovery.names_itself,
    };
    if !rightly {
        return Err(NoIdToken::Refused(CallbackRefusal::Issuer));
    }
    let (None, Some(code)) = (&query.error, query.code.as_deref()) else {
        return Err(NoIdToken::Refused(CallbackRefusal::Declined));
    };
    let token = exchange(app, provider, &known, sign_in, code).await?;
    let registered = app.registered(&provider.settings);
    let open = |known: &Known| IdToken::open(&token, &registered, &known.keys, &sign_in.nonce, app.now());
    let mut opened = open(&known);
    if matches!(opened, Err(IdTokenRefusal::Jwt(JwtRefusal::UnknownKey)))
        && let Some(newer) = provider.newer(app, &known).await
    {
        opened = open(&newer);
    }
    let id_token = opened.map_err(|refusal| NoIdToken::Refused(refusal.into()))?;
    Ok((known, id_token, token))
}

/// The token request (Core 3.1.3.1).
async fn exchange(
    app: &App,
    provider: &Provider,
    known: &Known,
    sign_in: &SignIn,
    code: &str,
) -> Result<String, NoIdToken> {
    let settings = &provider.settings;
    let redirect_uri = app.0.settings.public_url(CALLBACK_PATH);
    let secret = settings.client_secret.expose();
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", sign_in.code_verifier.as_str()),
    ];
    let basic = match known.discovery.client_authentication {
        ClientAuthentication::Basic => Some((settings.client_id.as_str(), secret)),
        ClientAuthentication::Post => {
            fields.extend([("client_id", settings.client_id.as_str()), ("client_secret", secret)]);
            None
        }
    };
    let url = known.discovery.token_endpoint.clone();
    let answer = outbound::post(&app.0.oidc_http, url, &fields, basic).await.map_err(NoIdToken::Outbound)?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let token = answer.get("id_token").and_then(Value::as_str);
    token.map(ToOwned::to_owned).ok_or(NoIdToken::Refused(CallbackRefusal::NoToken))
}

fn plain(error: &str) -> String {
    error.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(64).collect()
}
