//! OpenID providers, Auth0 tenants among them: [`login`] and [`callback`] sign somebody in through one,
//! [`backchannel`] takes their logout tokens; [`sign_out`] ends a session there through the browser,
//! `revoke` without one.
//!
//! A provider that is down, or set up wrongly at its own end, keeps nobody from signing in or out
//! through SAML: it is looked at when the service starts and told in the log, and looked at again
//! whenever somebody needs it.

pub mod backchannel;
pub mod callback;
pub mod login;
mod outbound;
mod providers;
pub(super) mod revoke;
pub mod sign_out;

use crate::app::App;
use crate::auth0::Registered;
use crate::config::OidcProvider;
use crate::logout::plan::Reach;
use crate::logout::step::LegState;
use crate::store::legs::OidcLeg;
pub(crate) use outbound::client;
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
