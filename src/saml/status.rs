//! SAML status codes (Core 3.2.2.2).

use std::fmt;

const PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:status:";

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$code_doc:meta])* $code:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$code_doc])* $code,)+
            /// A code that this vocabulary does not have, as received.
            Other(String),
        }

        impl $name {
            /// The code's URI.
            #[must_use]
            pub fn uri(&self) -> String {
                match self {
                    $(Self::$code => format!("{PREFIX}{}", stringify!($code)),)+
                    Self::Other(uri) => uri.clone(),
                }
            }

            /// The code of that URI, exactly compared.
            #[must_use]
            pub fn from_uri(uri: &str) -> Self {
                match uri.strip_prefix(PREFIX) {
                    $(Some(stringify!($code)) => Self::$code,)+
                    _ => Self::Other(uri.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$code => f.write_str(stringify!($code)),)+
                    Self::Other(uri) => f.write_str(uri),
                }
            }
        }
    };
}

codes! {
    /// The top-level status code.
    TopLevel {
        /// It worked.
        Success,
        /// The requester is at fault.
        Requester,
        /// The responder is at fault.
        Responder,
        /// The version of the request is not spoken here.
        VersionMismatch,
    }
}

codes! {
    /// The second-level status code, as far as logout and sign-in need to tell them apart.
    SecondLevel {
        /// The principal could not be authenticated.
        AuthnFailed,
        /// Passive authentication is impossible.
        NoPassive,
        /// Not all participants were logged out (Core 3.7.3.2).
        PartialLogout,
        /// The responder will not act on the request.
        RequestDenied,
        /// The responder does not support the request.
        RequestUnsupported,
        /// The request's version is deprecated.
        RequestVersionDeprecated,
        /// The request's major version is too high.
        RequestVersionTooHigh,
        /// The request's major version is too low.
        RequestVersionTooLow,
        /// The principal is not known.
        UnknownPrincipal,
    }
}

/// A status: a top-level code, perhaps a nested one, perhaps a text for operators (SLO-55).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The top-level code.
    pub top: TopLevel,
    /// The nested code.
    pub second: Option<SecondLevel>,
    /// `StatusMessage`; ours never carries a NameID or an inner error.
    pub message: Option<String>,
}

impl Status {
    /// A status of these codes, without a message.
    #[must_use]
    pub const fn new(top: TopLevel, second: Option<SecondLevel>) -> Self {
        Self { top, second, message: None }
    }

    /// `Success`.
    #[must_use]
    pub const fn success() -> Self {
        Self::new(TopLevel::Success, None)
    }

    /// Whether it is `Success` and nothing below it says otherwise.
    ///
    /// A nested code under `Success` that is not known is tolerated (SLO-51); `PartialLogout` is
    /// not complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.top == TopLevel::Success && self.second != Some(SecondLevel::PartialLogout)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.top)?;
        self.second.as_ref().map_or(Ok(()), |second| write!(f, "/{second}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_their_uris() {
        assert_eq!(SecondLevel::from_uri(&SecondLevel::PartialLogout.uri()), SecondLevel::PartialLogout);
        assert_eq!(TopLevel::from_uri("urn:x"), TopLevel::Other("urn:x".into()));
        // C 3.2.2.2: a second-level code is no top-level code (SLO-51).
        let partial = TopLevel::from_uri(&SecondLevel::PartialLogout.uri());
        assert!(matches!(partial, TopLevel::Other(_)));
    }

    #[test]
    fn slo_51_partial_logout_is_not_complete() {
        assert!(Status::success().is_complete());
        assert!(!Status::new(TopLevel::Success, Some(SecondLevel::PartialLogout)).is_complete());
        assert!(!Status::new(TopLevel::Responder, None).is_complete());
    }
}
