//! OpenID providers, Auth0 tenants among them: [`login`] and [`callback`] sign somebody in through one,
//! [`backchannel`] takes their logout tokens; [`sign_out`] ends a session there through the browser,
//! `revoke` without one.
//!
//! A provider that is down, or set up wrongly at its own end, keeps nobody from signing in or out
//! through SAML: it is looked at when the service starts and told in the log, and looked at again
//! whenever somebody needs it.

pub mod backchannel;
pub mod behind;
pub mod callback;
pub mod login;
mod outbound;
mod providers;
pub(super) mod revoke;
pub mod sign_out;

use crate::app::App;
use crate::auth0::{Registered, end_session};
use crate::config::{OidcKind, OidcProvider};
use crate::logout::plan::Reach;
use crate::logout::step::LegState;
use crate::store::legs::OidcLeg;
pub(crate) use outbound::Asker;
pub(crate) use providers::Providers;

/// Where providers send people back to.
pub const CALLBACK_PATH: &str = "/auth0/callback";
/// Where providers send people back to who were sent there to sign out: the one address for that.
pub const LOGGED_OUT_PATH: &str = "/auth0/logged-out";
/// Where providers send logout tokens.
pub const BACKCHANNEL_PATH: &str = "/auth0/backchannel-logout";

/// Asks every provider for its description and its keys, and says in the log what is wrong with those
/// that do not answer properly.
pub async fn check(app: &App) {
    for provider in app.0.providers.all() {
        let name = provider.settings.name.as_str();
        match provider.known(app).await {
            Ok(known) if known.keys.is_empty() => {
                tracing::error!(provider = name, "this OpenID provider publishes no key that can be used");
            }
            Ok(_) => tracing::info!(provider = name, "the OpenID provider is there"),
            Err(fault) => tracing::error!(
                provider = name,
                issuer = provider.settings.issuer,
                "nobody can sign in through this OpenID provider for now: {fault}"
            ),
        }
    }
}

impl App {
    /// Against what the tokens of a provider are judged.
    fn registered<'a>(&self, provider: &'a OidcProvider) -> Registered<'a> {
        Registered {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            algorithm: provider.token_alg.as_str(),
            skew: self.0.settings.saml.skew,
        }
    }
}

/// How what is at a provider can be ended.
pub(super) struct Way {
    /// The provider's name in the settings.
    pub(super) provider: String,
    /// Its issuer.
    pub(super) issuer: String,
    /// Whether it can be done without a browser.
    pub(super) back: bool,
    /// Where a browser signs out there, as far as is known.
    pub(super) end_session: Option<String>,
}

/// How what is at the provider of an issuer can be ended; none if it is not in the settings. Where we are
/// registered there several times, the registration that can do most.
pub(super) async fn way(app: &App, issuer: &str) -> Option<Way> {
    let mut there = app.0.providers.all().iter().filter(|provider| provider.settings.issuer == issuer);
    let able = there.clone().find(|provider| provider.settings.management.is_some());
    let provider = able.or_else(|| there.next())?;
    let settings = &provider.settings;
    let described = match provider.known(app).await {
        Ok(known) => known.discovery.end_session_endpoint.clone(),
        Err(fault) => {
            tracing::warn!(provider = settings.name, "where to sign out there is not known: {fault}");
            None
        }
    };
    let auth0 = settings.kind == OidcKind::Auth0;
    let end_session = end_session::endpoint(described.as_ref(), issuer, auth0).map(String::from);
    let back = settings.management.is_some();
    Some(Way { provider: settings.name.clone(), issuer: issuer.to_owned(), back, end_session })
}

/// The issuer of a provider, by its name in the settings or its issuer.
pub(super) fn issuer_of<'a>(app: &'a App, name: &str) -> Option<&'a str> {
    let mut all = app.0.settings.oidc.iter();
    all.find(|provider| provider.name == name || provider.issuer == name).map(|found| found.issuer.as_str())
}

/// What people are shown of an issuer: its host.
pub(super) fn host(issuer: &str) -> String {
    let url = url::Url::parse(issuer).ok();
    url.and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_else(|| issuer.to_owned())
}

/// How a session at a provider can be ended. Without a browser while that has not failed for good; and
/// what was accepted that way is never asked for by a browser.
pub(super) const fn reach(oidc: &OidcLeg, state: LegState) -> Reach {
    let front = oidc.end_session.is_some() && oidc.accepted_at.is_none();
    Reach { soap: matches!(state, LegState::Queued), front: front && !matches!(state, LegState::Queued) }
}
