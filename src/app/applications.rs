//! Applications, as administrators see them: registered, listed, changed, deleted.

mod checks;
mod fields;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::app::App;
use crate::logout::hearing::Form;
use crate::store::applications::{self, ApplicationRow};
use crate::store::{ApplicationId, StoreError, TokenId, audit};
pub use checks::ApplicationError;
use checks::{checked, is_public_name};
use fields::view;
pub use fields::{ApplicationView, ChangedApplication, Created, NewApplication, Subject, TokenType};

/// Registers an application. The secret of a webhook is made here and shown this once.
///
/// # Errors
/// [`ApplicationError`]; nothing was registered.
pub async fn create(app: &App, wanted: &NewApplication) -> Result<Created, ApplicationError> {
    let mut tx = app.begin().await?;
    let created = create_within(app, &mut tx, None, wanted).await?;
    committed(app, tx).await?;
    Ok(created)
}

/// The same in the caller's transaction, in the name of a token; the caller then calls [`committed`].
pub(in crate::app) async fn create_within(
    app: &App,
    conn: &mut PgConnection,
    by: Option<TokenId>,
    wanted: &NewApplication,
) -> Result<Created, ApplicationError> {
    if !is_public_name(&wanted.id) {
        return Err(ApplicationError::Id(wanted.id.clone()));
    }
    let now = app.now();
    if wanted.form.is_token() && app.token_keys().active(now).is_none() {
        return Err(ApplicationError::NoTokenKey);
    }
    let row = ApplicationRow {
        id: ApplicationId(0),
        slug: wanted.id.clone(),
        name: wanted.name.clone().unwrap_or_else(|| wanted.id.clone()),
        form: wanted.form.as_str().to_owned(),
        url: wanted.url.clone(),
        origins: wanted.origins.clone(),
        logout_urls: wanted.logout_urls.clone(),
        token_type: wanted.token_type.as_str().to_owned(),
        subject: wanted.subject.as_str().to_owned(),
        counts_for_success: wanted.counts_for_success.unwrap_or(wanted.form.counts_by_default()),
        secret: None,
        feed_removed_through: 0,
        created_at: now,
        updated_at: now,
    };
    let row = checked(app, wanted.form, row).await?;
    let secret = if wanted.form == Form::Webhook { Some(app.0.entropy.bytes::<32>()?) } else { None };
    let Some(id) = applications::add(conn, &row.wanted(), secret.as_ref().map(|s| &s[..]), now).await? else {
        return Err(ApplicationError::Taken(row.slug));
    };
    audit::add(conn, &entry(now, by, "created", &row)).await?;
    tracing::info!(application = row.slug, form = row.form, id = id.0, "an application was registered");
    Ok(Created { view: view(row), secret: secret.map(|secret| format!("whsec_{}", STANDARD.encode(secret))) })
}

/// All applications, by public name.
///
/// # Errors
/// [`ApplicationError::Store`].
pub async fn list(app: &App) -> Result<Vec<ApplicationView>, ApplicationError> {
    let mut conn = app.connection().await?;
    Ok(applications::all(&mut conn).await?.into_iter().map(view).collect())
}

/// One application by its public name.
///
/// # Errors
/// [`ApplicationError::Unknown`], [`ApplicationError::Store`].
pub async fn show(app: &App, slug: &str) -> Result<ApplicationView, ApplicationError> {
    let mut conn = app.connection().await?;
    let found = applications::by_slug(&mut conn, slug).await?;
    found.map(view).ok_or_else(|| ApplicationError::Unknown(slug.to_owned()))
}

/// The row of the application of that public name.
///
/// # Errors
/// [`ApplicationError::Unknown`], [`ApplicationError::Store`].
pub async fn row_id(app: &App, slug: &str) -> Result<ApplicationId, ApplicationError> {
    let mut conn = app.connection().await?;
    let found = applications::by_slug(&mut conn, slug).await?;
    found.map(|row| row.id).ok_or_else(|| ApplicationError::Unknown(slug.to_owned()))
}

