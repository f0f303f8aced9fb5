//! Identity providers over the API: looked at, imported, changed.

mod remove;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::once::{self, Kept, Once};
use super::{Halt, Refused};
use crate::app::App;
use crate::app::idps::{self, Change, IdpError, IdpView, ImportOptions, Source};
use crate::app::tokens::Caller;
use crate::saml::metadata::Endpoint;
use crate::store::audit;

pub use remove::{Removed, remove, remove_by_command};

/// An identity provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IdentityProviderView {
    /// Its name in addresses and on the command line.
    pub slug: String,
    /// Its entity ID.
    pub entity_id: String,
    /// For people.
    pub name: Option<String>,
    /// Whether it is enabled; a disabled one signs nobody in, its LogoutRequests count.
    pub enabled: bool,
    /// Whether its metadata has expired: the same holds.
    pub expired: bool,
    /// Until when its metadata is good.
    pub valid_until: Option<DateTime<Utc>>,
    /// How often it was changed.
    pub version: i64,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// `file` or `command`; the API counts as a command.
    pub source: String,
    /// Where AuthnRequests go.
    pub single_sign_on: Vec<EndpointView>,
    /// Where logout messages go. Empty: it cannot be told of a logout.
    pub single_logout: Vec<EndpointView>,
    /// Its signing keys, by kind and size.
    pub signing_keys: Vec<String>,
    /// Its keys to encrypt to, by kind and size.
    pub encryption_keys: Vec<String>,
    /// The signature algorithm of what is sent to it. Null if it takes none that our key can sign with:
    /// then nothing is sent.
    pub signed_with: Option<&'static str>,
    /// The switches set for it, by name.
    pub switches: BTreeMap<String, SwitchValue>,
}

/// An endpoint of an identity provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EndpointView {
    /// `redirect`, `post` or `soap`.
    pub binding: &'static str,
    /// Where requests go.
    pub location: String,
    /// Where responses go, if elsewhere.
    pub response_location: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportedView {
    /// Those that can be used now.
    pub identity_providers: Vec<ImportedOne>,
    /// Those of an aggregate that cannot be used, and why.
    pub left_out: Vec<String>,
}

/// One identity provider of an import.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportedOne {
    /// Its name in addresses and on the command line.
    pub slug: String,
    /// Its entity ID.
    pub entity_id: String,
    /// What became of it: `new`, `changed` or `unchanged`.
    pub change: &'static str,
    /// What an administrator should know: no single logout, keys left out.
    pub notes: Vec<String>,
}

/// A metadata document to be imported.
#[derive(Debug, Clone)]
pub struct MetadataDocument {
    /// The document.
    pub xml: String,
    /// The name in addresses; only for a document with one identity provider.
    pub slug: Option<String>,
    /// Take unsolicited Responses (SSO-12).
    pub allow_unsolicited: bool,
}

/// What to change of an identity provider.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Whether it may sign people in.
    pub enabled: Option<bool>,
    /// Switches by name.
    pub switches: BTreeMap<String, SwitchValue>,
}

/// What a switch is set to: most are on or off, some have a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SwitchValue {
    /// On or off.
    Flag(bool),
    /// A word, `partial` or `success` of `auth0_pending` for one.
    Word(String),
}

impl std::fmt::Display for SwitchValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(on) => on.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// All identity providers, by slug.
///
/// # Errors
/// [`Refused::Failed`].
pub async fn list(app: &App) -> Result<Vec<IdentityProviderView>, Refused> {
    app.answering("listing identity providers", async {
        Ok(idps::list(app).await?.into_iter().map(IdentityProviderView::from).collect())
    })
    .await
}

/// One identity provider, by slug or entity ID.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn show(app: &App, name: &str) -> Result<IdentityProviderView, Refused> {
    app.answering("looking at an identity provider", async { Ok(idps::show(app, name).await?.into()) }).await
}

