//! The messages of an identity provider as string templates, right in every field until a test
//! changes one. All are written in canonical form.

use chrono::{DateTime, TimeDelta, Utc};

use super::dsig::{self, Key, Shape};
use super::xml::{attribute_text, content_text};

pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
pub const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
pub const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

const SAML_DECLARED: &str = " xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
const SAMLP_DECLARED: &str = " xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"";

/// An instant as most identity providers write it: whole seconds and `Z`.
pub fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// ` name="value"`, or nothing.
fn attribute(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name}=\"{}\"", attribute_text(value))).unwrap_or_default()
}

fn status(code: &str) -> String {
    if code.contains(':') { code.to_owned() } else { format!("urn:oasis:names:tc:SAML:2.0:status:{code}") }
}

/// A NameID with each attribute present or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub value: String,
    pub format: Option<String>,
    pub name_qualifier: Option<String>,
    pub sp_name_qualifier: Option<String>,
    pub sp_provided_id: Option<String>,
}

impl Name {
    /// A NameID of Format emailAddress.
    pub fn email(value: &str) -> Self {
        Self { format: Some(EMAIL.to_owned()), ..Self::bare(value) }
    }

    pub fn bare(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            format: None,
            name_qualifier: None,
            sp_name_qualifier: None,
            sp_provided_id: None,
        }
    }

    pub fn xml(&self) -> String {
        format!(
            "<saml:NameID{SAML_DECLARED}{}{}{}{}>{}</saml:NameID>",
            attribute("Format", self.format.as_deref()),
            attribute("NameQualifier", self.name_qualifier.as_deref()),
            attribute("SPNameQualifier", self.sp_name_qualifier.as_deref()),
            attribute("SPProvidedID", self.sp_provided_id.as_deref()),
            content_text(&self.value)
        )
    }
}

/// An Issuer element; a test may take it away or give it a Format.
#[derive(Debug, Clone)]
pub struct Issuer {
    pub value: String,
    pub format: Option<String>,
}

impl Issuer {
    fn xml(this: Option<&Self>) -> String {
        this.map(|issuer| {
            format!(
                "<saml:Issuer{SAML_DECLARED}{}>{}</saml:Issuer>",
                attribute("Format", issuer.format.as_deref()),
                content_text(&issuer.value)
            )
        })
        .unwrap_or_default()
    }
}

/// A LogoutRequest of an identity provider.
#[derive(Debug, Clone)]
pub struct LogoutRequest {
    pub id: Option<String>,
    pub version: Option<String>,
    pub issue_instant: Option<String>,
    pub destination: Option<String>,
    pub consent: Option<String>,
    pub not_on_or_after: Option<String>,
    pub reason: Option<String>,
    pub issuer: Option<Issuer>,
    /// Raw `samlp:Extensions`.
    pub extensions: String,
    /// Raw NameID, EncryptedID or BaseID.
    pub identifier: String,
    pub session_indexes: Vec<String>,
    /// Called on the element before it is signed.
    pub finish: fn(String) -> String,
}

impl LogoutRequest {
    pub fn xml(&self) -> String {
        let indexes: String = self
            .session_indexes
            .iter()
            .map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", content_text(index)))
            .collect();
        (self.finish)(format!(
            "<samlp:LogoutRequest{SAMLP_DECLARED}{}{}{}{}{}{}{}>{}{}{}{indexes}</samlp:LogoutRequest>",
            attribute("Consent", self.consent.as_deref()),
            attribute("Destination", self.destination.as_deref()),
            attribute("ID", self.id.as_deref()),
            attribute("IssueInstant", self.issue_instant.as_deref()),
            attribute("NotOnOrAfter", self.not_on_or_after.as_deref()),
            attribute("Reason", self.reason.as_deref()),
            attribute("Version", self.version.as_deref()),
            Issuer::xml(self.issuer.as_ref()),
            self.extensions,
            self.identifier,
        ))
    }

    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("_none")
    }

    pub fn signed(&self, key: &Key) -> String {
        self.signed_as(key, &Shape::of(key))
    }

    pub fn signed_as(&self, key: &Key, shape: &Shape) -> String {
        dsig::enveloped(&self.xml(), self.id(), key, shape)
    }
}

