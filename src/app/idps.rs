//! Identity providers, as administrators see them: imported from metadata, listed, switched.

mod import;
mod slug;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::app::{App, IdpPolicy, SwitchError};
use crate::saml::metadata::{Endpoint, IdpMetadata, MetadataError};
use crate::saml::names::Binding;
use crate::store::identity_providers::{self, IdpRow, Wanted};
use crate::store::{IdpId, StoreError};

pub(in crate::app) use import::import_within;
pub use import::{Change, ImportOptions, Imported, ImportedIdp, Source, import};

/// Why nothing was imported or changed.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Nothing could be encrypted to it.
    #[error("the metadata of {0:?} has no RSA key to encrypt to; import it again if it has one now")]
    NoEncryptionKey(String),
    /// No identity provider of that name.
    #[error("there is no identity provider called {0:?}")]
    Unknown(String),
    /// The slug cannot be used.
    #[error(
        "the slug {0:?} cannot be used: expected up to 63 of a-z, 0-9, '.', '_' and '-', not starting with the last three"
    )]
    Slug(String),
    /// A slug for several.
    #[error("the document has {0} identity providers; a slug can be given to one only")]
    SlugForSeveral(usize),
    /// Another has the slug.
    #[error("another identity provider is called {0:?}")]
    SlugTaken(String),
    /// No such switch, or not to that.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An identity provider in a list or by itself.
#[derive(Debug, Clone, Serialize)]
pub struct IdpView {
    /// Its name in URLs and on the command line.
    pub slug: String,
    /// Its entity ID.
    pub entity_id: String,
    /// For people.
    pub name: Option<String>,
    /// Whether it is enabled; a disabled one signs nobody in, its `LogoutRequests` count (SSO-26).
    pub enabled: bool,
    /// Whether its metadata has expired: the same holds.
    pub expired: bool,
    /// Until when its metadata is good.
    pub valid_until: Option<DateTime<Utc>>,
    /// How often it was changed.
    pub version: i64,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// `file` or `command`.
    pub source: String,
    /// Where `AuthnRequests` go.
    pub single_sign_on: Vec<Endpoint>,
    /// Where logout messages go. Empty: it cannot be told of a logout.
    pub single_logout: Vec<Endpoint>,
    /// Its signing keys, by kind and size.
    pub signing_keys: Vec<String>,
    /// Its keys to encrypt to, by kind and size.
    pub encryption_keys: Vec<String>,
    /// The algorithm of what we send to it; none if it takes none that we sign with, so that nothing is
    /// sent (MD-24).
    pub signed_with: Option<&'static str>,
    /// The switches set for it.
    pub policy: IdpPolicy,
}

/// All identity providers, by slug.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App) -> Result<Vec<IdpView>, StoreError> {
    let mut conn = app.connection().await?;
    let rows = identity_providers::all(&mut conn).await?;
    rows.into_iter().map(|row| view(app, row)).collect()
}

/// One identity provider, by slug or entity ID.
///
/// # Errors
/// [`IdpError::Unknown`], [`IdpError::Store`].
pub async fn show(app: &App, name: &str) -> Result<IdpView, IdpError> {
    let all = list(app).await?;
    let found = all.into_iter().find(|idp| idp.slug == name || idp.entity_id == name);
    found.ok_or_else(|| IdpError::Unknown(name.to_owned()))
}

/// Lets an identity provider sign people in again.
///
/// # Errors
/// [`IdpError::Unknown`], [`IdpError::Store`].
pub async fn enable(app: &App, name: &str) -> Result<(), IdpError> {
    change(app, name, |row, _| {
        "enabled".clone_into(&mut row.state);
        Ok(())
    })
    .await
}

/// Lets an identity provider sign nobody in; its `LogoutRequests` stay honoured (SSO-26).
///
/// # Errors
/// [`IdpError::Unknown`], [`IdpError::Store`].
pub async fn disable(app: &App, name: &str) -> Result<(), IdpError> {
    change(app, name, |row, _| {
        "disabled".clone_into(&mut row.state);
        Ok(())
    })
    .await
}

/// Sets one of [`IdpPolicy::NAMES`] to `true` or `false`, or to one of its words.
///
/// # Errors
/// [`IdpError::Unknown`], [`IdpError::Switch`], [`IdpError::NoEncryptionKey`], [`IdpError::Store`].
pub async fn set(app: &App, name: &str, switch: &str, value: &str) -> Result<(), IdpError> {
    change(app, name, |row, policy| self::switch(row, policy, switch, value)).await
}

