//! The names of identity providers in addresses and on the command line.

use sqlx::PgConnection;

use super::IdpError;
use super::import::ImportOptions;
use crate::saml::metadata::IdpMetadata;
use crate::store::identity_providers::{self, IdpRow};

/// The slug that an imported identity provider gets: the one wanted, the one it has, or one made from its
/// entity ID.
pub(super) async fn slug_for(
    conn: &mut PgConnection,
    metadata: &IdpMetadata,
    options: &ImportOptions,
    known: Option<&IdpRow>,
) -> Result<String, IdpError> {
    let entity_id = metadata.entity_id.as_str();
    if let Some(slug) = &options.slug {
        let taken = identity_providers::slug_taken(conn, slug, entity_id).await?;
        return if taken { Err(IdpError::SlugTaken(slug.clone())) } else { Ok(slug.clone()) };
    }
    if let Some(known) = known {
        return Ok(known.slug.clone());
    }
    let first = slug_of(entity_id);
    let mut slug = first.clone();
    let mut number = 1;
    while identity_providers::slug_taken(conn, &slug, entity_id).await? {
        number += 1;
        slug = format!("{first}-{number}");
    }
    Ok(slug)
}

/// A slug made from an entity ID: its host, or else its letters and digits.
fn slug_of(entity_id: &str) -> String {
    let host = url::Url::parse(entity_id).ok().and_then(|url| url.host_str().map(str::to_owned));
    let text = host.unwrap_or_else(|| entity_id.to_owned()).to_ascii_lowercase();
    let plain: String =
        text.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let short: String = plain.trim_matches('-').chars().take(48).collect();
    if short.is_empty() { "idp".to_owned() } else { short }
}

/// Whether a text can stand in addresses and on the command line.
pub(super) fn is_slug(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    first && text.len() <= 63 && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_from_the_host() {
        for (entity_id, slug) in [
            ("https://idp.Example.com/saml", "idp-example-com"),
            ("http://127.0.0.1:9000/metadata", "127-0-0-1"),
            ("urn:Example:IdP", "urn-example-idp"),
            ("ééé", "idp"),
        ] {
            assert_eq!(slug_of(entity_id), slug);
            assert!(is_slug(slug));
        }
        for wrong in ["", "-a", "A", "a b", "a/b", ".a", &"a".repeat(64)] {
            assert!(!is_slug(wrong), "{wrong}");
        }
    }
}
