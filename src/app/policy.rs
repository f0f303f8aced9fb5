//! What an administrator has set for one identity provider. The default is strict; nothing in here
//! can switch a signature check off.

use serde::{Deserialize, Serialize};

use crate::saml::names::Binding;
use crate::saml::signature::SignaturePolicy;
use crate::saml::signing::EcdsaEncoding;

/// The switches of one identity provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that an administrator sets by name"
)]
pub struct IdpPolicy {
    /// Take Responses that answer no request (SSO-12).
    pub allow_unsolicited: bool,
    /// Answer a LogoutRequest for an unknown principal with Success (status table, row d).
    pub unknown_principal_is_success: bool,
    /// Refuse a Response that is not itself signed, even if its assertion is (SSO-08).
    pub require_signed_response: bool,
    /// Take SHA-1 (VAL-14).
    pub allow_sha1: bool,
    /// Take inclusive canonicalisation (VAL-11).
    pub allow_inclusive_c14n: bool,
    /// Take instants with another offset than UTC (VAL-15).
    pub accept_offset_times: bool,
    /// Send ECDSA signatures on Redirect as DER (BIND-13).
    pub ecdsa_der: bool,
    /// Add `NameQualifier` to a persistent NameID that came without one.
    pub add_name_qualifier: bool,
    /// Ask for any NameID, even a new one: `NameIDPolicy` with `AllowCreate` (SSO-02).
    pub allow_create: bool,
    /// Send front-channel requests by POST even where Redirect is offered (SSO-01).
    pub prefer_post: bool,
    /// Encrypt the NameID in LogoutRequests to it (SLO-43).
    pub encrypt_name_id: bool,
    /// What it is told while Auth0 has accepted to end a session and was not seen to have done so
    /// (status table, row e). It changes neither our record nor what a person is shown.
    pub auth0_pending: Auth0Pending,
    /// Log its messages as they came, with the names of people in them (SLO-56).
    pub debug_messages: bool,
}

/// What an identity provider is told while a session at Auth0 is accepted to end, but not seen gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth0Pending {
    /// `Responder/PartialLogout`.
    #[default]
    Partial,
    /// `Success`.
    Success,
}

/// Why a switch was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No switch of that name.
    #[error("{0} is not a switch; expected one of {known}", known = IdpPolicy::NAMES.join(", "))]
    Unknown(String),
    /// Neither true nor false.
    #[error("{name} = {value}: expected true or false")]
    NotBoolean {
        /// The switch.
        name: String,
        /// What was given.
        value: String,
    },
    /// Neither of the words that there are.
    #[error("auth0_pending = {0}: expected partial or success")]
    NotPending(String),
}

impl IdpPolicy {
    /// The names of all switches.
    pub const NAMES: [&'static str; 13] = [
        "allow_unsolicited",
        "unknown_principal_is_success",
        "require_signed_response",
        "allow_sha1",
        "allow_inclusive_c14n",
        "accept_offset_times",
        "ecdsa_der",
        "add_name_qualifier",
        "allow_create",
        "prefer_post",
        "encrypt_name_id",
        "auth0_pending",
        "debug_messages",
    ];

    /// Sets one switch by name.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
        let switch = match name {
            "allow_unsolicited" => &mut self.allow_unsolicited,
            "unknown_principal_is_success" => &mut self.unknown_principal_is_success,
            "require_signed_response" => &mut self.require_signed_response,
            "allow_sha1" => &mut self.allow_sha1,
            "allow_inclusive_c14n" => &mut self.allow_inclusive_c14n,
            "accept_offset_times" => &mut self.accept_offset_times,
            "ecdsa_der" => &mut self.ecdsa_der,
            "add_name_qualifier" => &mut self.add_name_qualifier,
            "allow_create" => &mut self.allow_create,
            "prefer_post" => &mut self.prefer_post,
            "encrypt_name_id" => &mut self.encrypt_name_id,
            "auth0_pending" => {
                self.auth0_pending = match value {
                    "partial" => Auth0Pending::Partial,
                    "success" => Auth0Pending::Success,
                    _ => return Err(SwitchError::NotPending(value.to_owned())),
                };
                return Ok(());
            }
            "debug_messages" => &mut self.debug_messages,
            _ => return Err(SwitchError::Unknown(name.to_owned())),
        };
        *switch = value
            .parse()
            .map_err(|_| SwitchError::NotBoolean { name: name.to_owned(), value: value.to_owned() })?;
        Ok(())
    }

    pub(super) const fn signature(self) -> SignaturePolicy {
        SignaturePolicy { allow_sha1: self.allow_sha1, allow_inclusive_c14n: self.allow_inclusive_c14n }
    }

    pub(super) const fn ecdsa(self) -> EcdsaEncoding {
        if self.ecdsa_der { EcdsaEncoding::Der } else { EcdsaEncoding::Raw }
    }

    /// The front-channel bindings in the order in which they are tried.
    pub(super) const fn front_bindings(self) -> [Binding; 2] {
        if self.prefer_post { [Binding::Post, Binding::Redirect] } else { [Binding::Redirect, Binding::Post] }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_switch_is_off_by_default_and_has_its_name() {
        let json = serde_json::to_value(IdpPolicy::default()).unwrap();
        let json = json.as_object().unwrap();
        assert_eq!(json.len(), IdpPolicy::NAMES.len());
        for name in IdpPolicy::NAMES.into_iter().filter(|name| *name != "auth0_pending") {
            assert_eq!(json.get(name), Some(&serde_json::Value::Bool(false)), "{name}");
            let mut policy = IdpPolicy::default();
            policy.set(name, "true").unwrap();
            let set = serde_json::to_value(policy).unwrap();
            assert_eq!(set.get(name), Some(&serde_json::Value::Bool(true)), "{name}");
            assert!(policy.set(name, "yes").is_err());
        }
        assert!(IdpPolicy::default().set("verify", "false").is_err());
        assert_eq!(json.get("auth0_pending"), Some(&"partial".into()));
        let mut policy = IdpPolicy::default();
        policy.set("auth0_pending", "success").unwrap();
        // As the statement that decides a status reads it.
        let set = serde_json::to_value(policy).unwrap();
        assert_eq!(set.get("auth0_pending"), Some(&"success".into()));
        assert!(policy.set("auth0_pending", "true").is_err());
        // A row from before there was this switch.
        assert_eq!(serde_json::from_str::<IdpPolicy>("{}").unwrap(), IdpPolicy::default());
    }
}
