//! The identity provider says "over", or answers our own LogoutRequest.

mod arrival;
mod reply;
mod response;

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::app::registry::{KnownIdp, Snapshot};
use crate::app::send::Answering;
use crate::app::{App, DATABASE_PATIENCE, Fault, SOAP_PATH, Visitor, notify};
use crate::logout::step::{ANSWER_WITHIN, RESUME_WITHIN};
use crate::saml::binding::encode::{FaultCode, soap_fault};
use crate::saml::binding::{Parameter, Received, post, redirect, soap};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::message::Message as _;
use crate::saml::names::{Binding, EntityId, MessageId, RelayState};
use crate::saml::open::{self, Unopened};
use crate::saml::refusal::{Refusal, Row};
use crate::saml::signature::Verified;
use crate::saml::status::{SecondLevel, Status, TopLevel};
use crate::store::receive_logout::{self, RecordedStatus, Verdict};
use crate::store::{StoreError, audit};
use arrival::Arrival;
pub use reply::{FrontReply, LocalPage, Refused, SoapReply};
use response::response;

/// What a LogoutRequest came to; each kind has one answer.
enum Judged {
    /// Authentic: a LogoutResponse of this status.
    Answer {
        idp: Arc<KnownIdp>,
        request: Box<Verified<LogoutRequest>>,
        status: Status,
        /// Whether what was asked for is known to be over.
        ended: bool,
    },
    /// Not authentic, from a known identity provider: denied (row g).
    Denied { idp: Arc<KnownIdp>, id: MessageId, plain: Refused },
    /// No SAML answer.
    Plain { refusal: Refusal, plain: Refused },
}

/// A LogoutRequest read against one copy of the identity providers.
enum Read {
    Authentic(Arc<KnownIdp>, Box<Verified<LogoutRequest>>),
    /// Authentic, but not to be executed (rows j, k, m).
    Wrong(Arc<KnownIdp>, Box<Verified<LogoutRequest>>, Refusal),
    /// Not known to be authentic.
    Unproved {
        idp: Option<Arc<KnownIdp>>,
        issuer: Option<EntityId>,
        id: Option<MessageId>,
        refusal: Refusal,
    },
}

/// Takes a LogoutRequest or LogoutResponse over HTTP-Redirect: the query exactly as it came.
pub async fn receive_redirect(app: &App, visitor: &Visitor, raw_query: &str) -> FrontReply {
    let arrival = Arrival::front(Binding::Redirect, visitor, raw_query.as_bytes());
    front(app, arrival, redirect::decode(raw_query)).await
}

/// Takes a LogoutRequest or LogoutResponse over HTTP-POST: the form exactly as it came.
pub async fn receive_post(app: &App, visitor: &Visitor, body: &[u8]) -> FrontReply {
    let arrival = Arrival::front(Binding::Post, visitor, body);
    front(app, arrival, post::decode(body)).await
}

/// Takes a LogoutRequest over SOAP: the body exactly as it came.
pub async fn receive_soap(app: &App, source: IpAddr, body: &[u8]) -> SoapReply {
    let arrival =
        Arrival { endpoint: SOAP_PATH, binding: Binding::Soap, source, digest: openssl::sha::sha256(body) };
    let judged = match soap::decode(body, Parameter::SamlRequest) {
        Ok(received) => judge(app, arrival, &Arc::new(received)).await,
        Err(refusal) => app.plain(arrival, None, None, refusal),
    };
    let answer = match &judged {
        Judged::Answer { idp, request, status, .. } => {
            app.soap_answer(idp, Answering::Verified(request, status))
        }
        Judged::Denied { idp, id, .. } if app.may_deny(&judged) => {
            app.soap_answer(idp, Answering::Unverified(id))
        }
        // BIND-29: the exchange as a whole is refused.
        Judged::Denied { .. } => return SoapReply { status: 403, body: String::new() },
        Judged::Plain { refusal, .. } => return soap_refusal(*refusal),
    };
    answer.map_or_else(
        |fault| {
            app.fault("answering a LogoutRequest over SOAP", &fault);
            SoapReply { status: 500, body: soap_fault(FaultCode::Server, "The answer could not be made.") }
        },
        |body| SoapReply { status: 200, body },
    )
}

