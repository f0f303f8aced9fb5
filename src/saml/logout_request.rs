//! `<samlp:LogoutRequest>` as received (Core 3.7.1).

use chrono::{DateTime, Utc};

use super::binding::Parameter;
use super::encryption::{DecryptionKeys, Encrypted};
use super::instant::Instant;
use super::message::{Head, Limits, Message, fresh, instant, issuer, name_id, no_assertion, sole_message};
use super::names::{EntityId, NameId, SessionIndex};
use super::refusal::Refusal;
use super::second_opinion::Testimony;
use super::xml::{DS, Document, Node, SAML, SAMLP, Sequence};

/// A request to end sessions of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    head: Head,
    issuer: EntityId,
    not_on_or_after: Option<Instant>,
    reason: Option<String>,
    identifier: Identifier,
    session_indexes: Vec<SessionIndex>,
}

/// The identifier of a principal in one of the three forms of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// A NameID in clear.
    NameId(NameId),
    /// An EncryptedID that has not been decrypted.
    Encrypted(Box<Encrypted>),
    /// A BaseID, whose types are all unknown here.
    Base,
}

impl LogoutRequest {
    /// `Reason`, whatever it says; it changes nothing (SLO-25).
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// `IssueInstant`.
    #[must_use]
    pub const fn issue_instant(&self) -> DateTime<Utc> {
        self.head.issue_instant.at
    }

    /// The principal whose sessions are to end.
    ///
    /// # Errors
    /// [`Refusal::IdentifierEncrypted`], [`Refusal::IdentifierUnknown`] (row m).
    pub const fn name_id(&self) -> Result<&NameId, Refusal> {
        match &self.identifier {
            Identifier::NameId(name_id) => Ok(name_id),
            Identifier::Encrypted(_) => Err(Refusal::IdentifierEncrypted),
            Identifier::Base => Err(Refusal::IdentifierUnknown),
        }
    }

    /// Decrypts the identifier, if it is encrypted; for a request whose signature has been verified.
    ///
    /// # Errors
    /// As [`LogoutRequest::name_id`].
    pub(super) fn decrypt(&mut self, keys: &DecryptionKeys) -> Result<(), Refusal> {
        if let Identifier::Encrypted(encrypted) = &self.identifier {
            self.identifier = Identifier::NameId(encrypted.name_id(keys)?);
        }
        Ok(())
    }

    /// The sessions that are meant; none means all (SLO-03).
    #[must_use]
    pub fn session_indexes(&self) -> &[SessionIndex] {
        &self.session_indexes
    }

    /// Whether the request may still be executed: fresh by its IssueInstant, and NotOnOrAfter, if
    /// there, not passed. NotOnOrAfter can only shorten the time (SLO-22, SLO-23).
    ///
    /// # Errors
    /// Row j: [`Refusal::NotUtc`], [`Refusal::IssuedInFuture`], [`Refusal::Stale`],
    /// [`Refusal::NeverValid`], [`Refusal::Expired`].
    pub(super) fn current(&self, limits: &Limits, now: DateTime<Utc>) -> Result<(), Refusal> {
        fresh(self.head.issue_instant, limits, now)?;
        let Some(end) = self.not_on_or_after else { return Ok(()) };
        if !(end.utc || limits.accept_offset_times) {
            Err(Refusal::NotUtc)
        } else if end.at <= self.head.issue_instant.at {
            Err(Refusal::NeverValid)
        } else if now >= end.at + limits.skew {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }
}

impl Message for LogoutRequest {
    const PARAMETER: Parameter = Parameter::SamlRequest;

