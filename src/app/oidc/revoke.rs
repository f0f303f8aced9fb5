//! Ending a session at Auth0 without a browser, through its Management API.
//!
//! Auth0 accepts to end a session and does so later. What was accepted is written down at once and
//! never asked for again; from then on the session is only read, until it is not there any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use tokio::time::Instant;

use super::backchannel::SUBJECT_BAR;
use super::outbound::{self, Answer, OutboundFault};
use super::providers::Provider;
use crate::app::{App, Fault, worker};
use crate::auth0::management::{self, Asked, Meant, ReadBack};
use crate::config::ManagementApi;
use crate::logout::outcome;
use crate::logout::step::{Event, LegState};
use crate::store::legs::{LegRow, OidcLeg};
use crate::store::oidc::{self, Subject};
use crate::store::outbox::Leased;
use crate::store::{legs, outbox};

/// For how long a session is read again and again while somebody waits.
const WATCHED: Duration = Duration::from_millis(2_200);
/// How often, meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// What a round of work on one session came to.
enum Round {
    /// It was seen that it is not there.
    Gone,
    /// Not yet; again later, and when, if that was said.
    Later(Option<TimeDelta>),
    /// It will not be ended.
    Refused(u16),
    /// There is no way to ask any more.
    NoWay,
}

/// Works one leg; `patient` says that somebody waits for the result.
pub(in crate::app) async fn work(
    app: &App,
    leased: Leased,
    leg: &LegRow,
    patient: bool,
) -> Result<(), Fault> {
    let round = match target(app, leg) {
        Some((provider, management, oidc, meant)) => {
            let api = Api { app, provider, management, meant };
            api.round(leg, oidc, patient).await?
        }
        None => Round::NoWay,
    };
    let now = app.now();
    let (event, answer) = match round {
        Round::Gone => {
            bar(app, leg, now).await?;
            (Event::SeenGone { leg: leg.id }, Some(String::from("gone")))
        }
        Round::Refused(status) => {
            tracing::error!(
                logout.id = leased.logout.0,
                status,
                "Auth0 refuses to end a session: the scopes delete:sessions and delete:refresh_tokens are needed"
            );
            let answer = outcome::Answer::Failed;
            (Event::Answered { leg: leg.id, answer, browser: false }, Some(format!("HTTP {status}")))
        }
        Round::NoWay => (Event::Undelivered { leg: leg.id, arrived: false }, None),
        Round::Later(wait) => {
            let mut conn = app.connection().await?;
            if let Some(pause) = management::pause(leased.attempts + 1) {
                outbox::put_back(&mut conn, leased.id, now + wait.unwrap_or(pause)).await?;
                return Ok(());
            }
            let arrived = is_accepted(&mut conn, leg).await?;
            (Event::Undelivered { leg: leg.id, arrived }, None)
        }
    };
    worker::finish(app, leased.logout, leg.id, event, answer).await
}

