//! How a Response arrived, and what the log and the audit say of one that was refused.

use super::{AcsRefused, Claimed};
use crate::app::registry::KnownIdp;
use crate::app::second_opinion::Whence;
use crate::app::{ACS_PATH, App, Visitor, refusals};
use crate::saml::names::MessageId;
use crate::saml::refusal::Refusal;
use crate::saml::sign_in::SignIn;
use crate::store::audit;

/// How a Response arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) visitor: &'a Visitor,
    pub(super) digest: [u8; 32],
}

impl Arrival<'_> {
    pub(super) fn whence<'a>(&self, message_id: &'a MessageId) -> Whence<'a> {
        let source = Some(self.visitor.address);
        Whence { endpoint: ACS_PATH, binding: "post", message_id, digest: self.digest, source }
    }

    pub(super) fn refused(&self, app: &App, claimed: Option<&Claimed>, refusal: Refusal) -> AcsRefused {
        let (issuer, id) = claimed.map(|claimed| (claimed.issuer.as_str(), claimed.id.as_str())).unzip();
        self.refusal(app, issuer, id, refusal, refusal.rule())
    }

    pub(super) fn refused_of(
        &self,
        app: &App,
        idp: &KnownIdp,
        sign_in: &SignIn,
        refusal: Refusal,
        rule: &'static str,
    ) -> AcsRefused {
        let id = sign_in.assertion_id.as_str();
        let mut refused = self.refusal(app, Some(idp.entity_id.as_str()), Some(id), refusal, rule);
        refused.signed_out = refusal == Refusal::Barred;
        refused.idp = refused.signed_out.then(|| idp.slug.clone());
        refused
    }

    fn refusal(
        &self,
        app: &App,
        issuer: Option<&str>,
        message_id: Option<&str>,
        refusal: Refusal,
        rule: &'static str,
    ) -> AcsRefused {
        let incident = app.refuse(&refusals::Refused {
            endpoint: ACS_PATH,
            binding: Some("post"),
            issuer,
            message_id,
            digest: self.digest,
            verdict: audit::Verdict::Refused,
            rule,
            source: Some(self.visitor.address),
            detail: refusal.to_string(),
        });
        AcsRefused {
            status: 400,
            public_text: refusal.public_text(),
            rule,
            incident,
            signed_out: false,
            idp: None,
        }
    }
}
