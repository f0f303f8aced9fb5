//! The providers that are set up, and what each says of itself: asked for once, kept for a while, and
//! asked again when a token names a key that we do not know.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use url::Url;

use super::outbound::{self, OutboundFault};
use super::revoke::AccessTokens;
use crate::app::App;
use crate::auth0::discovery::{self, Discovery, DiscoveryRefusal};
use crate::auth0::jwt::Jwks;
use crate::config::OidcProvider;

/// For how long a description and keys are not asked for again.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// For how long they are still used while the provider does not answer.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// How soon keys are asked for again because a token names one that we do not know: whoever sends us
/// made-up tokens must not make us ask without end.
const KEYS_AGAIN: TimeDelta = TimeDelta::seconds(30);
/// How soon a provider that did not answer is asked again.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// All that are set up.
pub(crate) struct Providers(Vec<Arc<Provider>>);

/// One that is set up.
pub(super) struct Provider {
    pub(super) settings: OidcProvider,
    known: RwLock<Option<Arc<Known>>>,
    /// Held while it is asked, by one at a time; when it was last asked.
    asking: Mutex<Option<DateTime<Utc>>>,
    pub(super) access_tokens: AccessTokens,
}

/// What a provider said of itself.
pub(super) struct Known {
    pub(super) discovery: Discovery,
    pub(super) keys: Jwks,
    asked_at: DateTime<Utc>,
}

/// Why nothing is known of a provider.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderFault {
    /// Its description cannot be used.
    #[error("its description cannot be used: {0}")]
    Discovery(#[from] DiscoveryRefusal),
    /// Its keys cannot be read.
    #[error("its keys are no JSON Web Key Set")]
    Keys,
    /// It was asked in vain a moment ago.
    #[error("it did not answer properly a moment ago")]
    Lately,
    /// It could not be asked.
    #[error(transparent)]
    Outbound(#[from] OutboundFault),
}

impl Providers {
    pub(crate) fn new(settings: &[OidcProvider]) -> Self {
        let provider = |settings: &OidcProvider| {
            Arc::new(Provider {
                settings: settings.clone(),
                known: RwLock::default(),
                asking: Mutex::default(),
                access_tokens: AccessTokens::default(),
            })
        };
        Self(settings.iter().map(provider).collect())
    }

    pub(super) fn all(&self) -> &[Arc<Provider>] {
        &self.0
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.iter().find(|provider| provider.settings.name == name)
    }
}

impl Provider {
    /// What it says of itself: as it was told lately, or asked for now.
    pub(super) async fn known(&self, app: &App) -> Result<Arc<Known>, ProviderFault> {
        let seen = self.cached();
        let now = app.now();
        if let Some(known) = seen.as_ref().filter(|known| now - known.asked_at < FRESH) {
            return Ok(Arc::clone(known));
        }
        match (self.ask(app, seen.as_ref(), ASK_AGAIN).await, seen) {
            (Ok(known), _) => Ok(known),
            (Err(fault), Some(known)) if now - known.asked_at < USABLE => {
                tracing::warn!(
                    provider = self.settings.name,
                    "what was known of this OpenID provider is used a little longer: {fault}"
                );
                Ok(known)
            }
            (Err(fault), _) => Err(fault),
        }
    }

    /// What it says by now, if it may be asked again so soon: for a token whose key is not among
    /// those of `seen`.
    pub(super) async fn newer(&self, app: &App, seen: &Arc<Known>) -> Option<Arc<Known>> {
        if app.now() - seen.asked_at < KEYS_AGAIN {
            return self.cached().filter(|known| !Arc::ptr_eq(known, seen));
        }
        self.ask(app, Some(seen), KEYS_AGAIN).await.ok()
    }

    fn cached(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(
        &self,
        app: &App,
        seen: Option<&Arc<Known>>,
        again: TimeDelta,
    ) -> Result<Arc<Known>, ProviderFault> {
        let mut last = self.asking.lock().await;
        // Somebody else may have asked while we waited.
        if let Some(known) = self.cached().filter(|known| seen.is_none_or(|seen| !Arc::ptr_eq(known, seen))) {
            return Ok(known);
        }
        let now = app.now();
        if last.is_some_and(|last| now - last < again) {
            return Err(ProviderFault::Lately);
        }
        *last = Some(now);
        let known = Arc::new(self.fetch(app, now).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    async fn fetch(&self, app: &App, now: DateTime<Utc>) -> Result<Known, ProviderFault> {
        let issuer = self.settings.issuer.as_str();
        let address = Url::parse(&discovery::address(issuer)).map_err(|_| DiscoveryRefusal::Issuer)?;
        let client = &app.0.oidc_http;
        let description = outbound::get(client, address).await?;
        let discovery = Discovery::read(&description, issuer, app.0.settings.is_loopback_http())?;
        let keys = outbound::get(client, discovery.jwks_uri.clone()).await?;
        let keys = Jwks::read(&keys).ok_or(ProviderFault::Keys)?;
        Ok(Known { discovery, keys, asked_at: now })
    }
}
