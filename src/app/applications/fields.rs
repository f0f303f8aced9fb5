//! What an application is made of, as it is asked for and as it is shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::logout::hearing::Form;
use crate::store::applications::{ApplicationRow, Wanted};

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

impl TokenType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::LogoutJwt => "logout+jwt",
            Self::Jwt => "JWT",
        }
    }
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

impl Subject {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pairwise => "pairwise",
            Self::NameId => "name-id",
        }
    }
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
    /// Where a sign-out may return that names this application as `client_id`: https URLs, `*` as the
    /// first label of the host standing for any one label, or a native app's own scheme with a dot in it.
    /// Query and fragment of an address are not compared. The first without `*` is where a browser goes
    /// that names no address.
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
    /// Where a sign-out may return, instead of all before.
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

impl ApplicationRow {
    pub(super) fn wanted(&self) -> Wanted<'_> {
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

pub(super) fn view(row: ApplicationRow) -> ApplicationView {
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
