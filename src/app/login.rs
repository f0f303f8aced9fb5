//! Sign-in, first half: a person is sent to an identity provider.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Semaphore;

use crate::app::budget::SourceBudget;
use crate::app::registry::{KnownIdp, Snapshot};
use crate::app::{App, CorrelationToken, Fault, ReturnTarget, Visitor, logout};
use crate::saml::binding::Outbound;
use crate::saml::names::RelayState;
use crate::store::{open_requests, sessions};

/// What a person asked for at `/saml/login`.
#[derive(Debug, Clone, Default)]
pub struct BeginLogin {
    /// The identity provider, by slug or entity ID. None: the only one, or the page to choose.
    pub idp: Option<String>,
    /// Where to go afterwards; what is not allowed leads to our own page (SSO-25).
    pub return_to: Option<String>,
    /// Whether the person has to prove themselves anew at the identity provider.
    pub force_authn: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Begun {
    /// Several identity providers: the page to choose one.
    Choose {
        /// Those that may sign somebody in now, by name.
        idps: Vec<IdpChoice>,
        /// The return target, to carry along as it came.
        return_to: Option<String>,
    },
    /// The AuthnRequest; the correlation cookie has to go with it.
    Send {
        /// The message for the browser to carry.
        outbound: Outbound,
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
pub struct IdpChoice {
    /// For the `idp` parameter.
    pub slug: String,
    /// For people: the display name out of metadata, or the entity ID.
    pub name: String,
}

/// Why nobody can be sent to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// No identity provider is there that may sign somebody in.
    #[error("no identity provider is set up")]
    NoneThere,
    /// No identity provider of that name.
    #[error("there is no identity provider of that name")]
    Unknown,
    /// The identity provider is disabled or its metadata has expired (SSO-26).
    #[error("this identity provider may not sign anyone in at present")]
    Closed,
    /// The identity provider has no single sign-on endpoint that we can use.
    #[error("this identity provider has no sign-in address that can be used")]
    NoEndpoint,
    /// More sign-ins begin at this address than one that is shared by many people would see.
    #[error("too many sign-ins begin at this address")]
    TooMany,
    /// A fault of ours; it has been logged.
    #[error("sign-in is not possible at the moment")]
    Unavailable,
}

impl LoginRefused {
    /// The HTTP status of the page that says so.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoneThere | Self::Unknown => 404,
            Self::Closed | Self::NoEndpoint => 400,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }
}

/// Sign-ins that may begin at one source: so many at once, and so many a second after that. Anybody
/// can begin one, and each costs us a signature and a row; but a whole company may sit behind one
/// address.
const BEGINNINGS: (u32, f64) = (300, 20.0);
/// How many sign-ins begin at the same moment, whoever asks: the others wait, so that connections to
/// the database are left for those who finish theirs.
const BEGIN_AT_ONCE: usize = 4;

/// What bounds the sign-ins that begin.
#[derive(Debug)]
pub(super) struct Beginnings {
    sources: SourceBudget,
    places: Semaphore,
}

impl Default for Beginnings {
    fn default() -> Self {
        let sources = SourceBudget::new(BEGINNINGS.0, BEGINNINGS.1);
        Self { sources, places: Semaphore::new(BEGIN_AT_ONCE) }
    }
}

/// How long a person may take at the identity provider.
const SIGN_IN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Sends a person to sign in: writes an AuthnRequest down as open, with the session that this
/// browser has, and signs it.
///
/// # Errors
/// [`LoginRefused`].
pub async fn begin(app: &App, visitor: &Visitor, asked: BeginLogin) -> Result<Begun, LoginRefused> {
    if sources_are_known(app) && !app.0.beginnings.sources.take(visitor.address, app.now()) {
        return Err(LoginRefused::TooMany);
    }
    let begun = app.patiently(async {
        let _place = app.0.beginnings.places.acquire().await;
        try_begin(app, visitor, asked).await
    });
    match begun.await {
        Ok(begun) => begun,
        Err(fault) => {
            app.fault("beginning a sign-in", &fault);
            Err(LoginRefused::Unavailable)
        }
    }
}

/// Whether addresses tell people apart. Over TLS we are always behind a proxy, and one that is not
/// trusted makes everybody look the same: then to hold back one would be to lock out all.
fn sources_are_known(app: &App) -> bool {
    let settings = &app.0.settings;
    !settings.base_url.is_https() || !settings.trusted_proxies.is_empty()
}

async fn try_begin(
    app: &App,
    visitor: &Visitor,
    asked: BeginLogin,
) -> Result<Result<Begun, LoginRefused>, Fault> {
    if let Some(outbound) = logout::resume(app, visitor).await? {
        return Ok(Ok(Begun::Resume { outbound }));
    }
    // Disabled on another node a moment ago: not here any more either (SSO-26).
    let snapshot = app.renewed().await?;
    let idp = match choose(app, &snapshot, &asked) {
        Ok(Choice::One(idp)) => idp,
        Ok(Choice::Several(idps)) => return Ok(Ok(Begun::Choose { idps, return_to: asked.return_to })),
        Err(refused) => return Ok(Err(refused)),
    };
    let now = app.now();
    // Tabs of one browser share the token, so that each can finish what it began.
    let correlation = match &visitor.correlation {
        Some(correlation) => correlation.clone(),
        None => CorrelationToken::parse(&app.0.entropy.token_256()?).ok_or(Fault::Identifier)?,
    };
    let relay_state = RelayState::parse(app.0.entropy.handle_128()?).map_err(|_| Fault::Identifier)?;
    let id = app.message_id()?;
    let Some(outbound) = app.authn_request(&idp, &id, asked.force_authn, &relay_state, now)? else {
        return Ok(Err(LoginRefused::NoEndpoint));
    };
    let target = asked.return_to.as_deref().and_then(|target| app.return_target(target));
    let mut conn = app.connection().await?;
    let session = match &visitor.session {
        Some(token) => sessions::by_cookie(&mut conn, token.hash()).await?,
        None => None,
    };
    let new = open_requests::NewAuthn {
        id: &id,
        idp: idp.id,
        correlation_hash: correlation.hash(),
        relay_state: relay_state.as_str(),
        session: session.filter(|session| session.is_alive(app.alive())).map(|session| session.id),
        return_to: target.as_ref().map(ReturnTarget::as_str),
    };
    open_requests::open_authn(&mut conn, &new, now, now + SIGN_IN_WITHIN).await?;
    tracing::info!(idp = idp.slug, message.id = %id, "sending a person to sign in");
    Ok(Ok(Begun::Send { outbound, correlation }))
}

enum Choice {
    One(Arc<KnownIdp>),
    Several(Vec<IdpChoice>),
}

fn choose(app: &App, snapshot: &Snapshot, asked: &BeginLogin) -> Result<Choice, LoginRefused> {
    let now = app.now();
    if let Some(name) = asked.idp.as_deref().filter(|name| !name.is_empty()) {
        let idp = snapshot.named(name).ok_or(LoginRefused::Unknown)?;
        return if idp.may_sign_in(now) {
            Ok(Choice::One(Arc::clone(idp)))
        } else {
            Err(LoginRefused::Closed)
        };
    }
    match snapshot.open(now).as_slice() {
        [] => Err(LoginRefused::NoneThere),
        [idp] => Ok(Choice::One(Arc::clone(idp))),
        several => Ok(Choice::Several(
            several.iter().map(|idp| IdpChoice { slug: idp.slug.clone(), name: idp.name.clone() }).collect(),
        )),
    }
}
