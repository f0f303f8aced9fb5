//! Who is at the door: what the web layer learned of a request besides the message.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;

/// One visit: the tokens a browser brought, and where it comes from.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The session cookie, if a well-formed one came along.
    pub session: Option<SessionToken>,
    /// The correlation cookie of sign-in, if a well-formed one came along.
    pub correlation: Option<CorrelationToken>,
    /// The client's address after `trusted_proxies`; for audit and limits only.
    pub address: IpAddr,
    /// Whether this is a page of its own, not a frame: no LogoutRequest starts inside a frame
    /// (SLO-45).
    pub top_level: bool,
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Takes the 43 characters of a base64url-encoded 256-bit value; anything else is none.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
                (octets.len() == 32).then(|| Self(text.to_owned()))
            }

            /// The text for the cookie, and for nothing else.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What the database keeps of it.
            #[must_use]
            pub(crate) fn hash(&self) -> [u8; 32] {
                sha256(self.0.as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

token! {
    /// The opaque value of a session cookie: 256 random bits, of which only the hash is stored
    /// (SSO-24).
    SessionToken
}

token! {
    /// The opaque value of the cookie that ties a Response to the browser that asked (SSO-11).
    CorrelationToken
}

token! {
    /// The one-time name by which a browser goes on with a logout that an application began.
    ContinueToken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_43_characters_of_base64url_and_shows_itself_to_no_log() {
        let text = URL_SAFE_NO_PAD.encode([7; 32]);
        let token = SessionToken::parse(&text);
        assert_eq!(token.as_ref().map(SessionToken::as_str), Some(text.as_str()));
        assert_eq!(format!("{token:?}"), "Some(SessionToken(..))");
        for wrong in ["", "abc", &text[1..], &format!("{text}A"), &text.replace('B', "+")] {
            assert_eq!(SessionToken::parse(wrong), None, "{wrong}");
        }
    }
}
