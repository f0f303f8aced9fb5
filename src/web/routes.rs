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
/// Whether a session lives.
pub const SESSION: &str = "/session";
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
        ACS | SLO_SOAP => "POST",
        SLO | LOGOUT => "GET, POST",
        LOGIN => "GET",
        _ if path.starts_with("/logout/") => "GET",
        _ => "GET, HEAD",
    }
}

/// The name of a path in the audit: as our table has it, so that no handle is written down.
pub fn named(path: &str) -> &'static str {
    [METADATA, LOGIN, ACS, SLO, SLO_SOAP, SESSION, LOGOUT]
        .into_iter()
        .find(|known| *known == path)
        .unwrap_or(if path.starts_with("/logout/") { LOGOUT_RESULT } else { "other" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_24_head_is_allowed_only_where_nothing_is_executed() {
        for path in [LOGIN, ACS, SLO, SLO_SOAP, LOGOUT, "/logout/AAAAAAAAAAAAAAAAAAAAAA"] {
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
