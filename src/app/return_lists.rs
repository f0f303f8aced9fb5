//! Which list says where a browser may go, and who is asked for it.
//!
//! After a logout it is as Auth0 describes it: a `client_id` chooses the list of that application, and
//! then nothing else counts; without one it is the list of the service, beside our own pages and the
//! registered origins. Whatever is not allowed ends at our own page, and the log says why.

use sqlx::PgConnection;

use crate::app::{App, ReturnTarget};
use crate::logout::return_url::{LogoutUrl, ReturnUrl};
use crate::store::applications::{self, ApplicationRow};
use crate::store::{ApplicationId, StoreError};

/// Where somebody who signs out wants to go, nothing of it judged yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedReturn {
    /// The public name of the application whose list counts; none: the list of the service.
    pub client_id: Option<String>,
    /// Where to.
    pub address: WantedAddress,
}

/// The address that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WantedAddress {
    /// None: the first of the chosen application's list, else our own page.
    #[default]
    Unnamed,
    /// This one.
    Named {
        /// As it was written.
        text: String,
        /// What the application wants to see again.
        state: Option<String>,
    },
    /// Several that differ: which one was meant nobody can tell.
    Contradictory,
}

/// Why a browser is not sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotSentOn {
    #[error("two parameters name different addresses")]
    Contradictory,
    #[error("no application has this client_id")]
    NoApplication,
    #[error("the list of the application has no address without *")]
    NothingListed,
    #[error("the address is not in the list of the application")]
    NotOfApplication,
    #[error("the address is neither in logout_urls nor at a registered origin")]
    NotOfService,
}

impl App {
    /// A return target, if it is allowed: ours, or of an origin that the configuration or an
    /// application names (SSO-25).
    pub(in crate::app) fn return_target(&self, text: &str) -> Option<ReturnTarget> {
        let settings = &self.0.settings;
        ReturnTarget::parse(text, &settings.base_url, &settings.return_origins)
            .or_else(|| ReturnTarget::parse(text, &settings.base_url, &self.0.origins.known()))
    }

    /// A return target that was allowed when its logout began.
    pub(in crate::app) fn recorded_target(&self, text: &str) -> Option<ReturnTarget> {
        ReturnTarget::recorded(text, &self.0.settings.base_url)
    }

    /// Where a browser goes after the logout that a person starts; none: our own page (F-30).
    pub(in crate::app) async fn target_after_logout(
        &self,
        conn: &mut PgConnection,
        wanted: &WantedReturn,
    ) -> Result<Option<ReturnTarget>, StoreError> {
        let judged = self.judge_return(conn, wanted).await?;
        if let Err(why) = &judged {
            // Of what a stranger typed only what cannot be a secret, nor a line of its own.
            let origin = match &wanted.address {
                WantedAddress::Named { text, .. } => ReturnUrl::parse(text).ok().and_then(|url| url.origin()),
                WantedAddress::Unnamed | WantedAddress::Contradictory => None,
            };
            let client_id = wanted.client_id.as_ref().filter(|_| *why != NotSentOn::NoApplication);
            tracing::warn!(client_id, origin, "a browser is not sent on after its logout: {why}");
        }
        Ok(judged.unwrap_or_default())
    }

    /// Where a page may offer to go on to somebody who is not signed in: to an address that is listed; to
    /// our own pages there is a way already. Anybody can ask for that, so it leaves no trace.
    pub(in crate::app) async fn way_on(
        &self,
        wanted: &WantedReturn,
    ) -> Result<Option<ReturnTarget>, StoreError> {
        if *wanted == WantedReturn::default() {
            return Ok(None);
        }
        let mut conn = self.connection().await?;
        let target = self.judge_return(&mut conn, wanted).await?.unwrap_or_default();
        Ok(target.filter(|target| !target.as_str().starts_with('/')))
    }