/// A LogoutResponse of an identity provider.
#[derive(Debug, Clone)]
pub struct LogoutResponse {
    pub id: Option<String>,
    pub version: Option<String>,
    pub issue_instant: Option<String>,
    pub destination: Option<String>,
    pub in_response_to: Option<String>,
    pub issuer: Option<Issuer>,
    pub extensions: String,
    /// The top-level code, then what it nests: short names or whole URIs.
    pub status: Vec<String>,
    pub status_message: Option<String>,
    pub finish: fn(String) -> String,
}

fn status_xml(codes: &[String], message: Option<&str>) -> String {
    let mut nested = String::new();
    for code in codes.iter().rev() {
        nested = format!(
            "<samlp:StatusCode Value=\"{}\">{nested}</samlp:StatusCode>",
            attribute_text(&status(code))
        );
    }
    let message = message
        .map(|text| format!("<samlp:StatusMessage>{}</samlp:StatusMessage>", content_text(text)))
        .unwrap_or_default();
    format!("<samlp:Status>{nested}{message}</samlp:Status>")
}

impl LogoutResponse {
    pub fn xml(&self) -> String {
        (self.finish)(format!(
            "<samlp:LogoutResponse{SAMLP_DECLARED}{}{}{}{}{}>{}{}{}</samlp:LogoutResponse>",
            attribute("Destination", self.destination.as_deref()),
            attribute("ID", self.id.as_deref()),
            attribute("InResponseTo", self.in_response_to.as_deref()),
            attribute("IssueInstant", self.issue_instant.as_deref()),
            attribute("Version", self.version.as_deref()),
            Issuer::xml(self.issuer.as_ref()),
            self.extensions,
            status_xml(&self.status, self.status_message.as_deref()),
        ))
    }

    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("_none")
    }

    pub fn signed(&self, key: &Key) -> String {
        dsig::enveloped(&self.xml(), self.id(), key, &Shape::of(key))
    }
}

/// A subject confirmation; by default the one bearer confirmation of the assertion.
#[derive(Debug, Clone)]
pub struct Confirmation {
    pub method: String,
    pub recipient: Option<String>,
    pub not_before: Option<String>,
    pub not_on_or_after: Option<String>,
    pub in_response_to: Option<String>,
}

impl Confirmation {
    fn xml(&self) -> String {
        format!(
            "<saml:SubjectConfirmation Method=\"{}\"><saml:SubjectConfirmationData{}{}{}{}></saml:SubjectConfirmationData></saml:SubjectConfirmation>",
            self.method,
            attribute("InResponseTo", self.in_response_to.as_deref()),
            attribute("NotBefore", self.not_before.as_deref()),
            attribute("NotOnOrAfter", self.not_on_or_after.as_deref()),
            attribute("Recipient", self.recipient.as_deref()),
        )
    }
}

/// An AuthnStatement.
#[derive(Debug, Clone)]
pub struct Statement {
    pub authn_instant: String,
    pub session_index: Option<String>,
    pub session_not_on_or_after: Option<String>,
    pub class: String,
}

impl Statement {
    fn xml(&self) -> String {
        format!(
            "<saml:AuthnStatement{}{}{}><saml:AuthnContext><saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>",
            attribute("AuthnInstant", Some(&self.authn_instant)),
            attribute("SessionIndex", self.session_index.as_deref()),
            attribute("SessionNotOnOrAfter", self.session_not_on_or_after.as_deref()),
            self.class
        )
    }
}

/// An Assertion.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub id: String,
    pub version: String,
    pub issue_instant: String,
    pub issuer: Option<Issuer>,
    /// Raw NameID (or whatever a test puts there).
    pub identifier: String,
    pub confirmations: Vec<Confirmation>,
    pub not_before: Option<String>,
    pub not_on_or_after: Option<String>,
    /// One AudienceRestriction for each list.
    pub audiences: Vec<Vec<String>>,
    /// Raw conditions after the restrictions.
    pub conditions: String,
    pub statements: Vec<Statement>,
    /// Raw statements after those.
    pub attributes: String,
    pub finish: fn(String) -> String,
}

