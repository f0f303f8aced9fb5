//! Signing out at an OpenID provider through the browser, where that is the only way.
//!
//! The browser is sent there with our transaction in `state`, and comes back to one fixed address. That
//! it came back is no proof: the person may have declined. What proves is the provider's own logout
//! token, which comes by another way, or not at all.

use openssl::sha::sha256;
use url::Url;

use super::LOGGED_OUT_PATH;
use crate::app::legs::Affair;
use crate::app::logout::{Next, Unavailable};
use crate::app::{App, Fault, LogoutHandle, Visitor};
use crate::auth0::end_session::{self, EndSession};
use crate::config::OidcKind;
use crate::logout::step::Event;
use crate::saml::binding::Outbound;
use crate::store::legs::LegRow;
use crate::store::{logouts, oidc_sign_outs};

/// Where the browser is sent; none if the provider is not in the settings any more.
pub(in crate::app) fn outbound(app: &App, leg: &LegRow, state: &str) -> Option<Outbound> {
    let oidc = leg.oidc.as_ref()?;
    let provider = app.0.providers.named(&oidc.provider)?;
    let settings = &provider.settings;
    let endpoint = oidc.end_session.as_deref().filter(|_| settings.issuer == oidc.issuer)?;
    let ending = EndSession {
        client_id: &settings.client_id,
        auth0: settings.kind == OidcKind::Auth0,
        sid: oidc.sid.as_deref(),
        id_token: oidc.id_token.as_deref(),
        return_to: &app.0.settings.public_url(LOGGED_OUT_PATH),
        state,
        federated: super::behind::is_behind(app, oidc),
    };
    tracing::info!(
        logout.id = leg.logout.0,
        provider = settings.name,
        "sending the browser to the OpenID provider to sign out there"
    );
    Some(Outbound::Redirect { url: end_session::address(Url::parse(endpoint).ok()?, &ending).into() })
}

/// Takes a browser that came back from signing out at a provider, and says what comes next for it. It
/// is known by the `state` it brings; where the provider gives none back, by its cookie. None: we know
/// of no sign-out of this browser.
///
/// # Errors
/// [`Unavailable`].
pub async fn come_back(
    app: &App,
    visitor: &Visitor,
    state: Option<&str>,
) -> Result<Option<Next>, Unavailable> {
    let next = app.patiently(try_come_back(app, visitor, state)).await;
    next.map_err(|fault| Unavailable { incident: app.fault("going on after an OpenID provider", &fault) })
}

async fn try_come_back(app: &App, visitor: &Visitor, state: Option<&str>) -> Result<Option<Next>, Fault> {
    let now = app.now();
    let mut tx = app.begin().await?;
    let found = match (state, &visitor.session) {
        (Some(state), _) => oidc_sign_outs::by_state(&mut tx, sha256(state.as_bytes()), now).await?,
        (None, Some(token)) => oidc_sign_outs::by_cookie(&mut tx, token.hash(), now).await?,
        (None, None) => None,
    };
    // No LogoutRequest starts inside a frame (SLO-45).
    let Some((logout, leg)) = found.filter(|_| visitor.top_level) else {
        drop(tx);
        return page_of(app, visitor).await;
    };
    let snapshot = app.0.registry.snapshot();
    let Some(affair) = Affair::lock(&mut tx, logout).await? else { return Ok(None) };
    oidc_sign_outs::take(&mut tx, leg).await?;
    let browser = affair.legs.iter().find(|known| known.id == leg).map(LegRow::led_by);
    let step = affair.logout(&snapshot, browser).step(Event::Returned { leg }, now);
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    let next = app.save(&mut tx, &affair, step, now).await?;
    tx.commit().await?;
    Ok(Some(app.lead_on(&affair, &next, states).await?))
}

/// The page of the logout that ended this browser's session: nobody is left standing without a way on.
async fn page_of(app: &App, visitor: &Visitor) -> Result<Option<Next>, Fault> {
    let Some(token) = &visitor.session else { return Ok(None) };
    let mut conn = app.connection().await?;
    let handle = logouts::handle_of_cookie(&mut conn, token.hash()).await?;
    Ok(handle.as_deref().and_then(LogoutHandle::parse).map(|handle| Next::Page { handle }))
}