    fn read(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = sole_message(document, "LogoutRequest")?;
        let head = Head::read(root)?;
        no_assertion(document)?;
        root.only_attributes(&[
            "ID",
            "Version",
            "IssueInstant",
            "Destination",
            "Consent",
            "Reason",
            "NotOnOrAfter",
        ])?;
        let not_on_or_after = instant(root, "NotOnOrAfter", "NotOnOrAfter")?;

        let mut children = root.sequence()?;
        let issuer_node = children.optional(SAML, "Issuer");
        children.optional(DS, "Signature");
        // Unknown extensions are ignored, and so is `aslo:Asynchronous` (SLO-27).
        children.optional(SAMLP, "Extensions");
        let identifier = identifier(&mut children)?;
        let session_indexes =
            children.many(SAMLP, "SessionIndex").into_iter().map(session_index).collect::<Result<_, _>>()?;
        children.end()?;

        Ok(Self {
            head,
            issuer: issuer(issuer_node)?,
            not_on_or_after,
            reason: root.attribute("Reason").map(str::to_owned),
            identifier,
            session_indexes,
        })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn issuer(&self) -> &EntityId {
        &self.issuer
    }

    fn testimony(&self) -> Testimony {
        Testimony {
            name_id: self.name_id().ok().cloned(),
            session_indexes: self.session_indexes.clone(),
            ..Testimony::bare("LogoutRequest", &self.head.id)
        }
    }
}

fn identifier(children: &mut Sequence<'_, '_>) -> Result<Identifier, Refusal> {
    if let Some(node) = children.optional(SAML, "NameID") {
        name_id(node).map(Identifier::NameId)
    } else if let Some(node) = children.optional(SAML, "EncryptedID") {
        Encrypted::read(node).map(Box::new).map(Identifier::Encrypted)
    } else {
        children.required(SAML, "BaseID", "no identifier").map(|_| Identifier::Base)
    }
}

fn session_index(node: Node<'_, '_>) -> Result<SessionIndex, Refusal> {
    node.only_attributes(&[])?;
    SessionIndex::parse(node.text()?).map_err(|_| Refusal::Schema("SessionIndex is empty or too long"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const GOOD: &str = r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0" IssueInstant="2026-11-22T10:00:00Z" NotOnOrAfter="2026-11-22T10:05:00Z"><saml:Issuer>https://idp</saml:Issuer><samlp:Extensions><x/></samlp:Extensions><saml:NameID Format="f" NameQualifier="">alice</saml:NameID><samlp:SessionIndex>2</samlp:SessionIndex><samlp:SessionIndex>3</samlp:SessionIndex></samlp:LogoutRequest>"#;

    fn read(source: &str) -> Result<LogoutRequest, Refusal> {
        LogoutRequest::read(&Document::parse(source)?)
    }

    #[test]
    fn slo_05_reads_every_index_and_the_name_id_as_it_is() {
        let request = read(GOOD).unwrap();
        assert_eq!(
            request.session_indexes().iter().map(SessionIndex::as_str).collect::<Vec<_>>(),
            ["2", "3"]
        );
        let name_id = request.name_id().unwrap();
        assert_eq!((name_id.value.as_str(), name_id.format.as_deref()), ("alice", Some("f")));
        assert_eq!(
            (name_id.name_qualifier.as_deref(), name_id.sp_name_qualifier.as_deref()),
            (Some(""), None)
        );
    }

    #[test]
    fn val_04_schema_violations_are_refused() {
        let name_id = r#"<saml:NameID Format="f" NameQualifier="">alice</saml:NameID>"#;
        let cases = [
            (GOOD.replace(name_id, ""), "no identifier"),
            (GOOD.replace(name_id, &format!("{name_id}{name_id}")), "two identifiers"),
            (GOOD.replace("<saml:NameID", "<saml:NameID Evil='1'"), "unknown attribute"),
            (GOOD.replace("ID=\"_1\" ", ""), "no ID"),
            (GOOD.replace("ID=\"_1\"", "ID=\"1\""), "ID no NCName"),
            (GOOD.replace(" IssueInstant=\"2026-11-22T10:00:00Z\"", ""), "no IssueInstant"),
            (GOOD.replace("<samlp:SessionIndex>3", "stray<samlp:SessionIndex>3"), "text between"),
            (GOOD.replace("saml:NameID", "samlp:NameID"), "NameID of another namespace"),
            (GOOD.replace("alice</", "<b/>alice</"), "element in NameID"),
        ];
        for (source, what) in cases {
            assert_eq!(read(&source).unwrap_err().row(), super::super::refusal::Row::N, "{what}");
        }
        assert_eq!(read(&GOOD.replace("LogoutRequest", "LogoutResponse")), Err(Refusal::WrongMessage));
    }

    #[test]
    fn val_07_an_issuer_is_needed() {
        assert_eq!(
            read(&GOOD.replace("<saml:Issuer>https://idp</saml:Issuer>", "")),
            Err(Refusal::IssuerMissing)
        );
        let other = GOOD.replace("<saml:Issuer>", "<saml:Issuer Format='urn:x'>");
        assert_eq!(read(&other), Err(Refusal::IssuerMissing));
        let entity =
            GOOD.replace("<saml:Issuer>", &format!("<saml:Issuer Format='{}'>", super::super::names::ENTITY));
        assert!(read(&entity).is_ok());
    }

    #[test]
    fn slo_22_and_23_not_on_or_after_only_shortens() {
        let limits = Limits {
            skew: chrono::Duration::minutes(3),
            max_age: chrono::Duration::minutes(5),
            accept_offset_times: false,
        };
        let at = |text| Instant::parse(text).unwrap().at;
        let request = read(GOOD).unwrap();
        assert_eq!(request.current(&limits, at("2026-11-22T10:07:59Z")), Ok(()));
        assert_eq!(request.current(&limits, at("2026-11-22T10:08:00Z")), Err(Refusal::Expired));
        let far = read(&GOOD.replace("10:05:00Z", "11:00:00Z")).unwrap();
        assert_eq!(far.current(&limits, at("2026-11-22T10:08:01Z")), Err(Refusal::Stale));
        let never = read(&GOOD.replace("10:05:00Z", "10:00:00Z")).unwrap();
        assert_eq!(never.current(&limits, at("2026-11-22T10:00:00Z")), Err(Refusal::NeverValid));
    }

    #[test]
    fn f_01_a_second_message_or_assertion_anywhere_is_refused() {
        let nested = GOOD.replace("<x/>", &GOOD.replace("_1", "_2"));
        assert_eq!(read(&nested), Err(Refusal::NestedMessage));
        let donor = GOOD.replace("<x/>", "<saml:Assertion/>");
        assert_eq!(read(&donor), Err(Refusal::NestedMessage));
    }
}
