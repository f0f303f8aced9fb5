//! The bindings: HTTP octets on one side, message octets, signature and RelayState on the other.
//! Nothing here knows about trust.

pub mod encode;
mod form;
pub mod post;
mod received;
pub mod redirect;
pub mod soap;

pub use self::encode::Outbound;
pub use self::received::{Detached, Received};

/// Which of the two parameters of the front-channel bindings carries a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// `SAMLRequest`.
    SamlRequest,
    /// `SAMLResponse`.
    SamlResponse,
}

impl Parameter {
    /// The parameter's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SamlRequest => "SAMLRequest",
            Self::SamlResponse => "SAMLResponse",
        }
    }
}