impl Assertion {
    pub fn xml(&self) -> String {
        let restrictions: String = self
            .audiences
            .iter()
            .map(|audiences| {
                let inner: String = audiences
                    .iter()
                    .map(|audience| format!("<saml:Audience>{}</saml:Audience>", content_text(audience)))
                    .collect();
                format!("<saml:AudienceRestriction>{inner}</saml:AudienceRestriction>")
            })
            .collect();
        let text = format!(
            "<saml:Assertion{SAML_DECLARED} ID=\"{}\"{}{}>{}<saml:Subject>{}{}</saml:Subject><saml:Conditions{}{}>{restrictions}{}</saml:Conditions>{}{}</saml:Assertion>",
            self.id,
            attribute("IssueInstant", Some(&self.issue_instant)),
            attribute("Version", Some(&self.version)),
            Issuer::xml(self.issuer.as_ref()),
            self.identifier,
            self.confirmations.iter().map(Confirmation::xml).collect::<String>(),
            attribute("NotBefore", self.not_before.as_deref()),
            attribute("NotOnOrAfter", self.not_on_or_after.as_deref()),
            self.conditions,
            self.statements.iter().map(Statement::xml).collect::<String>(),
            self.attributes,
        );
        // The namespace is declared once, on the root: canonical form has it nowhere else.
        let (root, rest) = text.split_at(text.find('>').unwrap_or(0));
        (self.finish)(format!("{root}{}", rest.replace(SAML_DECLARED, "")))
    }
}

/// Which parts of a Response are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Assertion,
    Response,
    Both,
    Nothing,
}

/// A Response with its assertions.
#[derive(Debug, Clone)]
pub struct Response {
    pub id: String,
    pub version: String,
    pub issue_instant: String,
    pub destination: Option<String>,
    pub in_response_to: Option<String>,
    pub issuer: Option<Issuer>,
    pub status: Vec<String>,
    pub status_message: Option<String>,
    pub assertion: Assertion,
    pub signed: Signed,
    /// Called on the signed assertion before it is put into the Response.
    pub around_assertion: fn(String) -> String,
    pub finish: fn(String) -> String,
}

impl Response {
    pub fn signed(&self, key: &Key) -> String {
        self.signed_as(key, &Shape::of(key), &Shape::of(key))
    }

    /// The Response signed under one shape, its assertion under another.
    pub fn signed_as(&self, key: &Key, response: &Shape, assertion: &Shape) -> String {
        let mut inner = self.assertion.xml();
        if matches!(self.signed, Signed::Assertion | Signed::Both) {
            inner = dsig::enveloped(&inner, &self.assertion.id, key, assertion);
        }
        let inner = (self.around_assertion)(inner);
        let whole = (self.finish)(format!(
            "<samlp:Response{SAMLP_DECLARED}{} ID=\"{}\"{}{}{}>{}{}{inner}</samlp:Response>",
            attribute("Destination", self.destination.as_deref()),
            self.id,
            attribute("InResponseTo", self.in_response_to.as_deref()),
            attribute("IssueInstant", Some(&self.issue_instant)),
            attribute("Version", Some(&self.version)),
            Issuer::xml(self.issuer.as_ref()),
            status_xml(&self.status, self.status_message.as_deref()),
        ));
        if matches!(self.signed, Signed::Response | Signed::Both) {
            dsig::enveloped(&whole, &self.id, key, response)
        } else {
            whole
        }
    }
}

/// Five minutes either side of an instant, as conditions are usually written.
pub fn window(now: DateTime<Utc>) -> (String, String) {
    (instant(now - TimeDelta::minutes(5)), instant(now + TimeDelta::minutes(5)))
}

/// An envelope around one body.
pub fn envelope(body: &str) -> String {
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}
