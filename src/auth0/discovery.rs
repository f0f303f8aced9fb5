//! What a provider says of itself (OpenID Connect Discovery 1.0).

use serde_json::Value;
use url::{Host, Url};

/// A provider's own description, as far as we use it. Only [`Discovery::read`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Where people sign in.
    pub authorization_endpoint: Url,
    /// Where a code becomes tokens.
    pub token_endpoint: Url,
    /// Where its keys are.
    pub jwks_uri: Url,
    /// Where people sign out, if it offers that.
    pub end_session_endpoint: Option<Url>,
    /// How we name ourselves at the token endpoint.
    pub client_authentication: ClientAuthentication,
    /// Whether it always names itself when it sends people back (RFC 9207).
    pub names_itself: bool,
}

/// How a client proves itself at the token endpoint (OpenID Connect Core 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
}

/// Why a description cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryRefusal {
    /// It takes no client secret in a way that we know.
    #[error("it takes neither client_secret_basic nor client_secret_post")]
    Authentication,
    /// An endpoint is missing or may not be used.
    #[error("{0} is missing, or not https")]
    Endpoint(&'static str),
    /// It speaks for another issuer than the one that is set.
    #[error("its issuer is not the one in the settings, character by character")]
    Issuer,
    /// No JSON object.
    #[error("it is no JSON object")]
    Malformed,
    /// It does not do PKCE with S256.
    #[error("it lists PKCE methods, and S256 is not among them")]
    Pkce,
}

/// Where the description of an issuer is (Discovery 4): its path is kept, a slash at its end is not
/// doubled.
#[must_use]
pub fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

impl Discovery {
    /// Reads the description of `issuer`. Endpoints have to be https; http is taken for loopback
    /// hosts if `loopback` says that we are only tried out.
    ///
    /// # Errors
    /// [`DiscoveryRefusal`].
    pub fn read(octets: &[u8], issuer: &str, loopback: bool) -> Result<Self, DiscoveryRefusal> {
        let document: Value = serde_json::from_slice(octets).map_err(|_| DiscoveryRefusal::Malformed)?;
        let document = document.as_object().ok_or(DiscoveryRefusal::Malformed)?;
        // Discovery 4.3: exactly the same, else anybody could speak for anybody.
        if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(DiscoveryRefusal::Issuer);
        }
        let endpoint = |name: &'static str| {
            let text = document.get(name).and_then(Value::as_str);
            text.and_then(|text| usable(text, loopback)).ok_or(DiscoveryRefusal::Endpoint(name))
        };
        let listed = |name: &str| {
            let list = document.get(name)?.as_array()?;
            Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        };
        if listed("code_challenge_methods_supported").is_some_and(|methods| !methods.contains(&"S256")) {
            return Err(DiscoveryRefusal::Pkce);
        }
        let client_authentication = match listed("token_endpoint_auth_methods_supported") {
            None => ClientAuthentication::Basic,
            Some(methods) if methods.contains(&"client_secret_basic") => ClientAuthentication::Basic,
            Some(methods) if methods.contains(&"client_secret_post") => ClientAuthentication::Post,
            Some(_) => return Err(DiscoveryRefusal::Authentication),
        };
        let end_session_endpoint = match document.get("end_session_endpoint") {
            None | Some(Value::Null) => None,
            Some(_) => Some(endpoint("end_session_endpoint")?),
        };
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            end_session_endpoint,
            client_authentication,
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

fn usable(text: &str, loopback: bool) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let here = match url.host()? {
        Host::Domain(domain) => domain == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && here && loopback);
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (safe && bare).then_some(url)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://op.example/";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/oauth/token",
            "jwks_uri": "https://op.example/.well-known/jwks.json",
        })
    }

    fn read(document: &Value) -> Result<Discovery, DiscoveryRefusal> {
        Discovery::read(document.to_string().as_bytes(), ISSUER, false)
    }

    #[test]
    fn the_least_that_is_needed_is_taken_and_basic_is_the_default() {
        let discovery = read(&document()).unwrap();
        assert_eq!(discovery.client_authentication, ClientAuthentication::Basic);
        assert_eq!((discovery.end_session_endpoint, discovery.names_itself), (None, false));
        let mut more = document();
        more["end_session_endpoint"] = json!("https://op.example/oidc/logout");
        more["token_endpoint_auth_methods_supported"] = json!(["client_secret_post", "private_key_jwt"]);
        more["authorization_response_iss_parameter_supported"] = json!(true);
        more["code_challenge_methods_supported"] = json!(["S256", "plain"]);
        let discovery = read(&more).unwrap();
        assert_eq!(discovery.client_authentication, ClientAuthentication::Post);
        assert_eq!(discovery.end_session_endpoint.unwrap().path(), "/oidc/logout");
        assert!(discovery.names_itself);
    }

    #[test]
    fn who_speaks_for_another_or_over_plain_http_is_refused() {
        use DiscoveryRefusal::{Authentication, Endpoint, Issuer, Malformed, Pkce};
        for (name, value, refusal) in [
            ("issuer", json!("https://op.example"), Issuer),
            ("issuer", json!("https://evil.example/"), Issuer),
            ("token_endpoint", json!("http://op.example/token"), Endpoint("token_endpoint")),
            ("token_endpoint", json!("http://127.0.0.1/token"), Endpoint("token_endpoint")),
            ("jwks_uri", json!("file:///etc/passwd"), Endpoint("jwks_uri")),
            ("jwks_uri", json!(null), Endpoint("jwks_uri")),
            ("end_session_endpoint", json!("/logout"), Endpoint("end_session_endpoint")),
            ("code_challenge_methods_supported", json!(["plain"]), Pkce),
            ("token_endpoint_auth_methods_supported", json!(["none"]), Authentication),
        ] {
            let mut changed = document();
            changed[name] = value;
            assert_eq!(read(&changed), Err(refusal), "{name}");
        }
        assert_eq!(Discovery::read(b"[]", ISSUER, false), Err(Malformed));
        assert_eq!(Discovery::read(b"<html>", ISSUER, false), Err(Malformed));
    }

    #[test]
    fn plain_http_is_for_loopback_while_we_are_tried_out() {
        let issuer = "http://127.0.0.1:4000";
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": "http://127.0.0.1:4000/auth",
            "token_endpoint": "http://localhost:4000/token",
            "jwks_uri": "http://[::1]:4000/jwks",
        });
        let octets = document.to_string();
        assert!(Discovery::read(octets.as_bytes(), issuer, true).is_ok());
        assert!(Discovery::read(octets.as_bytes(), issuer, false).is_err());
    }

    #[test]
    fn the_address_of_a_description_keeps_the_path_and_doubles_no_slash() {
        assert_eq!(address("https://t.auth0.com/"), "https://t.auth0.com/.well-known/openid-configuration");
        assert_eq!(address("https://op.example/a"), "https://op.example/a/.well-known/openid-configuration");
    }
}
