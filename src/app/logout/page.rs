//! The page of a logout: what happened, layer by layer.

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::oidc::behind::{self, BehindState};
use crate::app::oidc::host;
use crate::app::{App, Fault, ReturnTarget};
use crate::logout::hearing::Hearing;
use crate::logout::step::{LegState, RESUME_WITHIN};
use crate::store::legs::{self, LegRow};
use crate::store::logouts;
use crate::store::notifications::{self, HeardRow};

/// For how long the page looks again whether an application has heard.
const LOOK_FOR: TimeDelta = TimeDelta::minutes(1);

/// The name of a logout's page: 128 random bits, base64url (SLO-50, house decision). Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutHandle(pub(super) String);

impl LogoutHandle {
    /// Takes the 22 characters of a base64url-encoded 128-bit value; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 22
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        good.then(|| Self(text.to_owned()))
    }

    /// The text for the URL `/logout/HANDLE`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for LogoutHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogoutHandle(..)")
    }
}

/// What `/logout/HANDLE` shows. It names no principal.
#[derive(Debug, Clone)]
pub struct LogoutView {
    /// Every layer and what is known of it, in the order in which they were asked.
    pub layers: Vec<LayerView>,
    /// Whether nothing is waited for any more.
    pub finished: bool,
    /// Where the person wanted to go.
    pub return_to: Option<ReturnTarget>,
    /// Whether to offer "sign in again".
    pub sign_in_again: bool,
}

/// One session layer and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerView {
    /// Which one.
    pub layer: Layer,
    /// What is known of it.
    pub state: LayerState,
}

/// A session layer, named for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Our own session.
    ThisSite,
    /// The session at an identity provider.
    IdentityProvider {
        /// Its display name.
        name: String,
    },
    /// The session at an OpenID provider.
    OpenIdProvider {
        /// The host of its issuer.
        host: String,
    },
    /// The session at an identity provider for which that OpenID provider is the service provider.
    Behind {
        /// The host of the OpenID provider.
        host: String,
    },
    /// The session in an application.
    Application {
        /// Its display name.
        name: String,
    },
}

/// What is known of a layer. Unknown is never success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Ours, and dead.
    Ended,
    /// The identity provider said Success, signed.
    Confirmed,
    /// Over at the identity provider, but not at everyone it told (`Success/PartialLogout`, SLO-51).
    Partial,
    /// The identity provider ended only a part, and its own session may live (`PartialLogout` under
    /// or as another top-level status, SLO-51).
    PartialFailure,
    /// The identity provider said that it failed.
    Failed,
    /// Asked; no answer yet.
    Asked,
    /// Asked; no answer in time (SLO-52).
    Unconfirmed,
    /// Could not be asked without a browser, or the connection failed.
    Unreachable,
    /// Waits for the next visit of that browser.
    WaitingForBrowser,
    /// The identity provider has no single-logout endpoint.
    NoEndpoint,
    /// Was not asked, because the person wanted to sign out here only.
    NotAsked,
    /// The browser was sent there to sign out, and came back.
    Returned,
    /// The browser was sent to somebody who was to pass it on. That it was is the most that is ever known.
    PassedOn,
    /// Only a browser could have asked it, and none was there.
    WithoutBrowser,
    /// The application has acknowledged that it was told.
    Heard,
    /// The application is being told, and has not acknowledged yet.
    NotYetHeard,
    /// The application did not acknowledge for as long as it was told.
    NeverHeard,
    /// The application asks us about every request, so it is closed.
    Gated,
    /// Nobody tells the application: it looks for itself.
    LooksItself,
}

