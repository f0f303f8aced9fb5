//! Applications, as administrators see them: registered, listed, changed, deleted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Postgres, Transaction};
use url::Url;

use crate::app::App;
use crate::entropy::EntropyError;
use crate::logout::hearing::Form;
use crate::outbox::guard::Forbidden;
use crate::store::applications::{self, ApplicationRow, Wanted};
use crate::store::{ApplicationId, StoreError, TokenId, audit};

/// The most origins, and the most logout URLs, of one application.
const MOST_ADDRESSES: usize = 50;
/// The longest URL.
const LONGEST_URL: usize = 2_000;
/// The longest name.
const LONGEST_NAME: usize = 200;

/// Header `typ` of an application's logout tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum TokenType {
    /// As Back-Channel Logout 1.0 recommends (2.4).
    #[default]
    #[serde(rename = "logout+jwt")]
    LogoutJwt,
    /// For receivers that know no other.
    #[serde(rename = "JWT")]
    Jwt,
}

/// What an application is told of the person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A name that no other application knows.
    #[default]
    Pairwise,
    /// The NameID of the identity provider.
    NameId,
}

/// An application to be registered.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Its public name: up to 63 of a-z, 0-9, '.', '_' and '-'; `aud` of its tokens.
    pub id: String,
    /// For people; its public name, if none is given.
    #[serde(default)]
    pub name: Option<String>,
    /// How it is told: `logout-token`, `webhook`, `caep` or `pull`.
    #[schema(value_type = String)]
    pub form: Form,
    /// Where notifications go; none for `pull`.
    #[serde(default)]
    pub url: Option<String>,
    /// Where its pages live, as `scheme://host[:port]`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Where a sign-out may return: exact URLs, or with `*` as the first label of the host.
    #[serde(default)]
    pub logout_urls: Vec<String>,
    /// Header `typ` of its logout tokens.
    #[serde(default)]
    pub token_type: TokenType,
    /// What it is told of the person.
    #[serde(default)]
    pub subject: Subject,
    /// Whether an identity provider is told PartialLogout while this application has not acknowledged.
    /// Left out: true for `logout-token` and `caep`.
    #[serde(default)]
    pub counts_for_success: Option<bool>,
}

/// What is to be changed of an application; what is left out stays. The form is for good: another form
/// is another application.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangedApplication {
    /// For people.
    pub name: Option<String>,
    /// Where notifications go.
    pub url: Option<String>,
    /// Where its pages live.
    pub origins: Option<Vec<String>>,
    /// Where a sign-out may return.
    pub logout_urls: Option<Vec<String>>,
    /// Header `typ` of its logout tokens.
    pub token_type: Option<TokenType>,
    /// What it is told of the person.
    pub subject: Option<Subject>,
    /// Whether an identity provider is told PartialLogout while it has not acknowledged.
    pub counts_for_success: Option<bool>,
}

/// An application in a list or by itself. Its secret is not in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ApplicationView {
    /// Its public name.
    pub id: String,
    /// For people.
    pub name: String,
    /// `logout-token`, `webhook`, `caep` or `pull`.
    pub form: String,
    /// Where notifications go.
    pub url: Option<String>,
    /// Where its pages live.
    pub origins: Vec<String>,
    /// Where a sign-out may return.
    pub logout_urls: Vec<String>,
    /// Header `typ` of its logout tokens: `logout+jwt` or `JWT`.
    pub token_type: String,
    /// `pairwise` or `name-id`.
    pub subject: String,
    /// Whether an identity provider is told PartialLogout while it has not acknowledged.
    pub counts_for_success: bool,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An application that was registered.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct Created {
    /// The application.
    #[serde(flatten)]
    pub view: ApplicationView,
    /// Signs its webhooks (`whsec_` and base64): shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is not for logs.
        f.debug_struct("Created").field("view", &self.view).finish_non_exhaustive()
    }
}

/// Why an application was not registered, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The public name cannot be used.
    #[error(
        "the name {0:?} cannot be used: expected up to 63 of a-z, 0-9, '.', '_' and '-', not starting with the last three"
    )]
    Id(String),
    /// The name for people cannot be used.
    #[error("expected a line of text of at most {LONGEST_NAME} characters")]
    Name,
    /// A form that tells needs to know where.
    #[error("expected the URL at which the application takes notifications")]
    UrlMissing,
    /// A form that tells nothing has nowhere to go.
    #[error("an application that reads its feed takes no notifications, so it has no URL")]
    UrlForPull,
    /// The URL may not be used.
    #[error("{0}")]
    Url(#[from] Forbidden),
    /// The URL is too long.
    #[error("expected a URL of at most {LONGEST_URL} characters")]
    UrlTooLong,
    /// Not an origin.
    #[error("{0:?}: expected an origin such as https://app.example.com, without a path")]
    Origin(String),
    /// Not a URL to which a sign-out may return.
    #[error(
        "{0:?}: expected an https URL without user name and fragment; * may stand for the first label of the host"
    )]
    LogoutUrl(String),
    /// Too many origins or URLs.
    #[error("expected at most {MOST_ADDRESSES}")]
    TooMany(&'static str),
    /// An application that acknowledges nothing cannot count.
    #[error("an application that reads its feed acknowledges nothing, so it cannot count for Success")]
    CountsForPull,
    /// There is no key to sign tokens with.
    #[error(
        "there is no key that signs tokens: set tokens.signing_key and tokens.signing_certificate, or generate one \
         with \"signoff keys new --kind rsa-2048 --purpose tokens\""
    )]
    NoTokenKey,
    /// Another application has the public name.
    #[error("another application is called {0:?}")]
    Taken(String),
    /// No application of that public name.
    #[error("there is no application called {0:?}")]
    Unknown(String),
    /// No randomness for a secret.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApplicationError {
    /// The field of the request that is wrong, if one is.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Id(_) => Some("id"),
            Self::Name => Some("name"),
            Self::UrlMissing | Self::UrlForPull | Self::Url(_) | Self::UrlTooLong => Some("url"),
            Self::Origin(_) => Some("origins"),
            Self::LogoutUrl(_) => Some("logout_urls"),
            Self::TooMany(field) => Some(field),
            Self::CountsForPull => Some("counts_for_success"),
            Self::NoTokenKey => Some("form"),
            Self::Taken(_) | Self::Unknown(_) | Self::Entropy(_) | Self::Store(_) => None,
        }
    }
}

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

