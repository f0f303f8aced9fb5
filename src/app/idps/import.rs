//! Metadata is imported: each identity provider in it as the next version of what was known of it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::slug::{is_slug, slug_for};
use super::{IdpError, json, policy_of, wanted};
use crate::app::refusals::Refused;
use crate::app::{App, IdpPolicy};
use crate::saml::metadata::{IdpMetadata, MetadataError, Policy};
use crate::saml::names::EntityId;
use crate::store::StoreError;
use crate::store::audit::Verdict;
use crate::store::identity_providers::{self, Wanted};

/// Where metadata comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A file in the metadata directory, read at the start.
    File,
    /// An administrator's command.
    Command,
}

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The name in URLs and on the command line; only for a document with one identity provider.
    /// None: made from the entity ID, or left as it is.
    pub slug: Option<String>,
    /// Take unsolicited Responses (SSO-12). It is switched on, never off, by an import.
    pub allow_unsolicited: bool,
    /// Where the document comes from.
    pub source: Source,
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct Imported {
    /// Those that were read.
    pub idps: Vec<ImportedIdp>,
    /// Those of an aggregate that cannot be used, and why.
    pub left_out: Vec<String>,
}

/// One identity provider of an import.
#[derive(Debug, Clone, Serialize)]
pub struct ImportedIdp {
    /// Its name in URLs and on the command line.
    pub slug: String,
    /// Its entity ID.
    pub entity_id: EntityId,
    /// What became of it.
    pub change: Change,
    /// What an administrator should know: no single logout, keys left out.
    pub notes: Vec<String>,
}

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not known.
    New,
    /// It was known otherwise.
    Changed,
    /// It was known like this.
    Unchanged,
    /// It was imported by a command before; a file does not override that.
    KeptCommand,
    /// It was removed; a file does not bring it back.
    StaysRemoved,
}

/// Imports all identity providers of a metadata document, each as the next version of what was known
/// of it, in one transaction. What was switched on, off or disabled stays so.
///
/// # Errors
/// [`IdpError`]; nothing is imported then.
pub async fn import(app: &App, xml: &[u8], options: &ImportOptions) -> Result<Imported, IdpError> {
    let mut tx = app.begin().await?;
    let imported = import_within(app, &mut tx, xml, options).await?;
    tx.commit().await.map_err(StoreError::from)?;
    app.renewed().await?;
    Ok(imported)
}

/// The same in the caller's transaction; the caller then reads identity providers anew.
pub(in crate::app) async fn import_within(
    app: &App,
    conn: &mut PgConnection,
    xml: &[u8],
    options: &ImportOptions,
) -> Result<Imported, IdpError> {
    let now = app.now();
    let base = &app.0.settings.base_url;
    let reading = IdpMetadata::read(xml, Policy { loopback_http: !base.is_https() }, now)
        .inspect_err(|refused| app.note_refused_metadata(xml, refused))?;
    if let Some(slug) = &options.slug {
        if !is_slug(slug) {
            return Err(IdpError::Slug(slug.clone()));
        }
        if reading.idps.len() != 1 {
            return Err(IdpError::SlugForSeveral(reading.idps.len()));
        }
    }
    let mut idps = Vec::new();
    for metadata in &reading.idps {
        idps.push(import_one(conn, metadata, options, now).await?);
    }
    for idp in &idps {
        tracing::info!(idp = idp.slug, entity_id = %idp.entity_id, change = ?idp.change, "metadata imported");
    }
    Ok(Imported { idps, left_out: reading.left_out.iter().map(ToString::to_string).collect() })
}

impl App {
    /// Counts a document of metadata that was refused, for the audit (VAL-23).
    fn note_refused_metadata(&self, xml: &[u8], refused: &MetadataError) {
        let refused = Refused {
            endpoint: "metadata",
            binding: None,
            issuer: None,
            message_id: None,
            digest: openssl::sha::sha256(xml),
            verdict: Verdict::Refused,
            rule: refused.rule(),
            source: None,
            detail: refused.to_string(),
        };
        self.0.refusals.note(&refused, self.now());
    }
}

async fn import_one(
    conn: &mut PgConnection,
    metadata: &IdpMetadata,
    options: &ImportOptions,
    now: DateTime<Utc>,
) -> Result<ImportedIdp, IdpError> {
    let entity_id = metadata.entity_id.as_str();
    let (removed, known) = match identity_providers::lock(conn, entity_id).await? {
        Some(known) if known.removed_at.is_some() => (Some(known), None),
        known => (None, known),
    };
    if let Some(removed) = removed.filter(|_| options.source == Source::File) {
        let (slug, entity_id) = (removed.slug, metadata.entity_id.clone());
        let note = "it was removed; \"signoff idp import\" brings it back, this file does not";
        let notes = vec![note.to_owned()];
        return Ok(ImportedIdp { slug, entity_id, change: Change::StaysRemoved, notes });
    }
    let slug = slug_for(conn, metadata, options, known.as_ref()).await?;
    let mut policy = known.as_ref().map_or_else(|| Ok(IdpPolicy::default()), policy_of)?;
    policy.allow_unsolicited |= options.allow_unsolicited;
    let (json, policy) = (json(metadata), json(&policy));
    let change = match &known {
        None => Change::New,
        Some(known) if options.source == Source::File && known.source == "command" => Change::KeptCommand,
        Some(known) if (&known.metadata, &known.policy, &known.slug) == (&json, &policy, &slug) => {
            Change::Unchanged
        }
        Some(_) => Change::Changed,
    };
    if matches!(change, Change::New | Change::Changed) {
        let wanted = Wanted {
            slug: &slug,
            state: known.as_ref().map_or("enabled", |known| known.state.as_str()),
            source: if options.source == Source::File { "file" } else { "command" },
            ..wanted(metadata, &json, &policy)
        };
        identity_providers::save(conn, &wanted, now).await?;
    }
    Ok(ImportedIdp {
        slug,
        entity_id: metadata.entity_id.clone(),
        change,
        notes: metadata.notes.iter().map(ToString::to_string).collect(),
    })
}