/// What goes back over SOAP when there is no SAML answer (BIND-28, BIND-29).
fn soap_refusal(refusal: Refusal) -> SoapReply {
    if matches!(refusal.row(), Row::H | Row::I) {
        return SoapReply { status: 403, body: String::new() };
    }
    let code = match refusal {
        Refusal::MustUnderstand => FaultCode::MustUnderstand,
        Refusal::NotSoap => FaultCode::VersionMismatch,
        _ => FaultCode::Client,
    };
    SoapReply { status: 500, body: soap_fault(code, refusal.public_text()) }
}

async fn front(app: &App, arrival: Arrival, decoded: Result<Received, Refusal>) -> FrontReply {
    match decoded {
        Err(refusal) => FrontReply::Refused(app.plain_refused(arrival, None, None, refusal)),
        Ok(received) if received.parameter == Parameter::SamlResponse => {
            response(app, arrival, &Arc::new(received)).await
        }
        Ok(received) => {
            let received = Arc::new(received);
            let judged = judge(app, arrival, &received).await;
            front_answer(app, &judged, received.relay_state.as_ref())
        }
    }
}

/// The one answer to a LogoutRequest through the browser.
fn front_answer(app: &App, judged: &Judged, relay_state: Option<&RelayState>) -> FrontReply {
    let may_deny = app.may_deny(judged);
    let (idp, answering, plain) = match judged {
        Judged::Plain { plain, .. } => return FrontReply::Refused(plain.clone()),
        Judged::Denied { plain, .. } if !may_deny => return FrontReply::Refused(plain.clone()),
        Judged::Denied { idp, id, plain } => (idp, Answering::Unverified(id), Some(plain)),
        Judged::Answer { idp, request, status, .. } => (idp, Answering::Verified(request, status), None),
    };
    let ended = matches!(judged, Judged::Answer { ended: true, .. });
    match (app.front_answer(idp, answering, relay_state), plain) {
        (Ok(Some(outbound)), _) => FrontReply::Send(outbound),
        (_, Some(plain)) => FrontReply::Refused(plain.clone()),
        // SLO-19: the sessions are over, but there is nowhere to say so.
        (Ok(None), None) => FrontReply::LocalPage(LocalPage { idp: idp.name.clone(), ended }),
        (Err(fault), None) => {
            app.fault("answering a LogoutRequest", &fault);
            FrontReply::LocalPage(LocalPage { idp: idp.name.clone(), ended })
        }
    }
}

/// Reads, authenticates and executes a LogoutRequest. If the copy of the identity providers turns
/// out to be old, it is renewed, once, and everything is done again.
async fn judge(app: &App, arrival: Arrival, received: &Arc<Received>) -> Judged {
    let mut snapshot = app.0.registry.snapshot();
    let mut renewed = false;
    loop {
        let now = app.now();
        let (own, octets, idps) = (app.clone(), Arc::clone(received), Arc::clone(&snapshot));
        let work = move || read(&own, arrival.binding, &octets, &idps, now);
        let read = app.0.heavy.read(arrival.source, received, work).await;
        match confirmed(app, arrival, read).await {
            Read::Authentic(idp, request) => {
                let verdict = execute(app, arrival, &idp, &request, now).await;
                if matches!(verdict, Ok(Verdict::Stale)) && !renewed {
                    renewed = true;
                    if let Ok(fresh) = app.renewed().await {
                        snapshot = fresh;
                        continue;
                    }
                }
                let verdict = app.concluded(verdict).await;
                return app.executed(arrival, idp, request, verdict);
            }
            Read::Wrong(idp, request, refusal) => {
                let id = &request.message().head().id;
                app.plain_refused(arrival, Some(&idp.entity_id), Some(id), refusal);
                return Judged::Answer { idp, request, status: status_of(refusal), ended: false };
            }
            Read::Unproved { idp, issuer, id, refusal } => {
                // A key or an identity provider that another node has added is worth one look.
                let worth = refusal == Refusal::IssuerUnknown || refusal == Refusal::SignatureInvalid;
                if worth && !renewed && app.0.registry.may_renew(now) {
                    renewed = true;
                    if let Ok(fresh) = app.renewed().await
                        && !Arc::ptr_eq(&fresh, &snapshot)
                    {
                        snapshot = fresh;
                        continue;
                    }
                }
                let plain = app.plain_refused(arrival, issuer.as_ref(), id.as_ref(), refusal);
                return match (idp, id) {
                    (Some(idp), Some(id)) if refusal.row() == Row::G => Judged::Denied { idp, id, plain },
                    _ => Judged::Plain { refusal, plain },
                };
            }
        }
    }
}

