//! Sign-in, second half: a Response arrives at the assertion consumer service.

mod arrival;
mod story;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::app::registry::{KnownIdp, Snapshot};
use crate::app::{App, ReturnTarget, SessionToken, Visitor};
use crate::saml::binding::{Received, post};
use crate::saml::names::{EntityId, MessageId};
use crate::saml::open::Unopened;
use crate::saml::refusal::Refusal;
use crate::saml::response::Response;
use crate::saml::second_opinion::Case;
use crate::saml::sign_in::SignIn;
use arrival::Arrival;
use story::{Opened, Story};

/// Somebody is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The value of the session cookie: new at every sign-in.
    pub session: SessionToken,
    /// Where to go now.
    pub to: ReturnTarget,
}

/// Nobody was signed in. The page that says so is bland; the log has the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcsRefused {
    /// The HTTP status: 400, or 503 for a fault of ours.
    pub status: u16,
    /// The text for the person.
    pub public_text: &'static str,
    /// The rule that was broken, for the small print.
    pub rule: &'static str,
    /// Under this the log and the audit know it.
    pub incident: String,
    /// A logout covers this assertion: "you are signed out; sign in again" (SLO-20).
    pub signed_out: bool,
    /// The slug of the identity provider concerned, to sign in again with; only with `signed_out`.
    pub idp: Option<String>,
}

/// Takes a Response over HTTP-POST: the form exactly as it came. Which session it belongs to is
/// what the open request says, re-checked under lock; the session cookie plays no part, because it
/// does not come along with an identity provider's cross-site POST.
///
/// # Errors
/// [`AcsRefused`]; nobody is signed in.
pub async fn receive(app: &App, visitor: &Visitor, body: &[u8]) -> Result<SignedIn, AcsRefused> {
    let digest = openssl::sha::sha256(body);
    let arrival = Arrival { visitor, digest };
    let received = post::decode(body).map_err(|refusal| arrival.refused(app, None, refusal))?;
    let received = Arc::new(received);
    let mut snapshot = app.0.registry.snapshot();
    let mut renewed = false;
    loop {
        let now = app.now();
        let (own, octets, idps) = (app.clone(), Arc::clone(&received), Arc::clone(&snapshot));
        let judged =
            app.0.heavy.read(visitor.address, &received, move || judge(&own, &octets, &idps, now)).await;
        let renewal = match &judged {
            Judged::Good(..) => false,
            Judged::Bad(_, refusal) => {
                matches!(refusal, Refusal::IssuerUnknown | Refusal::SignatureInvalid | Refusal::IdpClosed)
            }
        };
        if renewal && !renewed && app.0.registry.may_renew(now) {
            renewed = true;
            if let Ok(fresh) = app.renewed().await {
                snapshot = fresh;
                continue;
            }
        }
        let (idp, sign_in, case) = match judged {
            Judged::Good(idp, sign_in, case) => (idp, sign_in, case),
            Judged::Bad(claimed, refusal) => return Err(arrival.refused(app, claimed.as_ref(), refusal)),
        };
        if let Err(refusal) = app.second_opinion(&idp, case, arrival.whence(&sign_in.assertion_id)).await {
            return Err(arrival.refused_of(app, &idp, &sign_in, refusal, refusal.rule()));
        }
        let story = Story {
            app,
            arrival,
            idp: &idp,
            sign_in: &sign_in,
            relay_state: received.relay_state.as_ref(),
            now,
        };
        match app.patiently(story.open_session()).await {
            Ok(Opened::Session(signed_in)) => return Ok(signed_in),
            Ok(Opened::Stale) if !renewed => {
                renewed = true;
                if let Ok(fresh) = app.renewed().await {
                    snapshot = fresh;
                }
            }
            Ok(Opened::Stale) => {
                return Err(arrival.refused_of(app, &idp, &sign_in, Refusal::IdpClosed, "SSO-26"));
            }
            Ok(Opened::Refused(refusal, rule)) => {
                return Err(arrival.refused_of(app, &idp, &sign_in, refusal, rule));
            }
            Err(fault) => {
                return Err(AcsRefused {
                    status: 503,
                    public_text: "Signing in is not possible at the moment. Please try again.",
                    rule: "row f",
                    incident: app.fault("signing somebody in", &fault),
                    signed_out: false,
                    idp: None,
                });
            }
        }
    }
}

/// What a Response is worth by itself.
enum Judged {
    Good(Arc<KnownIdp>, Box<SignIn>, Option<Case>),
    Bad(Option<Claimed>, Refusal),
}

/// Who claims to have sent it, for the audit.
struct Claimed {
    issuer: EntityId,
    id: MessageId,
}

fn judge(app: &App, received: &Received, snapshot: &Snapshot, now: DateTime<Utc>) -> Judged {
    let unopened = match Unopened::<Response>::read(received) {
        Ok(unopened) => unopened,
        Err(refusal) => return Judged::Bad(None, refusal),
    };
    let claimed = Claimed { issuer: unopened.issuer().clone(), id: unopened.id().clone() };
    let Some(idp) = snapshot.find(claimed.issuer.as_str()).cloned() else {
        return Judged::Bad(Some(claimed), Refusal::IssuerUnknown);
    };
    app.debug_message(&idp, received);
    let me = &app.0.me;
    let opened = unopened
        .decrypting_with(&app.0.decryption)
        .open(&idp.keys, &me.acs, idp.policy.require_signed_response, &idp.limits, now)
        .and_then(|response| {
            let sign_in = SignIn::judge(&response, &me.acs, &me.entity_id, &idp.limits, now)?;
            Ok((sign_in, response.case()))
        });
    match opened {
        Ok((sign_in, _)) if !idp.may_sign_in(now) => {
            drop(sign_in);
            Judged::Bad(Some(claimed), Refusal::IdpClosed)
        }
        // Within the tolerated skew, but a session that is over before it begins helps nobody.
        Ok((sign_in, _)) if sign_in.session_not_on_or_after.is_some_and(|end| end <= now) => {
            Judged::Bad(Some(claimed), Refusal::SessionOver)
        }
        Ok((sign_in, case)) => Judged::Good(idp, Box::new(sign_in), case),
        Err(refusal) => Judged::Bad(Some(claimed), refusal),
    }
}