/// Nothing that speaks of a session that is gone comes in any more.
async fn bar(app: &App, leg: &LegRow, now: DateTime<Utc>) -> Result<(), Fault> {
    let Some((provider, _, _, meant)) = target(app, leg) else { return Ok(()) };
    let issuer = provider.settings.issuer.as_str();
    let mut tx = app.begin().await?;
    match meant {
        Meant::Session(sid) => {
            oidc::lock(&mut tx, issuer, Subject::Sid(sid), now).await?;
            oidc::bar_sid(&mut tx, issuer, sid, now + app.0.settings.session.max).await?;
        }
        Meant::Person(sub) => {
            let asked_at = leg.asked_at.unwrap_or(now);
            oidc::lock(&mut tx, issuer, Subject::Sub(sub), now).await?;
            oidc::bar_sub(&mut tx, issuer, sub, asked_at, now + SUBJECT_BAR).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

async fn is_accepted(conn: &mut sqlx::PgConnection, leg: &LegRow) -> Result<bool, Fault> {
    let legs = legs::of_logout(conn, leg.logout).await?;
    let known = legs.into_iter().find(|known| known.id == leg.id).and_then(|known| known.oidc);
    Ok(known.is_some_and(|oidc| oidc.accepted_at.is_some()))
}

/// Whom to ask for what; none if the settings do not say any more.
fn target<'a>(
    app: &'a App,
    leg: &'a LegRow,
) -> Option<(&'a Provider, &'a ManagementApi, &'a OidcLeg, Meant<'a>)> {
    let oidc = leg.oidc.as_ref()?;
    let provider: &Provider = app.0.providers.named(&oidc.provider)?;
    let management = provider.settings.management.as_ref()?;
    if provider.settings.issuer != oidc.issuer {
        return None;
    }
    let meant = match (&oidc.sid, leg.session, &oidc.subject) {
        (Some(sid), _, _) => Meant::Session(sid),
        (None, None, Some(subject)) => Meant::Person(subject),
        // One session of a person, whose name we do not know: not all of theirs.
        _ => return None,
    };
    Some((provider, management, oidc, meant))
}

struct Api<'a> {
    app: &'a App,
    provider: &'a Provider,
    management: &'a ManagementApi,
    meant: Meant<'a>,
}

impl Api<'_> {
    /// Asks, unless that was accepted before or a browser has done so, and reads back.
    async fn round(&self, leg: &LegRow, oidc: &OidcLeg, patient: bool) -> Result<Round, Fault> {
        // A browser that is back has signed out there: what is left is to look whether that is so.
        let only_look = leg.state == LegState::Returned;
        if oidc.accepted_at.is_none() && !only_look {
            match self.ask().await {
                Ok(Asked::Accepted) => {
                    let mut conn = self.app.connection().await?;
                    legs::note_accepted(&mut conn, leg.id, self.app.now()).await?;
                    tracing::info!(logout.id = leg.logout.0, "Auth0 accepted to end a session");
                }
                Ok(Asked::Gone) => return Ok(Round::Gone),
                Ok(Asked::Later(wait)) => return Ok(self.later(leg, "it wants us to come again", wait)),
                Ok(Asked::Unauthorized) => return Ok(self.later(leg, "our access token is not taken", None)),
                Ok(Asked::Refused(status)) => return Ok(Round::Refused(status)),
                Err(fault) => return Ok(self.later(leg, &fault.to_string(), fault.wait())),
            }
        }
        let until = Instant::now() + WATCHED;
        loop {
            let wait = match self.read_back().await {
                Ok(ReadBack::Gone) => return Ok(Round::Gone),
                Ok(ReadBack::NotYet(wait)) => wait,
                Ok(ReadBack::Unauthorized) => None,
                Err(fault) => fault.wait(),
            };
            // Who was told when to come again is not asked before.
            if !patient || wait.is_some() || Instant::now() + LOOK_EVERY > until {
                return Ok(Round::Later(wait));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn later(&self, leg: &LegRow, why: &str, wait: Option<TimeDelta>) -> Round {
        tracing::warn!(
            logout.id = leg.logout.0,
            provider = self.provider.settings.name,
            "a session at Auth0 could not be ended yet: {why}"
        );
        Round::Later(wait)
    }

    async fn ask(&self) -> Result<Asked, OutboundFault> {
        let url = self.meant.revocation(&self.management.url).ok_or(OutboundFault::Header)?;
        let answer = self.call(Method::POST, url).await?;
        // What is not found may be the session, or the way to end it: only reading tells.
        if matches!(answer.status, 404 | 405 | 410 | 501) {
            return match self.read_back().await? {
                ReadBack::Gone => Ok(Asked::Gone),
                ReadBack::NotYet(_) | ReadBack::Unauthorized => self.ask_for_sessions().await,
            };
        }
        Ok(management::asked(answer.status, self.wait(&answer)))
    }

    /// Asks for the end of what cannot be ended with its refresh tokens, without them. It proves nothing
    /// that it is not found: reading tells.
    async fn ask_for_sessions(&self) -> Result<Asked, OutboundFault> {
        let url = self.meant.address(&self.management.url).ok_or(OutboundFault::Header)?;
        let answer = self.call(Method::DELETE, url).await?;
        Ok(match management::asked(answer.status, self.wait(&answer)) {
            Asked::Gone => Asked::Accepted,
            asked => asked,
        })
    }

    async fn read_back(&self) -> Result<ReadBack, OutboundFault> {
        let url = self.meant.address(&self.management.url).ok_or(OutboundFault::Header)?;
        let answer = self.call(Method::GET, url).await?;
        Ok(management::read_back(self.meant, answer.status, &answer.body, self.wait(&answer)))
    }

    fn wait(&self, answer: &Answer) -> Option<TimeDelta> {
        answer.wait(self.app.now())
    }

    /// One request with our access token; with a fresh one if that is not taken.
    async fn call(&self, method: Method, url: url::Url) -> Result<Answer, OutboundFault> {
        let client = &self.app.0.oidc_http;
        let token = self.provider.access_token(self.app, None).await?;
        let answer = outbound::call(client, method.clone(), url.clone(), &token).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let fresh = self.provider.access_token(self.app, Some(&token)).await?;
        outbound::call(client, method, url, &fresh).await
    }
}

impl Answer {
    /// When it wants us to come again, if it says so.
    fn wait(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let wait = management::wait(self.retry_after.as_deref(), self.reset.as_deref(), now);
        wait.filter(|_| matches!(self.status, 429 | 503))
    }
}

impl OutboundFault {
    const fn wait(&self) -> Option<TimeDelta> {
        match self {
            Self::NotNow(wait) => Some(*wait),
            _ => None,
        }
    }
}

/// Access tokens for the Management API, kept until shortly before they expire.
#[derive(Default)]
pub(super) struct AccessTokens(tokio::sync::Mutex<Option<(String, DateTime<Utc>)>>);

impl Provider {
    /// An access token, other than the one that was not taken.
    async fn access_token(&self, app: &App, not: Option<&str>) -> Result<String, OutboundFault> {
        let now = app.now();
        let mut kept = self.access_tokens.0.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && now < *until
            && Some(token.as_str()) != not
        {
            return Ok(token.clone());
        }
        let management = self.settings.management.as_ref().ok_or(OutboundFault::Header)?;
        let url = management::token_endpoint(&management.url).ok_or(OutboundFault::Header)?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", management.client_id.as_str()),
            ("client_secret", management.client_secret.expose()),
            ("audience", management.audience.as_str()),
        ];
        let answer = outbound::submit(&app.0.oidc_http, url, &fields).await?;
        if let Some(wait) = answer.wait(now) {
            return Err(OutboundFault::NotNow(wait));
        }
        if answer.status != 200 {
            return Err(OutboundFault::Status(answer.status));
        }
        let (token, good_for) = management::access_token(&answer.body).ok_or(OutboundFault::NoToken)?;
        *kept = Some((token.clone(), now + good_for - TimeDelta::minutes(1)));
        Ok(token)
    }
}
