//! Where a browser is sent to sign out at a provider.

use url::Url;

/// The session to be ended there, and who asks.
#[derive(Debug, Clone, Copy)]
pub struct EndSession<'a> {
    /// Our client ID there.
    pub client_id: &'a str,
    /// Whether the provider is a tenant of Auth0.
    pub auth0: bool,
    /// The session's name there.
    pub sid: Option<&'a str>,
    /// The last ID token of it, if there was one.
    pub id_token: Option<&'a str>,
    /// The one address of ours that is registered there.
    pub return_to: &'a str,
    /// What the provider gives back to us.
    pub state: &'a str,
    /// Whether Auth0 itself is the service provider towards an identity provider, and is to end the
    /// session there as well.
    pub federated: bool,
}

/// The path of Auth0's older endpoint, for tenants without the other.
const V2: &str = "/v2/logout";

/// Where to sign out at a provider: what it says of itself, else what every tenant of Auth0 has.
#[must_use]
pub fn endpoint(described: Option<&Url>, issuer: &str, auth0: bool) -> Option<Url> {
    match described {
        Some(endpoint) => Some(endpoint.clone()),
        None if auth0 => Url::parse(issuer).ok()?.join(V2).ok(),
        None => None,
    }
}

/// The address with everything that belongs to it. It says `federated` only where Auth0 itself is the
/// service provider; anywhere else Auth0 would send the identity provider a LogoutRequest of its own,
/// beside ours.
#[must_use]
pub fn address(mut endpoint: Url, ending: &EndSession<'_>) -> Url {
    let older = ending.auth0 && endpoint.path() == V2;
    let mut query = endpoint.query_pairs_mut();
    query.append_pair("client_id", ending.client_id);
    if older {
        // It gives no state back; the browser's cookie tells which logout it comes back from.
        query.append_pair("returnTo", ending.return_to);
    } else {
        match (ending.sid, ending.id_token) {
            (Some(sid), _) if ending.auth0 => query.append_pair("logout_hint", sid),
            (_, Some(id_token)) => query.append_pair("id_token_hint", id_token),
            // What a hint is, is each provider's own affair; Auth0 is not alone in taking the sid.
            (Some(sid), None) => query.append_pair("logout_hint", sid),
            (None, None) => &mut query,
        };
        query.append_pair("post_logout_redirect_uri", ending.return_to).append_pair("state", ending.state);
    }
    if ending.federated && ending.auth0 {
        // Without a value, as a GET has it.
        query.append_key_only("federated");
    }
    drop(query);
    endpoint
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ENDING: EndSession<'static> = EndSession {
        client_id: "us",
        auth0: true,
        sid: Some("s 1"),
        id_token: Some("a.b.c"),
        return_to: "https://sp.example/auth0/logged-out",
        state: "st",
        federated: false,
    };

    fn at(endpoint: &str, ending: &EndSession<'_>) -> String {
        address(Url::parse(endpoint).unwrap(), ending).into()
    }

    #[test]
    fn auth0_is_given_the_session_and_any_other_provider_the_token() {
        let to = "post_logout_redirect_uri=https%3A%2F%2Fsp.example%2Fauth0%2Flogged-out&state=st";
        assert_eq!(
            at("https://t.auth0.com/oidc/logout", &ENDING),
            format!("https://t.auth0.com/oidc/logout?client_id=us&logout_hint=s+1&{to}")
        );
        let other = EndSession { auth0: false, ..ENDING };
        assert_eq!(
            at("https://op.example/end?realm=x", &other),
            format!("https://op.example/end?realm=x&client_id=us&id_token_hint=a.b.c&{to}")
        );
        let without = EndSession { sid: None, ..ENDING };
        assert!(at("https://t.auth0.com/oidc/logout", &without).contains("id_token_hint=a.b.c"));
        let tokenless = EndSession { auth0: false, id_token: None, ..ENDING };
        assert!(at("https://op.example/end", &tokenless).contains("logout_hint=s+1"));
        let bare = EndSession { sid: None, id_token: None, ..ENDING };
        assert_eq!(at("https://op.example/end", &bare), format!("https://op.example/end?client_id=us&{to}"));
    }

    #[test]
    fn the_older_endpoint_takes_one_fixed_address_and_no_state() {
        assert_eq!(
            at("https://t.auth0.com/v2/logout", &ENDING),
            "https://t.auth0.com/v2/logout?client_id=us&returnTo=https%3A%2F%2Fsp.example%2Fauth0%2Flogged-out"
        );
    }

    #[test]
    fn what_a_provider_says_of_itself_comes_first_and_only_auth0_has_another() {
        let said = Url::parse("https://t.auth0.com/oidc/logout").unwrap();
        assert_eq!(endpoint(Some(&said), "https://t.auth0.com/", true), Some(said));
        let older = endpoint(None, "https://t.auth0.com/", true).unwrap();
        assert_eq!(older.as_str(), "https://t.auth0.com/v2/logout");
        assert_eq!(endpoint(None, "https://op.example/", false), None);
    }

    #[test]
    fn federated_is_said_only_where_auth0_is_the_service_provider_and_without_a_value() {
        for endpoint in ["https://t.auth0.com/oidc/logout", "https://t.auth0.com/v2/logout"] {
            assert!(!at(endpoint, &ENDING).contains("federated"));
            let federated = EndSession { federated: true, ..ENDING };
            assert_eq!(at(endpoint, &federated), format!("{}&federated", at(endpoint, &ENDING)));
            let other = EndSession { auth0: false, ..federated };
            assert!(!at(endpoint, &other).contains("federated"), "nobody else knows it");
        }
    }
}
