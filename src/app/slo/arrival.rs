//! How a message arrived, and what the log and the audit say of it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::Refused;
use crate::app::registry::KnownIdp;
use crate::app::second_opinion::Whence;
use crate::app::{App, SLO_PATH, Visitor, refusals};
use crate::saml::names::{Binding, EntityId, MessageId};
use crate::saml::refusal::Refusal;
use crate::store::audit;

/// Where and how a message arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) endpoint: &'static str,
    pub(super) binding: Binding,
    pub(super) source: IpAddr,
    pub(super) digest: [u8; 32],
}

impl Arrival {
    pub(super) fn front(binding: Binding, visitor: &Visitor, octets: &[u8]) -> Self {
        Self { endpoint: SLO_PATH, binding, source: visitor.address, digest: openssl::sha::sha256(octets) }
    }

    pub(super) fn whence<'a>(&self, message_id: &'a MessageId) -> Whence<'a> {
        Whence {
            endpoint: self.endpoint,
            binding: self.binding.as_str(),
            message_id,
            digest: self.digest,
            source: Some(self.source),
        }
    }

    pub(super) fn accepted(&self, idp: &KnownIdp, id: &MessageId, now: DateTime<Utc>) -> audit::Entry {
        audit::Entry {
            at: now,
            endpoint: self.endpoint,
            binding: Some(self.binding.as_str()),
            issuer: Some(idp.entity_id.to_string()),
            message_id: Some(id.to_string()),
            digest: Some(self.digest),
            verdict: audit::Verdict::Accepted,
            rule: "SLO-50",
            sessions: 0,
            count: 1,
            source: None,
            detail: None,
        }
    }
}

impl App {
    /// Notes a refusal, and makes the plain page for it: HTTP 400, or 403 for an unknown identity
    /// provider (house decision on rows h, i, l and n).
    pub(super) fn plain_refused(
        &self,
        arrival: Arrival,
        issuer: Option<&EntityId>,
        id: Option<&MessageId>,
        refusal: Refusal,
    ) -> Refused {
        let rule = if refusal == Refusal::NotRequested { "SLO-50" } else { refusal.rule() };
        let detail = refusal.to_string();
        let incident = self.note(arrival, issuer, id, audit::Verdict::Refused, rule, &detail);
        Refused {
            status: if refusal == Refusal::IssuerUnknown { 403 } else { 400 },
            public_text: refusal.public_text(),
            rule,
            incident,
        }
    }

    pub(super) fn note(
        &self,
        arrival: Arrival,
        issuer: Option<&EntityId>,
        id: Option<&MessageId>,
        verdict: audit::Verdict,
        rule: &'static str,
        detail: &str,
    ) -> String {
        self.refuse(&refusals::Refused {
            endpoint: arrival.endpoint,
            binding: Some(arrival.binding.as_str()),
            issuer: issuer.map(EntityId::as_str),
            message_id: id.map(MessageId::as_str),
            digest: arrival.digest,
            verdict,
            rule,
            source: Some(arrival.source),
            detail: detail.to_owned(),
        })
    }
}