/// Reads a LogoutRequest and opens it with the keys of the identity provider it names.
fn read(app: &App, binding: Binding, received: &Received, snapshot: &Snapshot, now: DateTime<Utc>) -> Read {
    let unopened = match Unopened::<LogoutRequest>::read(received) {
        Ok(unopened) => unopened,
        Err(refusal) => return Read::Unproved { idp: None, issuer: None, id: None, refusal },
    };
    let (issuer, id) = (unopened.issuer().clone(), unopened.id().clone());
    let Some(idp) = snapshot.find(issuer.as_str()).cloned() else {
        let refusal = Refusal::IssuerUnknown;
        return Read::Unproved { idp: None, issuer: Some(issuer), id: Some(id), refusal };
    };
    app.debug_message(&idp, received);
    let me = if binding == Binding::Soap { &app.0.me.soap } else { &app.0.me.slo };
    match unopened.decrypting_with(&app.0.decryption).open(&idp.keys, me, &idp.limits, now) {
        Ok(request) => Read::Authentic(idp, Box::new(request)),
        Err(open::Refused { refusal, authentic: Some(request) }) => Read::Wrong(idp, request, refusal),
        Err(open::Refused { refusal, authentic: None }) => {
            Read::Unproved { idp: Some(idp), issuer: Some(issuer), id: Some(id), refusal }
        }
    }
}

/// What is authentic is shown to the second engine; what that does not confirm may be as good as
/// not authentic.
async fn confirmed(app: &App, arrival: Arrival, read: Read) -> Read {
    let (Read::Authentic(idp, request) | Read::Wrong(idp, request, _)) = &read else { return read };
    let id = &request.message().head().id;
    match app.second_opinion(idp, request.case(), arrival.whence(id)).await {
        Ok(()) => read,
        Err(refusal) => Read::Unproved {
            issuer: Some(idp.entity_id.clone()),
            id: Some(id.clone()),
            idp: Some(Arc::clone(idp)),
            refusal,
        },
    }
}