/// Looks a logout up by the name of its page, for a day.
pub(super) async fn view(app: &App, handle: &LogoutHandle) -> Result<Option<LogoutView>, Fault> {
    let now = app.now();
    let mut conn = app.connection().await?;
    let Some(row) = logouts::by_handle(&mut conn, handle.as_str(), now - RESUME_WITHIN).await? else {
        return Ok(None);
    };
    let legs = legs::of_logout(&mut conn, row.id).await?;
    let mut snapshot = app.0.registry.snapshot();
    if legs.iter().any(|leg| leg.idp.is_some_and(|idp| snapshot.by_id(idp).is_none())) {
        snapshot = app.0.registry.renew(&mut conn).await?;
    }
    let over = row.finished_at.is_some() || row.deadline.is_none_or(|deadline| deadline <= now);
    let applications = notifications::of_logout(&mut conn, row.id).await?;
    // An application that does not come back for hours is not waited for on a page.
    let telling = now < row.started_at + LOOK_FOR
        && applications.iter().any(|application| Hearing::of_state(&application.state) == Hearing::Waiting);
    // Where nobody was signed in here, there was nothing of ours to end.
    let ours = LayerView { layer: Layer::ThisSite, state: LayerState::Ended };
    let ours = Some(ours).filter(|_| row.sessions_ended > 0);
    let asked = legs.iter().map(|leg| LayerView {
        layer: match &leg.oidc {
            Some(oidc) => Layer::OpenIdProvider { host: host(&oidc.issuer) },
            None => Layer::IdentityProvider {
                name: leg
                    .idp
                    .and_then(|idp| snapshot.by_id(idp))
                    .map_or_else(String::new, |idp| idp.name.clone()),
            },
        },
        state: layer_state(leg, now),
    });
    let behind = legs.iter().map(|leg| {
        let oidc = leg.oidc.as_ref()?;
        let layer = Layer::Behind { host: host(&oidc.issuer) };
        Some(LayerView { layer, state: behind_state(behind::of(app, leg)?.state) })
    });
    let theirs = asked.zip(behind).flat_map(|(layer, behind)| std::iter::once(layer).chain(behind));
    Ok(Some(LogoutView {
        layers: ours.into_iter().chain(theirs).chain(applications.into_iter().map(told)).collect(),
        finished: over && !telling,
        return_to: row.return_to.as_deref().and_then(|target| app.recorded_target(target)),
        sign_in_again: over,
    }))
}

/// What is known of an identity provider behind an OpenID provider: never more than that it was asked.
const fn behind_state(state: BehindState) -> LayerState {
    match state {
        BehindState::Asked => LayerState::PassedOn,
        BehindState::NoWay => LayerState::NoEndpoint,
        BehindState::NotAsked => LayerState::NotAsked,
        BehindState::Unreachable => LayerState::WithoutBrowser,
        BehindState::WaitingBrowser => LayerState::WaitingForBrowser,
    }
}

/// What is known of an application.
fn told(application: HeardRow) -> LayerView {
    let state = match Hearing::of_state(&application.state) {
        Hearing::Heard => LayerState::Heard,
        Hearing::Waiting => LayerState::NotYetHeard,
        Hearing::Never => LayerState::NeverHeard,
        Hearing::ReadsItself if application.gated => LayerState::Gated,
        Hearing::ReadsItself => LayerState::LooksItself,
    };
    LayerView { layer: Layer::Application { name: application.name }, state }
}

/// What is known of a leg now, whether or not a worker has written it down.
fn layer_state(leg: &LegRow, now: DateTime<Utc>) -> LayerState {
    match leg.state {
        LegState::Asked if leg.deadline.is_some_and(|deadline| deadline <= now) => LayerState::Unconfirmed,
        LegState::Asked | LegState::Queued => LayerState::Asked,
        LegState::Confirmed => LayerState::Confirmed,
        LegState::Partial => LayerState::Partial,
        LegState::PartialFailure => LayerState::PartialFailure,
        LegState::Failed => LayerState::Failed,
        LegState::Unconfirmed => LayerState::Unconfirmed,
        LegState::Unreachable => LayerState::Unreachable,
        LegState::WaitingBrowser => LayerState::WaitingForBrowser,
        LegState::NoEndpoint => LayerState::NoEndpoint,
        LegState::NotAsked => LayerState::NotAsked,
        LegState::Returned => LayerState::Returned,
    }
}