/// Everything that can be wrong with an application, whoever registers or changes it. Addresses are
/// given back as they are compared.
async fn checked(app: &App, form: Form, row: ApplicationRow) -> Result<ApplicationRow, ApplicationError> {
    let name = row.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApplicationError::Name);
    }
    match (form, &row.url) {
        (Form::Pull, None) => {}
        (Form::Pull, Some(_)) => return Err(ApplicationError::UrlForPull),
        (_, None) => return Err(ApplicationError::UrlMissing),
        (_, Some(url)) if url.len() > LONGEST_URL => return Err(ApplicationError::UrlTooLong),
        (_, Some(url)) => app.0.notifier.check(url).await?,
    }
    if form == Form::Pull && row.counts_for_success {
        return Err(ApplicationError::CountsForPull);
    }
    for (field, list) in [("origins", &row.origins), ("logout_urls", &row.logout_urls)] {
        if list.len() > MOST_ADDRESSES {
            return Err(ApplicationError::TooMany(field));
        }
    }
    let loopback = app.0.settings.base_url.is_loopback();
    let origin = |text: &String| origin(text, loopback).ok_or_else(|| ApplicationError::Origin(text.clone()));
    let origins = row.origins.iter().map(origin).collect::<Result<_, _>>()?;
    if let Some(wrong) = row.logout_urls.iter().find(|text| !is_logout_url(text, loopback)) {
        return Err(ApplicationError::LogoutUrl(wrong.clone()));
    }
    Ok(ApplicationRow { name, origins, ..row })
}

fn is_public_name(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let first = text.bytes().next().is_some_and(plain);
    first && text.len() <= 63 && text.bytes().all(|octet| plain(octet) || matches!(octet, b'.' | b'_' | b'-'))
}

/// `scheme://host[:port]` as browsers write it. Plain http only for loopback hosts, while we are one.
fn origin(text: &str, loopback: bool) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && !text.ends_with('/');
    (bare && is_web(&url, loopback)).then(|| url.origin().ascii_serialization())
}

fn is_logout_url(text: &str, loopback: bool) -> bool {
    let starred = text.matches('*').count();
    let plain = text.replacen("://*.", "://star.", 1);
    // A star for less than a label, or for a whole domain of a registry, would be anybody's.
    let whole_label = starred == 0 || starred == 1 && plain != text && plain.matches('.').count() >= 2;
    text.len() <= LONGEST_URL && whole_label && Url::parse(&plain).is_ok_and(|url| is_web(&url, loopback))
}

fn is_web(url: &Url, loopback: bool) -> bool {
    let here = match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let scheme = url.scheme() == "https" || url.scheme() == "http" && here && loopback;
    scheme && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LogoutJwt => "logout+jwt",
            Self::Jwt => "JWT",
        }
    }
}

impl Subject {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pairwise => "pairwise",
            Self::NameId => "name-id",
        }
    }
}

impl ApplicationRow {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            slug: &self.slug,
            name: &self.name,
            form: &self.form,
            url: self.url.as_deref(),
            origins: &self.origins,
            logout_urls: &self.logout_urls,
            token_type: &self.token_type,
            subject: &self.subject,
            counts_for_success: self.counts_for_success,
        }
    }
}

fn view(row: ApplicationRow) -> ApplicationView {
    ApplicationView {
        id: row.slug,
        name: row.name,
        form: row.form,
        url: row.url,
        origins: row.origins,
        logout_urls: row.logout_urls,
        token_type: row.token_type,
        subject: row.subject,
        counts_for_success: row.counts_for_success,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_name_is_short_and_plain() {
        for good in ["shop", "a", "9.b_c-d", &"a".repeat(63)] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in ["", "Shop", "-a", ".a", "_a", "a/b", "a b", "\u{e9}", &"a".repeat(64)] {
            assert!(!is_public_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        assert_eq!(origin("https://App.example.com:443", false).as_deref(), Some("https://app.example.com"));
        assert_eq!(origin("http://127.0.0.1:3000", true).as_deref(), Some("http://127.0.0.1:3000"));
        for bad in
            ["https://a.example/x", "http://a.example", "null", "*", "https://*", "https://u@a.example"]
        {
            assert_eq!(origin(bad, true).filter(|_| bad != "https://*"), None, "{bad}");
        }
        assert_eq!(origin("http://127.0.0.1:3000", false), None);
    }

    #[test]
    fn a_star_stands_for_one_label_of_the_host() {
        for good in ["https://a.example/out", "https://a.example/out?x=1", "https://*.a.example/out"] {
            assert!(is_logout_url(good, false), "{good}");
        }
        for bad in [
            "https://*.com/",
            "https://a*.a.example/",
            "https://*.*.a.example/",
            "https://a.example/*",
            "http://a.example/",
            "https://a.example/#x",
            "https://u:p@a.example/",
            "javascript:alert(1)",
            "/out",
        ] {
            assert!(!is_logout_url(bad, false), "{bad}");
        }
    }
}
