//! A message that an administrator has in hand, held against what this service knows. It is only
//! looked at: nothing is executed, remembered or audited.

use chrono::{DateTime, Utc};

use crate::app::{App, AppError, Me};
use crate::config::Settings;
use crate::keys::KeyRing;
use crate::saml::encryption::DecryptionKeys;
use crate::saml::inspect::{Finding, Ground, Inspection};
use crate::saml::message::Limits;
use crate::saml::metadata::{IdpMetadata, MetadataError, Policy};
use crate::saml::signature::{SignaturePolicy, TrustedKeys};

/// Holds a message against the identity provider that it names, as this service knows it.
#[must_use]
pub fn findings(app: &App, inspection: &Inspection, now: DateTime<Utc>) -> Vec<Finding> {
    let snapshot = app.0.registry.snapshot();
    let idp = inspection.issuer().and_then(|issuer| snapshot.find(issuer.as_str()).cloned());
    let limits = limits(&app.0.settings);
    inspection.findings(&Ground {
        keys: idp.as_ref().map(|idp| &idp.keys),
        decryption: &app.0.decryption,
        sp: &app.0.me.entity_id,
        acs: &app.0.me.acs,
        slo: &app.0.me.slo,
        soap: &app.0.me.soap,
        response_signed: idp.as_ref().is_some_and(|idp| idp.policy.require_signed_response),
        limits: idp.as_ref().map_or(&limits, |idp| &idp.limits),
        now,
    })
}

/// Holds a message against metadata at hand, without any database. `keys` decrypt, if there are any.
///
/// # Errors
/// The metadata cannot be used, or our own names.
pub fn findings_by_metadata(
    settings: &Settings,
    keys: Option<&KeyRing>,
    metadata: &[u8],
    inspection: &Inspection,
    now: DateTime<Utc>,
) -> Result<Vec<Finding>, InspectError> {
    let me = Me::of(settings)?;
    let policy = Policy { loopback_http: settings.is_loopback_http() };
    let issuer = inspection.issuer();
    let idps = IdpMetadata::read(metadata, policy, now)?.idps;
    let idp = idps.into_iter().find(|idp| Some(&idp.entity_id) == issuer.as_ref());
    let trusted = idp.and_then(|idp| {
        let spki = idp.signing_keys.iter().map(AsRef::as_ref);
        TrustedKeys::new(idp.entity_id.clone(), spki, SignaturePolicy::default()).ok()
    });
    let own = keys.into_iter().flat_map(|keys| &keys.encryption).map(|key| key.private().clone());
    Ok(inspection.findings(&Ground {
        keys: trusted.as_ref(),
        decryption: &DecryptionKeys::new(own),
        sp: &me.entity_id,
        acs: &me.acs,
        slo: &me.slo,
        soap: &me.soap,
        response_signed: false,
        limits: &limits(settings),
        now,
    }))
}

/// Why a message could not be held against metadata.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Our own names.
    #[error(transparent)]
    App(#[from] AppError),
    /// The metadata.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

fn limits(settings: &Settings) -> Limits {
    Limits { skew: settings.saml.skew, max_age: settings.saml.max_age, accept_offset_times: false }
}
