//! Sign-in through an OpenID provider, first half: a person is sent there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use openssl::sha::sha256;

use super::CALLBACK_PATH;
use super::providers::{Known, Provider};
use crate::app::{App, CorrelationToken, Fault, ReturnTarget, Visitor, logout};
use crate::saml::binding::Outbound;
use crate::store::{oidc_sign_ins, sessions};

/// What a person asked for at `/auth0/login`.
#[derive(Debug, Clone, Default)]
pub struct BeginOidcLogin {
    /// The provider, by its name in the settings. None: the only one, or the page to choose.
    pub provider: Option<String>,
    /// Where to go afterwards; what is not allowed leads to our own page (SSO-25).
    pub return_to: Option<String>,
    /// Whether the person has to prove themselves anew there.
    pub force_authn: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum OidcBegun {
    /// Several providers: the page to choose one.
    Choose {
        /// Their names.
        providers: Vec<ProviderChoice>,
        /// The return target, to carry along as it came.
        return_to: Option<String>,
    },
    /// To the provider; the correlation cookie has to go with it.
    Send {
        /// Where to.
        url: String,
        /// The value of the correlation cookie.
        correlation: CorrelationToken,
    },
    /// An unfinished logout of this browser goes first: its LogoutRequest.
    Resume {
        /// The message for the browser to carry.
        outbound: Outbound,
    },
}

/// One line of the page to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderChoice {
    /// For the `provider` parameter.
    pub name: String,
    /// For people: the host of its issuer.
    pub host: String,
}

/// Why nobody can be sent to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidcLoginRefused {
    /// No provider is set up.
    #[error("no OpenID provider is set up")]
    NoneThere,
    /// A fault of ours, or the provider does not answer; it has been logged.
    #[error("sign-in is not possible at the moment")]
    Unavailable,
    /// No provider of that name.
    #[error("there is no OpenID provider of that name")]
    Unknown,
}

/// How long a person may take at the provider.
const SIGN_IN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Sends a person to sign in at a provider: writes the sign-in down as open, with the session that
/// this browser has.
///
/// # Errors
/// [`OidcLoginRefused`].
pub async fn begin(
    app: &App,
    visitor: &Visitor,
    asked: BeginOidcLogin,
) -> Result<OidcBegun, OidcLoginRefused> {
    let unavailable = |fault: &Fault| {
        app.fault("beginning a sign-in at an OpenID provider", fault);
        OidcLoginRefused::Unavailable
    };
    match app.patiently(logout::resume(app, visitor)).await {
        Ok(Some(outbound)) => return Ok(OidcBegun::Resume { outbound }),
        Ok(None) => {}
        Err(fault) => return Err(unavailable(&fault)),
    }
    let provider = match choose(app, asked.provider.as_deref())? {
        Choice::One(provider) => provider,
        Choice::Several(providers) => {
            return Ok(OidcBegun::Choose { providers, return_to: asked.return_to });
        }
    };
    let known = provider.known(app).await.map_err(|fault| {
        tracing::error!(provider = provider.settings.name, "nobody can be sent there to sign in: {fault}");
        OidcLoginRefused::Unavailable
    })?;
    let begun = app.patiently(write_down(app, visitor, &asked, &provider, &known)).await;
    begun.map_err(|fault| unavailable(&fault))
}

async fn write_down(
    app: &App,
    visitor: &Visitor,
    asked: &BeginOidcLogin,
    provider: &Provider,
    known: &Known,
) -> Result<OidcBegun, Fault> {
    let now = app.now();
    let entropy = &app.0.entropy;
    // Tabs of one browser share the token, so that each can finish what it began.
    let correlation = match &visitor.correlation {
        Some(correlation) => correlation.clone(),
        None => CorrelationToken::parse(&entropy.token_256()?).ok_or(Fault::Identifier)?,
    };
    let (state, nonce, verifier) = (entropy.token_256()?, entropy.token_256()?, entropy.token_256()?);
    let target = asked.return_to.as_deref().and_then(|target| app.return_target(target));
    let mut conn = app.connection().await?;
    let session = match &visitor.session {
        Some(token) => sessions::by_cookie(&mut conn, token.hash()).await?,
        None => None,
    };
    let new = oidc_sign_ins::NewSignIn {
        state_hash: sha256(state.as_bytes()),
        provider: &provider.settings.name,
        correlation_hash: correlation.hash(),
        nonce: &nonce,
        code_verifier: &verifier,
        session: session.filter(|session| session.is_alive(app.alive())).map(|session| session.id),
        return_to: target.as_ref().map(ReturnTarget::as_str),
    };
    oidc_sign_ins::open(&mut conn, &new, now, now + SIGN_IN_WITHIN).await?;
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let mut url = known.discovery.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("redirect_uri", &app.0.settings.public_url(CALLBACK_PATH))
        .append_pair("scope", "openid")
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if asked.force_authn {
        url.query_pairs_mut().append_pair("prompt", "login");
    }
    tracing::info!(provider = provider.settings.name, "sending a person to sign in");
    Ok(OidcBegun::Send { url: url.into(), correlation })
}

enum Choice {
    One(Arc<Provider>),
    Several(Vec<ProviderChoice>),
}

fn choose(app: &App, name: Option<&str>) -> Result<Choice, OidcLoginRefused> {
    let providers = &app.0.providers;
    match (name, providers.all()) {
        (_, []) => Err(OidcLoginRefused::NoneThere),
        (Some(name), _) => providers.named(name).cloned().map(Choice::One).ok_or(OidcLoginRefused::Unknown),
        (None, [only]) => Ok(Choice::One(Arc::clone(only))),
        (None, several) => Ok(Choice::Several(several.iter().map(|provider| choice(provider)).collect())),
    }
}

fn choice(provider: &Provider) -> ProviderChoice {
    let issuer = provider.settings.issuer.as_str();
    ProviderChoice { name: provider.settings.name.clone(), host: super::host(issuer) }
}
