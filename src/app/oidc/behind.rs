//! The identity provider behind a session at an OpenID provider, where that provider and not we is the
//! service provider: Auth0 with an enterprise connection, for one.
//!
//! We are no participant of that session and may not end it. Auth0's own logout can, if a browser
//! carries it and it says `federated`; what came of that, it tells nobody. So the most that is ever
//! known is that it was asked.

use sqlx::PgConnection;

use crate::app::App;
use crate::config::OidcKind;
use crate::logout::step::LegState;
use crate::store::legs::{LegRow, NewOidcLeg, OidcLeg};
use crate::store::{StoreError, participations};

/// What was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehindState {
    /// A browser was sent to the OpenID provider, which was told to sign out there as well.
    Asked,
    /// The OpenID provider has no way to pass a logout on that we know of.
    NoWay,
    /// The person wanted to sign out here only (SLO-47).
    NotAsked,
    /// Only a browser could have carried it, and none was there.
    Unreachable,
    /// A browser will carry it when it comes by.
    WaitingBrowser,
}

/// One such identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The OpenID provider's name for it; empty if nobody has said it.
    pub connection: String,
    /// What was done about it.
    pub state: BehindState,
}

impl BehindState {
    /// The word for it, on the command line and over the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::NoWay => "no_endpoint",
            Self::NotAsked => "not_asked",
            Self::Unreachable => "unreachable",
            Self::WaitingBrowser => "waiting_browser",
        }
    }
}

/// Whether behind a session there is one that a browser can be sent to end, by way of its provider.
pub(in crate::app) async fn is_reached_by_browser(
    app: &App,
    conn: &mut PgConnection,
    leg: NewOidcLeg<'_>,
) -> Result<bool, StoreError> {
    let Some(sid) = leg.sid.filter(|_| passes_on(app, leg.provider, leg.issuer)) else { return Ok(false) };
    participations::is_behind_provider(conn, leg.issuer, sid).await
}

/// Whether a leg is one whose browser has to be sent on to what is behind its provider.
pub(in crate::app) fn is_behind(app: &App, oidc: &OidcLeg) -> bool {
    oidc.connection.is_some() && passes_on(app, &oidc.provider, &oidc.issuer)
}

/// Only Auth0 has a logout that goes on to the identity provider behind it.
fn passes_on(app: &App, provider: &str, issuer: &str) -> bool {
    app.0.providers.named(provider).is_some_and(|provider| {
        provider.settings.kind == OidcKind::Auth0 && provider.settings.issuer == issuer
    })
}

/// What stands behind the session that a leg is to end, as far as an application has told us.
pub(in crate::app) fn of(app: &App, leg: &LegRow) -> Option<Behind> {
    let oidc = leg.oidc.as_ref()?;
    let connection = oidc.connection.clone()?;
    let state = match leg.state {
        LegState::NotAsked => BehindState::NotAsked,
        _ if !is_behind(app, oidc) => BehindState::NoWay,
        _ if oidc.led => BehindState::Asked,
        LegState::WaitingBrowser => BehindState::WaitingBrowser,
        _ => BehindState::Unreachable,
    };
    Some(Behind { connection, state })
}
