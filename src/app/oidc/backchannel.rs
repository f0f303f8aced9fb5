//! A provider says that a session of its own is over: OpenID Connect Back-Channel Logout 1.0.
//!
//! No cookie and no browser (OIDC-01). What the token names is ended whole, local first; the identity
//! providers of the same sessions are told over SOAP, or wait for the browser to come by. The token
//! also bars sign-ins that speak of the same session, so that none outlives it that was under way.
//!
//! A session that we have ended ourselves comes back to us as a token, because its end at the provider
//! was our doing: then there is nothing left to end, and nothing begins anew (OIDC-11).

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::sha::sha256;
use sqlx::PgConnection;

use super::BACKCHANNEL_PATH;
use super::providers::Provider;
use crate::app::legs::Affair;
use crate::app::logout::begin::{Telling, begin};
use crate::app::refusals::Refused;
use crate::app::registry::Snapshot;
use crate::app::{App, Fault};
use crate::auth0::jwt::{JwtRefusal, Unverified};
use crate::auth0::logout_token::{LogoutToken, LogoutTokenRefusal, Target};
use crate::logout::plan::{Browser, Trigger};
use crate::logout::step::Event;
use crate::store::logouts::NewLogout;
use crate::store::oidc::{self, Subject};
use crate::store::{LogoutId, audit, legs, principals, sessions};

/// For how long a token without a sid bars ID tokens that were issued before it.
pub(super) const SUBJECT_BAR: TimeDelta = TimeDelta::minutes(15);

/// Why a logout token ended nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackchannelRefused {
    /// It is no good: HTTP 400 (OIDC-09).
    Token(BackchannelRefusal),
    /// A fault of ours: the provider may send it again.
    Unavailable,
}

/// Why a logout token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackchannelRefusal {
    /// No provider of that issuer is set up.
    #[error("no OpenID provider of that issuer is set up")]
    IssuerUnknown,
    /// There is no `logout_token`.
    #[error("there is no logout_token")]
    Missing,
    /// Its session is another person's.
    #[error("that session is of another person")]
    Mismatch,
    /// The provider's keys are not to be had.
    #[error("the provider's keys are not to be had at the moment")]
    NoKeys,
    /// The token itself.
    #[error(transparent)]
    Token(#[from] LogoutTokenRefusal),
}

impl BackchannelRefusal {
    /// The rule that was broken.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::IssuerUnknown => "OIDC-03",
            Self::Missing => "OIDC-01",
            Self::Mismatch => "OIDC-04",
            Self::NoKeys => "OIDC-02",
            Self::Token(refusal) => refusal.rule(),
        }
    }
}

impl BackchannelRefusal {
    /// What whoever sent it may know: enough to mend an honest mistake, and nothing of ours.
    #[must_use]
    pub const fn public_text(self) -> &'static str {
        match self {
            Self::Missing => "a logout_token in a form is expected",
            Self::IssuerUnknown | Self::Mismatch | Self::NoKeys | Self::Token(_) => {
                "the logout token was refused"
            }
        }
    }
}