/// Changes an application. What it is being told at this moment may still go to the old URL.
///
/// # Errors
/// [`ApplicationError`]; nothing was changed.
pub async fn update(
    app: &App,
    slug: &str,
    wanted: &ChangedApplication,
) -> Result<ApplicationView, ApplicationError> {
    update_by(app, None, slug, wanted).await
}

/// The same in the name of a token.
pub(in crate::app) async fn update_by(
    app: &App,
    by: Option<TokenId>,
    slug: &str,
    wanted: &ChangedApplication,
) -> Result<ApplicationView, ApplicationError> {
    let now = app.now();
    let unknown = || ApplicationError::Unknown(slug.to_owned());
    let mut tx = app.begin().await?;
    let row = applications::lock(&mut tx, slug).await?.ok_or_else(unknown)?;
    let id = row.id;
    let form = Form::parse(&row.form).unwrap_or(Form::Pull);
    let row = ApplicationRow {
        name: wanted.name.clone().unwrap_or(row.name),
        url: wanted.url.clone().or(row.url),
        origins: wanted.origins.clone().unwrap_or(row.origins),
        logout_urls: wanted.logout_urls.clone().unwrap_or(row.logout_urls),
        token_type: wanted.token_type.map_or(row.token_type, |kind| kind.as_str().to_owned()),
        subject: wanted.subject.map_or(row.subject, |subject| subject.as_str().to_owned()),
        counts_for_success: wanted.counts_for_success.unwrap_or(row.counts_for_success),
        updated_at: now,
        ..row
    };
    let row = checked(app, form, row).await?;
    applications::change(&mut tx, id, &row.wanted(), now).await?;
    audit::add(&mut tx, &entry(now, by, "changed", &row)).await?;
    committed(app, tx).await?;
    tracing::info!(application = slug, "an application was changed");
    Ok(view(row))
}

/// Deletes an application with its tokens and its parts in sessions. What it was still to be told is
/// given up.
///
/// # Errors
/// [`ApplicationError::Unknown`], [`ApplicationError::Store`].
pub async fn delete(app: &App, slug: &str) -> Result<(), ApplicationError> {
    delete_by(app, None, slug).await
}

/// The same in the name of a token.
pub(in crate::app) async fn delete_by(
    app: &App,
    by: Option<TokenId>,
    slug: &str,
) -> Result<(), ApplicationError> {
    let now = app.now();
    let mut tx = app.begin().await?;
    let Some(row) = applications::lock(&mut tx, slug).await? else {
        return Err(ApplicationError::Unknown(slug.to_owned()));
    };
    applications::remove(&mut tx, row.id).await?;
    audit::add(&mut tx, &entry(now, by, "deleted", &row)).await?;
    committed(app, tx).await?;
    tracing::info!(application = slug, "an application was deleted");
    Ok(())
}

/// Commits; this node knows at once where applications live, others in a moment.
pub(in crate::app) async fn committed(
    app: &App,
    tx: Transaction<'static, Postgres>,
) -> Result<(), StoreError> {
    tx.commit().await?;
    let mut conn = app.connection().await?;
    app.0.origins.renew(&mut conn).await
}

/// Who counts is part of the line: what narrows it has to be findable later.
fn entry(now: DateTime<Utc>, by: Option<TokenId>, what: &str, row: &ApplicationRow) -> audit::Entry {
    let by = by.map(|token| format!("token {token}: ")).unwrap_or_default();
    audit::Entry {
        at: now,
        endpoint: "application",
        binding: None,
        issuer: None,
        message_id: None,
        digest: None,
        verdict: audit::Verdict::Ours,
        rule: "application",
        sessions: 0,
        count: 1,
        source: None,
        detail: Some(format!(
            "{by}{what} {} (form {}, counts for Success: {})",
            row.slug, row.form, row.counts_for_success
        )),
    }
}