/// Imports all identity providers of a document, or none.
///
/// # Errors
/// [`Refused::Unprocessable`], [`Refused::Failed`], and those of [`once`].
pub async fn import(
    app: &App,
    caller: &Caller,
    document: &MetadataDocument,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    let answer = app
        .answering("importing metadata", async {
            let options = ImportOptions {
                slug: document.slug.clone(),
                allow_unsolicited: document.allow_unsolicited,
                source: Source::Command,
            };
            let mut tx = app.begin().await?;
            if let Some(kept) = once::claim(app, &mut tx, once).await? {
                return Ok(kept);
            }
            let imported = idps::import_within(app, &mut tx, document.xml.as_bytes(), &options).await?;
            for one in imported.idps.iter().filter(|one| one.change != Change::Unchanged) {
                let what = format!("imported identity provider {} ({})", one.slug, word(one.change));
                let entry = app.changed_by(Some(caller.token), "/api/v1/identity-providers", &what);
                audit::add(&mut tx, &entry).await?;
            }
            let view = ImportedView {
                identity_providers: imported
                    .idps
                    .into_iter()
                    .map(|one| ImportedOne {
                        slug: one.slug,
                        entity_id: one.entity_id.to_string(),
                        change: word(one.change),
                        notes: one.notes,
                    })
                    .collect(),
                left_out: imported.left_out,
            };
            let location = match view.identity_providers.as_slice() {
                [idp] => Some(format!("/api/v1/identity-providers/{}", idp.slug)),
                _ => None,
            };
            let answer = once::keep(app, &mut tx, once, Kept::new(201, location, &view)?).await?;
            tx.commit().await?;
            Ok(answer)
        })
        .await?;
    app.answering("reading identity providers anew", async { Ok(app.renewed().await.map(drop)?) }).await?;
    Ok(answer)
}

/// Changes an identity provider: all that is named, or nothing.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Unprocessable`], [`Refused::Failed`].
pub async fn change(
    app: &App,
    caller: &Caller,
    name: &str,
    wanted: &Configuration,
) -> Result<IdentityProviderView, Refused> {
    app.answering("changing an identity provider", async {
        let entity_id = idps::show(app, name).await?.entity_id;
        let mut tx = app.begin().await?;
        let changed = idps::change_within(app, &mut tx, &entity_id, |row, policy| {
            if let Some(enabled) = wanted.enabled {
                let state = if enabled { "enabled" } else { "disabled" };
                state.clone_into(&mut row.state);
            }
            for (switch, value) in &wanted.switches {
                idps::switch(row, policy, switch, &value.to_string())?;
            }
            Ok(())
        })
        .await?;
        if changed {
            let what = format!("changed identity provider {name}: {}", described(wanted));
            let entry = app.changed_by(Some(caller.token), "/api/v1/identity-providers/{name}", &what);
            audit::add(&mut tx, &entry).await?;
        }
        tx.commit().await?;
        app.renewed().await?;
        Ok(idps::show(app, &entity_id).await?.into())
    })
    .await
}

impl From<IdpError> for Halt {
    fn from(error: IdpError) -> Self {
        let reason = error.to_string();
        match error {
            IdpError::Store(error) => error.into(),
            IdpError::Unknown(_) => Refused::NotFound.into(),
            IdpError::Metadata(_) => Refused::Unprocessable { field: "metadata", reason }.into(),
            IdpError::NoEncryptionKey(_) | IdpError::Switch(_) => {
                Refused::Unprocessable { field: "switches", reason }.into()
            }
            IdpError::Slug(_) | IdpError::SlugForSeveral(_) => {
                Refused::Unprocessable { field: "slug", reason }.into()
            }
            IdpError::SlugTaken(_) => Refused::Conflict(reason).into(),
        }
    }
}

impl From<IdpView> for IdentityProviderView {
    fn from(idp: IdpView) -> Self {
        let switches = serde_json::to_value(idp.policy).ok();
        Self {
            slug: idp.slug,
            entity_id: idp.entity_id,
            name: idp.name,
            enabled: idp.enabled,
            expired: idp.expired,
            valid_until: idp.valid_until,
            version: idp.version,
            updated_at: idp.updated_at,
            source: idp.source,
            single_sign_on: idp.single_sign_on.into_iter().map(EndpointView::from).collect(),
            single_logout: idp.single_logout.into_iter().map(EndpointView::from).collect(),
            signing_keys: idp.signing_keys,
            encryption_keys: idp.encryption_keys,
            signed_with: idp.signed_with,
            switches: switches.and_then(|switches| serde_json::from_value(switches).ok()).unwrap_or_default(),
        }
    }
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            binding: endpoint.binding.as_str(),
            location: endpoint.location.as_str().to_owned(),
            response_location: endpoint.response_location.map(|location| location.as_str().to_owned()),
        }
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Unchanged => "unchanged",
        Change::KeptCommand | Change::StaysRemoved => "kept",
    }
}

fn described(wanted: &Configuration) -> String {
    let enabled = wanted.enabled.map(|enabled| format!("enabled={enabled}"));
    let switches = wanted.switches.iter().map(|(name, value)| format!("{name}={value}"));
    enabled.into_iter().chain(switches).collect::<Vec<_>>().join(" ")
}