/// Takes a logout token; done when this returns (OIDC-09): all that it means is over, whether by it or
/// before.
///
/// # Errors
/// [`BackchannelRefused`].
pub async fn receive(app: &App, source: IpAddr, token: Option<&str>) -> Result<(), BackchannelRefused> {
    let refused = |issuer: Option<&str>, refusal: BackchannelRefusal| {
        app.refuse(&Refused {
            endpoint: BACKCHANNEL_PATH,
            binding: None,
            issuer,
            message_id: None,
            digest: sha256(token.unwrap_or_default().as_bytes()),
            verdict: audit::Verdict::Refused,
            rule: refusal.rule(),
            source: Some(source),
            detail: refusal.to_string(),
        });
        BackchannelRefused::Token(refusal)
    };
    let Some(text) = token else { return Err(refused(None, BackchannelRefusal::Missing)) };
    let unverified =
        Unverified::read(text).map_err(|jwt| refused(None, LogoutTokenRefusal::from(jwt).into()))?;
    let claimed = unverified.claimed_issuer();
    let issuer = claimed.as_deref();
    let provider =
        find(app, &unverified, issuer).ok_or_else(|| refused(issuer, BackchannelRefusal::IssuerUnknown))?;
    let opened = open(app, &provider, &unverified).await;
    let opened = match opened {
        Ok(opened) => opened,
        // Not the token's fault: the provider had better send it again.
        Err(refusal @ BackchannelRefusal::NoKeys) => {
            refused(issuer, refusal);
            return Err(BackchannelRefused::Unavailable);
        }
        Err(refusal) => return Err(refused(issuer, refusal)),
    };
    let ended = app.patiently(end(app, &provider, &opened, sha256(text.as_bytes()))).await;
    match ended {
        Ok(Ended::Done { logouts }) => {
            if !logouts.is_empty() {
                app.session_ended();
                app.0.outbox_bell.notify_one();
            }
            app.0.notify_bell.notify_one();
            Ok(())
        }
        Ok(Ended::Mismatch) => Err(refused(issuer, BackchannelRefusal::Mismatch)),
        Err(fault) => {
            app.fault("acting on a logout token", &fault);
            Err(BackchannelRefused::Unavailable)
        }
    }
}

/// The provider whose keys have to verify it. Where several registrations are at one issuer, the one
/// for which it claims to be.
fn find(app: &App, unverified: &Unverified<'_>, issuer: Option<&str>) -> Option<Arc<Provider>> {
    let ours = |provider: &&Arc<Provider>| Some(provider.settings.issuer.as_str()) == issuer;
    let all = || app.0.providers.all().iter().filter(ours);
    let meant = all().find(|provider| unverified.claims_audience(&provider.settings.client_id));
    meant.or_else(|| all().next()).cloned()
}

async fn open(
    app: &App,
    provider: &Provider,
    unverified: &Unverified<'_>,
) -> Result<LogoutToken, BackchannelRefusal> {
    let known = provider.known(app).await.map_err(|fault| {
        tracing::error!(provider = provider.settings.name, "a logout token cannot be verified: {fault}");
        BackchannelRefusal::NoKeys
    })?;
    let registered = app.registered(&provider.settings);
    let mut opened = LogoutToken::open(unverified, &registered, &known.keys, app.now());
    if matches!(opened, Err(LogoutTokenRefusal::Jwt(JwtRefusal::UnknownKey)))
        && let Some(newer) = provider.newer(app, &known).await
    {
        opened = LogoutToken::open(unverified, &registered, &newer.keys, app.now());
    }
    Ok(opened?)
}

enum Ended {
    Done {
        logouts: Vec<LogoutId>,
    },
    /// A session there is not this person's, as far as we know: nothing was done (OIDC-04).
    Mismatch,
}

/// One transaction, in the order of locks: what the token names, principals, sessions, a logout for
/// each of them.
async fn end(app: &App, provider: &Provider, token: &LogoutToken, digest: [u8; 32]) -> Result<Ended, Fault> {
    let now = app.now();
    let issuer = provider.settings.issuer.as_str();
    let snapshot = app.renewed().await?;
    let mut tx = app.begin().await?;
    let (meant, subject) = lock(&mut tx, issuer, &token.target, now).await?;
    if let (Subject::Sid(sid), Some(subject)) = (meant, subject) {
        let known = oidc::subjects_of_sid(&mut tx, issuer, sid).await?;
        if !known.is_empty() && !known.iter().any(|known| known == subject) {
            return Ok(Ended::Mismatch);
        }
    }
    if !oidc::use_logout_token_once(&mut tx, issuer, sha256(token.jti.as_bytes()), token.remember_until)
        .await?
    {
        // OIDC-07: done before; a session that began since is not meant.
        tracing::info!(provider = provider.settings.name, "a logout token came twice");
        return Ok(Ended::Done { logouts: Vec::new() });
    }
    match meant {
        Subject::Sid(sid) => {
            oidc::bar_sid(&mut tx, issuer, sid, now + app.0.settings.session.max).await?;
        }
        Subject::Sub(sub) => {
            oidc::bar_sub(&mut tx, issuer, sub, token.issued_at, now + SUBJECT_BAR).await?;
        }
    }
    let mut sids = oidc::note_ended(&mut tx, issuer, meant, now).await?;
    if let Subject::Sid(sid) = meant {
        sids = vec![sid.to_owned()];
    }
    let logouts = end_sessions(app, &mut tx, &snapshot, issuer, meant, subject).await?;
    note_gone(app, &mut tx, &snapshot, issuer, meant).await?;
    let told =
        oidc::end_participations(&mut tx, issuer, &sids, "oidc", logouts.first().copied(), now).await?;
    audit::add(&mut tx, &entry(issuer, digest, logouts.len(), now)).await?;
    tx.commit().await?;
    app.session_ended();
    tracing::info!(
        provider = provider.settings.name,
        sessions = logouts.len(),
        participations = told,
        "a logout token was acted upon"
    );
    Ok(Ended::Done { logouts })
}