    async fn judge_return(
        &self,
        conn: &mut PgConnection,
        wanted: &WantedReturn,
    ) -> Result<Result<Option<ReturnTarget>, NotSentOn>, StoreError> {
        Ok(match (&wanted.client_id, &wanted.address) {
            (None, WantedAddress::Unnamed) => Ok(None),
            (_, WantedAddress::Contradictory) => Err(NotSentOn::Contradictory),
            (None, WantedAddress::Named { text, state }) => {
                let target = self.target_of_service(conn, text).await?;
                let target = target.and_then(|target| target.with_state(state.as_deref(), self));
                target.map(Some).ok_or(NotSentOn::NotOfService)
            }
            (Some(client_id), address) => match applications::by_slug(conn, client_id).await? {
                Some(application) => self.target_of_application(&application, address).map(Some),
                None => Err(NotSentOn::NoApplication),
            },
        })
    }

    /// A return target that a caller of the API may name. An application: our own pages, the configured
    /// origins, and what it has registered itself; whoever operates the service: what anybody may.
    pub(in crate::app) async fn target_for_caller(
        &self,
        conn: &mut PgConnection,
        application: Option<ApplicationId>,
        text: &str,
    ) -> Result<Option<ReturnTarget>, StoreError> {
        let settings = &self.0.settings;
        let Some(application) = application else {
            if let Some(target) = self.target_of_service(conn, text).await? {
                return Ok(Some(target));
            }
            let all = applications::all(conn).await?;
            return Ok(all.iter().find_map(|one| self.listed(one, text)));
        };
        // Another application's pages are no business of this one.
        let ours = ReturnTarget::parse(text, &settings.base_url, &settings.return_origins);
        if ours.is_some() {
            return Ok(ours);
        }
        let Some(own) = applications::by_id(conn, application).await? else { return Ok(None) };
        let at_origin = ReturnTarget::parse(text, &settings.base_url, &own.origins);
        Ok(at_origin.or_else(|| self.listed(&own, text)))
    }

    async fn target_of_service(
        &self,
        conn: &mut PgConnection,
        text: &str,
    ) -> Result<Option<ReturnTarget>, StoreError> {
        let settings = &self.0.settings;
        let known = ReturnTarget::listed(text, &settings.base_url, &settings.logout_urls)
            .or_else(|| self.return_target(text));
        if known.is_some() {
            return Ok(known);
        }
        // An origin that another node has registered a moment ago.
        let Some(origin) = ReturnUrl::parse(text).ok().and_then(|url| url.origin()) else { return Ok(None) };
        let registered = applications::by_origin(conn, &origin).await?;
        Ok(registered.and_then(|one| ReturnTarget::parse(text, &settings.base_url, &one.origins)))
    }

    fn target_of_application(
        &self,
        application: &ApplicationRow,
        address: &WantedAddress,
    ) -> Result<ReturnTarget, NotSentOn> {
        match address {
            WantedAddress::Contradictory => Err(NotSentOn::Contradictory),
            WantedAddress::Unnamed => {
                let first = self.list(application).iter().find_map(LogoutUrl::address);
                let first = first.and_then(|url| ReturnTarget::of(&url, &self.0.settings.base_url));
                first.ok_or(NotSentOn::NothingListed)
            }
            WantedAddress::Named { text, state } => self
                .listed(application, text)
                .and_then(|target| target.with_state(state.as_deref(), self))
                .ok_or(NotSentOn::NotOfApplication),
        }
    }

    /// A return target that the list of an application allows.
    fn listed(&self, application: &ApplicationRow, text: &str) -> Option<ReturnTarget> {
        ReturnTarget::listed(text, &self.0.settings.base_url, &self.list(application))
    }

    /// The list of an application. What was registered under other rules and does not fit any more means
    /// nothing.
    fn list(&self, application: &ApplicationRow) -> Vec<LogoutUrl> {
        let loopback = self.0.settings.base_url.is_loopback();
        application.logout_urls.iter().filter_map(|url| LogoutUrl::parse(url, loopback).ok()).collect()
    }
}

impl ReturnTarget {
    /// The same with what the application wants to see again; none if that gets too long.
    fn with_state(self, state: Option<&str>, app: &App) -> Option<Self> {
        let Some(state) = state else { return Some(self) };
        let base = &app.0.settings.base_url;
        let own = self.as_str();
        let absolute = if own.starts_with('/') { base.join(own) } else { own.to_owned() };
        Self::of(&ReturnUrl::parse(&absolute).ok()?.with_state(state)?, base)
    }
}
