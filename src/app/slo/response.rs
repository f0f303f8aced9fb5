//! An identity provider answers our own LogoutRequest through the browser.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::arrival::Arrival;
use super::{FrontReply, Refused};
use crate::app::legs::{Affair, Move};
use crate::app::registry::{KnownIdp, Snapshot};
use crate::app::{App, Fault, notify};
use crate::logout::outcome::Answer;
use crate::logout::step::Event;
use crate::saml::binding::Received;
use crate::saml::logout_response::LogoutResponse;
use crate::saml::message::Message as _;
use crate::saml::names::{EntityId, MessageId};
use crate::saml::open::Unopened;
use crate::saml::refusal::Refusal;
use crate::saml::signature::Verified;
use crate::store::legs::LegRow;
use crate::store::{audit, identity_providers, legs as stored, open_requests};

/// Takes a LogoutResponse: only the answer to an open request of ours, from whom it was sent to,
/// counts (SLO-50).
pub(super) async fn response(app: &App, arrival: Arrival, received: &Arc<Received>) -> FrontReply {
    let refused = |issuer: Option<&EntityId>, id: Option<&MessageId>, refusal| {
        FrontReply::Refused(app.plain_refused(arrival, issuer, id, refusal))
    };
    let mut snapshot = app.0.registry.snapshot();
    let mut renewed = false;
    loop {
        let now = app.now();
        let (own, octets, idps) = (app.clone(), Arc::clone(received), Arc::clone(&snapshot));
        let work = move || open(&own, &octets, &idps, now);
        let (issuer, id, opened) = match app.0.heavy.read(arrival.source, received, work).await {
            Ok(read) => read,
            Err(refusal) => return refused(None, None, refusal),
        };
        let renewal = match &opened {
            Ok(_) => false,
            Err(refusal) => matches!(refusal, Refusal::IssuerUnknown | Refusal::SignatureInvalid),
        };
        if renewal && !renewed && app.0.registry.may_renew(now) {
            renewed = true;
            if let Ok(fresh) = app.renewed().await {
                snapshot = fresh;
                continue;
            }
        }
        let (idp, response) = match opened {
            Ok(opened) => opened,
            Err(refusal) => return refused(Some(&issuer), Some(&id), refusal),
        };
        if let Err(refusal) = app.second_opinion(&idp, response.case(), arrival.whence(&id)).await {
            return refused(Some(&issuer), Some(&id), refusal);
        }
        return match app.patiently(answered(app, arrival, &idp, &response, now)).await {
            Ok(Answered::Reply(reply)) => reply,
            Ok(Answered::Unasked) => refused(Some(&issuer), Some(&id), Refusal::NotRequested),
            Ok(Answered::Stale) if !renewed => {
                renewed = true;
                if let Ok(fresh) = app.renewed().await {
                    snapshot = fresh;
                }
                continue;
            }
            Ok(Answered::Stale) => refused(Some(&issuer), Some(&id), Refusal::SignatureInvalid),
            Err(fault) => FrontReply::Refused(Refused {
                status: 503,
                public_text: "The answer could not be processed. Please reload this page.",
                rule: "row f",
                incident: app.fault("taking a LogoutResponse", &fault),
            }),
        };
    }
}

/// What was opened of a LogoutResponse, and with whose keys.
type Opened = Result<(Arc<KnownIdp>, Verified<LogoutResponse>), Refusal>;

/// Reads a LogoutResponse and opens it with the keys of the identity provider it names.
fn open(
    app: &App,
    received: &Received,
    snapshot: &Snapshot,
    now: DateTime<Utc>,
) -> Result<(EntityId, MessageId, Opened), Refusal> {
    let unopened = Unopened::<LogoutResponse>::read(received)?;
    let (issuer, id) = (unopened.issuer().clone(), unopened.id().clone());
    let opened = match snapshot.find(issuer.as_str()).cloned() {
        None => Err(Refusal::IssuerUnknown),
        Some(idp) => {
            app.debug_message(&idp, received);
            let response = unopened.open(&idp.keys, Some(&app.0.me.slo), &idp.limits, now);
            response.map(|response| (idp, response))
        }
    };
    Ok((issuer, id, opened))
}

enum Answered {
    Reply(FrontReply),
    /// No request of ours waits for it.
    Unasked,
    /// The identity provider has changed since its keys were read.
    Stale,
}

/// Takes the answer, in one transaction, and says what comes next.
async fn answered(
    app: &App,
    arrival: Arrival,
    idp: &KnownIdp,
    response: &Verified<LogoutResponse>,
    now: DateTime<Utc>,
) -> Result<Answered, Fault> {
    let Some(request) = response.message().in_response_to() else { return Ok(Answered::Unasked) };
    let mut tx = app.begin().await?;
    if identity_providers::hold(&mut tx, idp.id).await? != Some(idp.version) {
        return Ok(Answered::Stale);
    }
    let Some((logout, leg)) = open_requests::leg_of_logout(&mut tx, request, idp.id, now).await? else {
        return Ok(Answered::Unasked);
    };
    let Some(affair) = Affair::lock(&mut tx, logout).await? else { return Ok(Answered::Unasked) };
    if !open_requests::take_logout(&mut tx, request).await? {
        return Ok(Answered::Unasked);
    }
    let status = response.message().status();
    let event = Event::Answered { leg, answer: Answer::of(status), browser: true };
    let browser = affair.legs.iter().find(|known| known.id == leg).map(LegRow::led_by);
    let step = affair.logout(&app.0.registry.snapshot(), browser).step(event, now);
    let legs: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    let next = app.save(&mut tx, &affair, step, now).await?;
    if matches!(next, Move::Ignored) {
        return Ok(Answered::Unasked);
    }
    stored::note_answer(&mut tx, leg, &status.to_string(), now).await?;
    audit::add(&mut tx, &arrival.accepted(idp, &response.message().head().id, now)).await?;
    tx.commit().await?;
    tracing::info!(logout.id = logout.0, idp = idp.slug, message.id = %response.message().head().id,
        status = %status, "the identity provider answered");
    if let Move::Ask(asking) = &next
        && let Some(outbound) = app.send(asking)?
    {
        return Ok(Answered::Reply(FrontReply::Send(outbound)));
    }
    let counted = notify::logout::heard(app, logout).await?;
    Ok(Answered::Reply(match app.destination(&affair.row, legs, counted) {
        Ok(handle) => FrontReply::Page { handle },
        Err(target) => FrontReply::Return(target),
    }))
}
