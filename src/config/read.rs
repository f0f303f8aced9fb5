//! The settings that take more than one line to read.

use std::path::PathBuf;

use chrono::TimeDelta;

use super::{
    BaseUrl, ConfigError, KeyFiles, Layers, Machine, Organization, SamlSettings, SecondOpinion,
    SessionSettings, parse,
};

/// The account decides where data goes: a cluster under root's home could not be reached
/// by the account that it runs as.
pub(super) fn data_dir(layers: &Layers, machine: &Machine) -> Result<PathBuf, ConfigError> {
    Ok(match layers.path("data_dir")? {
        Some(path) => path,
        None if machine.root => PathBuf::from("/var/lib/signoff"),
        None => machine.directory.join("data"),
    })
}

/// The cookie goes to every host below the domain, so the domain has to be ours, and a cookie that
/// many hosts see has to be `Secure`. A name without a dot would be a whole top-level domain.
pub(super) fn cookie_domain(layers: &Layers, base_url: &BaseUrl) -> Result<Option<String>, ConfigError> {
    const EXPECTED: &str =
        "the domain of base_url's host or one above it, such as example.com, and base_url to be https";
    let Some(domain) = layers.parsed("cookie_domain", EXPECTED, parse::domain)? else { return Ok(None) };
    let above =
        base_url.host().strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if above && base_url.is_https() { Ok(Some(domain)) } else { Err(layers.wrong("cookie_domain", EXPECTED)) }
}

pub(super) fn session(layers: &Layers) -> Result<SessionSettings, ConfigError> {
    let duration = |key| layers.parsed(key, parse::DURATION, parse::duration);
    let idle = duration("session.idle")?.unwrap_or_else(|| TimeDelta::hours(8));
    let max = duration("session.max")?.unwrap_or_else(|| TimeDelta::hours(24));
    let remember = duration("session.remember")?.unwrap_or_else(|| TimeDelta::days(7));
    if idle > max {
        // Named is the one that was set; with both set, the shorter life is the mistake.
        return Err(if layers.find("session.max").is_some() {
            layers.wrong("session.max", "at least session.idle (8h by default)")
        } else {
            layers.wrong("session.idle", "at most session.max (24h by default)")
        });
    }
    if remember < TimeDelta::hours(24) {
        return Err(layers.wrong("session.remember", "at least 24h"));
    }
    Ok(SessionSettings { idle, max, remember })
}

pub(super) fn saml(layers: &Layers, base_url: &BaseUrl) -> Result<SamlSettings, ConfigError> {
    let encryption = key_files(layers, "saml.encryption_key", "saml.encryption_certificate")?;
    let previous_encryption =
        key_files(layers, "saml.previous_encryption_key", "saml.previous_encryption_certificate")?;
    let next_encryption = key_files(layers, "saml.next_encryption_key", "saml.next_encryption_certificate")?;
    if encryption.is_none() && (previous_encryption.is_some() || next_encryption.is_some()) {
        // Under the data directory the newest pairs are found by themselves.
        return Err(ConfigError::Missing {
            key: "saml.encryption_key",
            expected: "the pair that is published, beside the one before it or to come",
        });
    }
    Ok(SamlSettings {
        entity_id: match layers.parsed("saml.entity_id", parse::ENTITY_ID, parse::entity_id)? {
            Some(entity_id) => entity_id,
            None => base_url.join("/saml/metadata"),
        },
        skew: layers.parsed("saml.skew", parse::SKEW, parse::skew)?.unwrap_or_else(|| TimeDelta::minutes(3)),
        max_age: layers
            .parsed("saml.max_age", parse::MAX_AGE, parse::max_age)?
            .unwrap_or_else(|| TimeDelta::minutes(5)),
        soap: layers.parsed("saml.soap", parse::SWITCH, parse::switch)?.unwrap_or(true),
        signing: key_files(layers, "saml.signing_key", "saml.signing_certificate")?,
        next_signing_certificate: layers.path("saml.next_signing_certificate")?,
        encryption,
        previous_encryption,
        next_encryption,
        offer_encryption: layers
            .parsed("saml.offer_encryption", parse::SWITCH, parse::switch)?
            .unwrap_or(false),
    })
}

/// A word that is asked for in vain must not be missed in silence.
pub(super) fn second_opinion(layers: &Layers) -> Result<SecondOpinion, ConfigError> {
    let built_in = cfg!(feature = "second-opinion");
    let (default, expected) = if built_in {
        (SecondOpinion::Audit, parse::SECOND_OPINION)
    } else {
        (SecondOpinion::Off, parse::NO_SECOND_OPINION)
    };
    let asked = layers.parsed("second_opinion", expected, parse::second_opinion)?.unwrap_or(default);
    if asked != SecondOpinion::Off && !built_in {
        return Err(layers.wrong("second_opinion", expected));
    }
    Ok(asked)
}

pub(super) fn key_files(
    layers: &Layers,
    key: &'static str,
    certificate: &'static str,
) -> Result<Option<KeyFiles>, ConfigError> {
    const EXPECTED: &str = "the PEM file that belongs to the other half of the key pair";
    let missing = |key| ConfigError::Missing { key, expected: EXPECTED };
    match (layers.path(key)?, layers.path(certificate)?) {
        (None, None) => Ok(None),
        (Some(key), Some(certificate)) => Ok(Some(KeyFiles { key, certificate })),
        (Some(_), None) => Err(missing(certificate)),
        (None, Some(_)) => Err(missing(key)),
    }
}

pub(super) fn organization(layers: &Layers) -> Result<Option<Organization>, ConfigError> {
    let name = layers.parsed("organization.name", parse::TEXT, parse::text)?;
    let url = layers.parsed("organization.url", parse::WEB_ADDRESS, parse::web_address)?;
    match (name, url) {
        (None, None) => Ok(None),
        (Some(name), Some(url)) => Ok(Some(Organization { name, url })),
        (Some(_), None) => Err(ConfigError::Missing {
            key: "organization.url",
            expected: "the web address of the organization named in organization.name",
        }),
        (None, Some(_)) => Err(ConfigError::Missing {
            key: "organization.name",
            expected: "the name of the organization whose organization.url is set",
        }),
    }
}