/// Rows a to d, and f: the one statement that ends sessions. It may be repeated: the second time it
/// finds itself.
async fn execute(
    app: &App,
    arrival: Arrival,
    idp: &KnownIdp,
    request: &Verified<LogoutRequest>,
    now: DateTime<Utc>,
) -> Result<Verdict, StoreError> {
    let message = request.message();
    // Opening it has made sure that there is a NameID.
    let Ok(name_id) = message.name_id() else { return Ok(Verdict::Conflict) };
    let handle = app.0.entropy.handle_128().unwrap_or_default();
    let received = receive_logout::Received {
        now,
        idp: idp.id,
        version: idp.version,
        principal: name_id.principal_key(&idp.entity_id, &app.0.me.entity_id),
        message_id: &message.head().id,
        digest: request.content_digest(),
        issue_instant: message.issue_instant(),
        session_indexes: message.session_indexes(),
        reason: message.reason(),
        bar_until: app.bar_until(now),
        idle_since: now - app.0.settings.session.idle,
        unknown_is_success: idp.policy.unknown_principal_is_success,
        handle: &handle,
        deadline: now + ANSWER_WITHIN,
        resume_until: now + RESUME_WITHIN,
        endpoint: arrival.endpoint,
        binding: arrival.binding.as_str(),
        issuer: idp.entity_id.as_str(),
        raw_digest: &arrival.digest,
    };
    let tries = async {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut lane = app.0.lanes.take(&app.0.pool).await?;
            match receive_logout::receive(&mut lane.connection, &received).await {
                Ok(verdict) => {
                    app.0.lanes.keep(lane);
                    return Ok(verdict);
                }
                Err(error) if error.is_connection_lost() && attempt < 3 => app.0.lanes.clear(),
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(DATABASE_PATIENCE, tries).await.unwrap_or(Err(StoreError::Late))
}

impl App {
    /// Waits for the applications that count, where the status hangs on them (row e). Without them there
    /// is nothing to wait for.
    async fn concluded(&self, verdict: Result<Verdict, StoreError>) -> Result<Verdict, StoreError> {
        let mut verdict = verdict?;
        if let Verdict::Executed { queued, told, status: known, .. } = &verdict {
            self.session_ended();
            // What the status hangs on is done here and now.
            if *queued > 0 && known.is_some() {
                self.0.outbox_bell.notify_one();
            }
            if *told > 0 && known.is_some() {
                self.0.notify_bell.notify_one();
            }
        }
        if let Verdict::Executed { logout, status, .. } | Verdict::Duplicate { logout, status } = &mut verdict
            && status.is_none()
        {
            match self.patiently(notify::logout::conclude(self, *logout)).await {
                Ok(decided) => *status = Some(decided),
                // The sessions are over; what the applications know is not known.
                Err(fault) => {
                    self.fault("deciding the status of a logout", &fault);
                }
            }
        }
        Ok(verdict)
    }

    /// What an executed LogoutRequest is answered with.
    fn executed(
        &self,
        arrival: Arrival,
        idp: Arc<KnownIdp>,
        request: Box<Verified<LogoutRequest>>,
        verdict: Result<Verdict, StoreError>,
    ) -> Judged {
        let id = &request.message().head().id;
        let (status, ended) = match verdict {
            Ok(Verdict::Executed { row, status, sessions, queued, logout, told }) => {
                tracing::info!(
                    logout.id = logout.0, idp = idp.slug, message.id = %id, ?row, sessions, queued, told,
                    ?status, "logout executed"
                );
                (recorded(status), true)
            }
            Ok(Verdict::Duplicate { status, .. }) => {
                self.note(
                    arrival,
                    Some(&idp.entity_id),
                    Some(id),
                    audit::Verdict::Duplicate,
                    "SLO-24",
                    "a duplicate",
                );
                (recorded(status), true)
            }
            Ok(Verdict::Conflict) => {
                self.plain_refused(arrival, Some(&idp.entity_id), Some(id), Refusal::IdReused);
                (status_of(Refusal::IdReused), false)
            }
            // Row f: nothing is known to have ended.
            Ok(Verdict::Stale) => (Status::new(TopLevel::Responder, None), false),
            Err(error) => {
                self.fault("executing a LogoutRequest", &Fault::Store(error));
                self.note(
                    arrival,
                    Some(&idp.entity_id),
                    Some(id),
                    audit::Verdict::Refused,
                    "row f",
                    "a fault of ours",
                );
                (Status::new(TopLevel::Responder, None), false)
            }
        };
        Judged::Answer { idp, request, status, ended }
    }

    fn plain(
        &self,
        arrival: Arrival,
        issuer: Option<&EntityId>,
        id: Option<&MessageId>,
        refusal: Refusal,
    ) -> Judged {
        Judged::Plain { refusal, plain: self.plain_refused(arrival, issuer, id, refusal) }
    }

    /// Whether there is budget for a signed denial (row g): strangers who use an identity provider's
    /// name cannot make us sign without end.
    fn may_deny(&self, judged: &Judged) -> bool {
        match judged {
            Judged::Denied { idp, .. } => self.0.denials.take(idp.entity_id.as_str(), self.now()),
            _ => false,
        }
    }
}

/// The status as it is sent. One that could not be decided is partial: unknown is not Success.
const fn recorded(status: Option<RecordedStatus>) -> Status {
    match status {
        Some(RecordedStatus::Success) => Status::success(),
        Some(RecordedStatus::UnknownPrincipal) => {
            Status::new(TopLevel::Requester, Some(SecondLevel::UnknownPrincipal))
        }
        Some(RecordedStatus::PartialLogout) | None => {
            Status::new(TopLevel::Responder, Some(SecondLevel::PartialLogout))
        }
    }
}

/// What an authentic request that is not executed is answered with (rows j, k and m).
fn status_of(refusal: Refusal) -> Status {
    match (refusal.row(), refusal) {
        (Row::K, Refusal::VersionTooHigh) => {
            Status::new(TopLevel::VersionMismatch, Some(SecondLevel::RequestVersionTooHigh))
        }
        // TooHigh is defined for a higher major version only (VAL-06).
        (Row::K, _) => Status::new(TopLevel::VersionMismatch, None),
        (Row::M, _) => Status::new(TopLevel::Requester, Some(SecondLevel::UnknownPrincipal)),
        _ => Status::new(TopLevel::Requester, None),
    }
}
