//! The paths of the outside, each written once.

/// The start page.
pub const HOME: &str = "/";
/// Our metadata.
pub const METADATA: &str = "/saml/metadata";
/// Sends a person to an identity provider.
pub const LOGIN: &str = "/saml/login";
/// The assertion consumer service.
pub const ACS: &str = "/saml/acs";
/// The single logout service for browsers.
pub const SLO: &str = "/saml/slo";
/// The single logout service for identity providers themselves.
pub const SLO_SOAP: &str = "/saml/slo/soap";
/// Sends a person to an OpenID provider.
pub const OIDC_LOGIN: &str = "/auth0/login";
/// Where OpenID providers send people back to.
pub const OIDC_CALLBACK: &str = crate::app::oidc::CALLBACK_PATH;
/// Where OpenID providers send people back to who were sent there to sign out.
pub const OIDC_LOGGED_OUT: &str = crate::app::oidc::LOGGED_OUT_PATH;
/// Where OpenID providers send logout tokens.
pub const OIDC_BACKCHANNEL: &str = crate::app::oidc::BACKCHANNEL_PATH;
/// Whether a session lives.
pub const SESSION: &str = "/session";
/// Waits for a session's end.
pub const SESSION_EVENTS: &str = "/session/events";
/// Whether a proxy may let a request through.
pub const FORWARD_AUTH: &str = "/forward-auth";
/// Asks whether to sign out, and does it.
pub const LOGOUT: &str = "/logout";
/// What became of a logout.
pub const LOGOUT_RESULT: &str = "/logout/{handle}";
/// Who signs the tokens that applications are told by (OpenID Connect Discovery).
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The keys that sign them (RFC 7517).
pub const KEY_SET: &str = "/.well-known/jwks.json";
/// Whether the process runs.
pub const HEALTH: &str = "/healthz";
/// Whether this node can do its work.
pub const READY: &str = "/readyz";

/// The methods that a path takes, for the `Allow` header (RFC 9110, 15.5.6). HEAD counts only where
/// nothing is executed (BIND-24).
pub fn methods(path: &str) -> &'static str {
    match path {
        ACS | SLO_SOAP | OIDC_BACKCHANNEL => "POST",
        SLO | LOGOUT => "GET, POST",
        LOGIN | OIDC_LOGIN | OIDC_CALLBACK | OIDC_LOGGED_OUT => "GET",
        SESSION | SESSION_EVENTS => "GET, HEAD, OPTIONS",
        _ if path.starts_with("/logout/") => "GET",
        _ => "GET, HEAD",
    }
}

/// The name of a path in the audit: as our table has it, so that no handle is written down.
pub fn named(path: &str) -> &'static str {
    [
        METADATA,
        LOGIN,
        ACS,
        SLO,
        SLO_SOAP,
        OIDC_LOGIN,
        OIDC_CALLBACK,
        OIDC_LOGGED_OUT,
        OIDC_BACKCHANNEL,
        SESSION,
        SESSION_EVENTS,
        FORWARD_AUTH,
        LOGOUT,
    ]
    .into_iter()
    .find(|known| *known == path)
    .unwrap_or(if path.starts_with("/logout/") { LOGOUT_RESULT } else { "other" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_24_head_is_allowed_only_where_nothing_is_executed() {
        let oidc = [OIDC_LOGIN, OIDC_CALLBACK, OIDC_LOGGED_OUT, OIDC_BACKCHANNEL];
        let saml = [LOGIN, ACS, SLO, SLO_SOAP, LOGOUT, "/logout/AAAAAAAAAAAAAAAAAAAAAA"];
        for path in saml.into_iter().chain(oidc) {
            assert!(!methods(path).contains("HEAD"), "{path}");
        }
        assert!(methods(SESSION).contains("HEAD"));
    }

    #[test]
    fn a_handle_has_no_name_of_its_own() {
        assert_eq!(named("/logout/AAAAAAAAAAAAAAAAAAAAAA"), LOGOUT_RESULT);
        assert_eq!(named("/saml/slo"), SLO);
        assert_eq!(named("/saml/slo/x"), "other");
    }
}