/// Turns a switch of a row that is about to be saved.
pub(in crate::app) fn switch(
    row: &IdpRow,
    policy: &mut IdpPolicy,
    name: &str,
    value: &str,
) -> Result<(), IdpError> {
    let before = policy.encrypt_name_id;
    policy.set(name, value)?;
    // SLO-43: from now on it would be told nothing at all.
    let keys = row.metadata.get("encryption_keys").and_then(Value::as_array);
    if policy.encrypt_name_id && !before && keys.is_none_or(Vec::is_empty) {
        return Err(IdpError::NoEncryptionKey(row.slug.clone()));
    }
    Ok(())
}

fn wanted<'a>(metadata: &'a IdpMetadata, json: &'a Value, policy: &'a Value) -> Wanted<'a> {
    Wanted {
        slug: "",
        entity_id: metadata.entity_id.as_str(),
        state: "enabled",
        metadata: json,
        policy,
        source: "command",
        valid_until: metadata.valid_until,
        has_soap: metadata.slo(Binding::Soap).is_some(),
        has_front: metadata.slo(Binding::Redirect).is_some() || metadata.slo(Binding::Post).is_some(),
    }
}

/// Changes one identity provider, which becomes its next version, in every node.
async fn change(
    app: &App,
    name: &str,
    alter: impl FnOnce(&mut IdpRow, &mut IdpPolicy) -> Result<(), IdpError>,
) -> Result<(), IdpError> {
    let entity_id = show(app, name).await?.entity_id;
    let mut tx = app.begin().await?;
    change_within(app, &mut tx, &entity_id, alter).await?;
    tx.commit().await.map_err(StoreError::from)?;
    app.renewed().await?;
    Ok(())
}

/// The same in the caller's transaction; says whether there was anything to change. The caller then
/// reads identity providers anew.
pub(in crate::app) async fn change_within(
    app: &App,
    conn: &mut PgConnection,
    entity_id: &str,
    alter: impl FnOnce(&mut IdpRow, &mut IdpPolicy) -> Result<(), IdpError>,
) -> Result<bool, IdpError> {
    let unknown = || IdpError::Unknown(entity_id.to_owned());
    let row = identity_providers::lock(conn, entity_id).await?.filter(|row| row.removed_at.is_none());
    let mut row = row.ok_or_else(unknown)?;
    let mut policy = policy_of(&row)?;
    let before = (row.state.clone(), policy);
    alter(&mut row, &mut policy)?;
    if before == (row.state.clone(), policy) {
        return Ok(false);
    }
    let metadata = metadata_of(&row)?;
    let policy = json(&policy);
    let wanted = Wanted {
        slug: &row.slug,
        state: &row.state,
        source: &row.source,
        ..wanted(&metadata, &row.metadata, &policy)
    };
    identity_providers::save(conn, &wanted, app.now()).await?;
    tracing::info!(idp = row.slug, state = row.state, %policy, "identity provider changed");
    Ok(true)
}

fn view(app: &App, row: IdpRow) -> Result<IdpView, StoreError> {
    let now = app.now();
    let (metadata, policy) = (metadata_of(&row)?, policy_of(&row)?);
    let signed_with = app.0.registry.signer(&metadata).map(|signer| signer.algorithm().uri());
    Ok(IdpView {
        slug: row.slug,
        entity_id: row.entity_id,
        name: metadata.display_name,
        enabled: row.state == "enabled",
        expired: row.valid_until.is_some_and(|until| until <= now),
        valid_until: row.valid_until,
        version: row.version,
        updated_at: row.updated_at,
        source: row.source,
        single_sign_on: metadata.single_sign_on,
        single_logout: metadata.single_logout,
        signing_keys: metadata.signing_keys.iter().map(ToString::to_string).collect(),
        encryption_keys: metadata.encryption_keys.iter().map(|target| target.key.to_string()).collect(),
        signed_with,
        policy,
    })
}

fn metadata_of(row: &IdpRow) -> Result<IdpMetadata, StoreError> {
    serde_json::from_value(row.metadata.clone()).map_err(|_| corrupt("metadata", row.id))
}

fn policy_of(row: &IdpRow) -> Result<IdpPolicy, StoreError> {
    serde_json::from_value(row.policy.clone()).map_err(|_| corrupt("policy", row.id))
}

const fn corrupt(column: &'static str, row: IdpId) -> StoreError {
    StoreError::Corrupt { table: "identity_provider", column, row: row.0 }
}

/// Plain structs of ours: they always have a JSON form.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