/// Locks what a token names; gives the one that decides, and the person if that is not the same.
async fn lock<'t>(
    conn: &mut PgConnection,
    issuer: &str,
    target: &'t Target,
    now: DateTime<Utc>,
) -> Result<(Subject<'t>, Option<&'t str>), Fault> {
    let (meant, subject) = match target {
        Target::Session { sid, subject } => (Subject::Sid(sid), subject.as_deref()),
        Target::Subject(subject) => (Subject::Sub(subject), None),
    };
    oidc::lock(conn, issuer, meant, now).await?;
    if let Some(subject) = subject {
        oidc::lock(conn, issuer, Subject::Sub(subject), now).await?;
    }
    Ok((meant, subject))
}

/// Ends every session that rests on it, each by a logout of its own, so that its browser finds its own
/// page and its own open legs.
async fn end_sessions(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    issuer: &str,
    meant: Subject<'_>,
    subject: Option<&str>,
) -> Result<Vec<LogoutId>, Fault> {
    // Of a session that the provider did not name when it began, it cannot be said that it is another.
    let open = oidc::open_sessions(conn, issuer, meant, subject).await?;
    principals::lock_of_sessions(conn, &open).await?;
    let mut logouts = Vec::new();
    for id in open {
        let Some(session) = sessions::lock(conn, id).await?.filter(|session| session.is_alive(app.alive()))
        else {
            continue;
        };
        let handle = app.0.entropy.handle_128()?;
        let new = NewLogout { handle: &handle, trigger: Trigger::Oidc, return_to: None };
        let telling = Telling::Through(Browser::Absent);
        logouts.push(begin(app, conn, snapshot, &session, new, telling, None).await?.id);
    }
    Ok(logouts)
}

/// Logouts that are about to end just this, or have asked for it, learn that it is over: so comes the
/// proof of what a browser or Auth0's promise alone did not prove.
async fn note_gone(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    issuer: &str,
    meant: Subject<'_>,
) -> Result<(), Fault> {
    let now = app.now();
    for (logout, leg) in legs::about(conn, issuer, meant).await? {
        let Some(affair) = Affair::lock(conn, logout).await? else { continue };
        let step = affair.logout(snapshot, None).step(Event::SeenGone { leg }, now);
        let _ = app.save(conn, &affair, step, now).await?;
    }
    Ok(())
}

fn entry(issuer: &str, digest: [u8; 32], sessions: usize, now: DateTime<Utc>) -> audit::Entry {
    audit::Entry {
        at: now,
        endpoint: BACKCHANNEL_PATH,
        binding: None,
        issuer: Some(issuer.to_owned()),
        message_id: None,
        digest: Some(digest),
        verdict: audit::Verdict::Accepted,
        rule: "OIDC-08",
        sessions: i32::try_from(sessions).unwrap_or(i32::MAX),
        count: 1,
        source: None,
        detail: None,
    }
}
