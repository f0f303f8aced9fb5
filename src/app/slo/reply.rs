//! What a message is answered with.

use crate::app::{LogoutHandle, ReturnTarget};
use crate::saml::binding::Outbound;

/// The one answer to a message on a front-channel binding.
#[derive(Debug)]
pub enum FrontReply {
    /// A LogoutResponse back to the identity provider, or the next LogoutRequest.
    Send(Outbound),
    /// Our own logout is over, or waits: the page that says how it went.
    Page {
        /// Its name in the URL.
        handle: LogoutHandle,
    },
    /// Our own logout is over and the person wanted to be elsewhere.
    Return(ReturnTarget),
    /// The sessions are ended, but the identity provider has no endpoint that takes an answer
    /// (SLO-19): a local page, HTTP 200.
    LocalPage(LocalPage),
    /// No SAML answer: a plain page.
    Refused(Refused),
}

/// What the local page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPage {
    /// The display name of the identity provider that asked.
    pub idp: String,
    /// Whether the sessions are known to be over.
    pub ended: bool,
}

/// A message that is not answered in SAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 400, or 403 for an unknown identity provider.
    pub status: u16,
    /// The text for whoever sees it.
    pub public_text: &'static str,
    /// The rule that was broken, for the small print.
    pub rule: &'static str,
    /// Under this the log knows it.
    pub incident: String,
}

/// The one answer on the SOAP binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapReply {
    /// 200 with an envelope, 403 with nothing, 500 with a fault.
    pub status: u16,
    /// The body, `text/xml`.
    pub body: String,
}
