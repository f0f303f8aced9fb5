//! `[[oidc]]`: the OpenID providers, Auth0 tenants among them, through which people may sign in.

use std::collections::BTreeSet;

use url::{Host, Url};

use super::layers::{Layers, Table, TableSetting};
use super::{BaseUrl, ConfigError};

/// One OpenID provider.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// Its name in our URLs: `/auth0/login?provider=NAME`.
    pub name: String,
    /// What it calls itself, octet by octet: Auth0's ends with a slash.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our password there.
    pub client_secret: Secret,
    /// Whether it is a tenant of Auth0, with what only Auth0 has.
    pub kind: OidcKind,
    /// The one algorithm that its tokens are signed with.
    pub token_alg: TokenAlg,
    /// The Management API, by which sessions are ended without a browser.
    pub management: Option<ManagementApi>,
}

/// What kind of OpenID provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcKind {
    /// A tenant of Auth0.
    Auth0,
    /// Any other.
    Oidc,
}

/// How tokens are signed. There is neither `none` nor a shared key among them (OIDC-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum TokenAlg {
    EdDsa,
    Es256,
    Es384,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

/// Auth0's Management API.
#[derive(Clone, Debug)]
pub struct ManagementApi {
    /// Where it is, without a slash at the end.
    pub url: String,
    /// The audience of its access tokens.
    pub audience: String,
    /// Our name there.
    pub client_id: String,
    /// Our password there.
    pub client_secret: Secret,
}

/// A password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A password that is in no file.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the request that needs it alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl TokenAlg {
    const ALL: [(Self, &'static str); 9] = [
        (Self::EdDsa, "EdDSA"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
    ];

    /// The name in a token's header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(known, _)| *known)
    }
}

/// The keys of one `[[oidc]]` table.
pub(super) const KEYS: &[&str] = &[
    "name",
    "issuer",
    "client_id",
    "client_secret_file",
    "kind",
    "id_token_alg",
    "management_url",
    "management_audience",
    "management_client_id",
    "management_client_secret_file",
];

const NAME: &str = "a name of a-z, 0-9, '.', '_' and '-', such as auth0, and no two alike";
const ISSUER: &str = "the issuer as its discovery document spells it: https://HOST[/PATH] without query; http only on \
                      loopback hosts, while base_url is one too";
const PLAIN: &str = "1 to 256 visible ASCII characters";
const KIND: &str = "auth0 or oidc";
const ALG: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
const SECRET: &str = "a file that holds the secret";
const MANAGEMENT_URL: &str = "https://TENANT/api/v2 (http for a loopback host while base_url is one too)";
const TOGETHER: &str = "management_url, management_audience, management_client_id and management_client_secret_file together, with kind = auth0";

/// Reads all `[[oidc]]` tables.
pub(super) fn providers(layers: &Layers, base_url: &BaseUrl) -> Result<Vec<OidcProvider>, ConfigError> {
    let mut names = BTreeSet::new();
    let mut providers = Vec::new();
    for table in layers.tables("oidc") {
        let provider = provider(table, base_url)?;
        if !names.insert(provider.name.clone()) {
            return Err(table.wrong("name", NAME));
        }
        providers.push(provider);
    }
    Ok(providers)
}

fn provider(table: &Table, base_url: &BaseUrl) -> Result<OidcProvider, ConfigError> {
    let address = |text: &str| web_address(text, base_url);
    let kind = table.parsed("kind", KIND, kind)?.unwrap_or(OidcKind::Oidc);
    Ok(OidcProvider {
        name: table.required("name", NAME, name)?,
        issuer: table.required("issuer", ISSUER, |text| address(text).map(|()| text.to_owned()))?,
        client_id: table.required("client_id", PLAIN, plain)?,
        client_secret: secret(table, "client_secret_file")?,
        token_alg: table.parsed("id_token_alg", ALG, TokenAlg::parse)?.unwrap_or(TokenAlg::Rs256),
        management: management(table, kind, address)?,
        kind,
    })
}

fn management(
    table: &Table,
    kind: OidcKind,
    address: impl Fn(&str) -> Option<()>,
) -> Result<Option<ManagementApi>, ConfigError> {
    let keys: [TableSetting; 4] =
        ["management_url", "management_audience", "management_client_id", "management_client_secret_file"];
    let Some(given) = keys.into_iter().find(|key| table.has(key)) else { return Ok(None) };
    if kind != OidcKind::Auth0 {
        return Err(table.wrong(given, TOGETHER));
    }
    if let Some(absent) = keys.into_iter().find(|key| !table.has(key)) {
        return Err(table.wrong(absent, TOGETHER));
    }
    // A wrong path would find nothing, and not to find a session there means that it is over.
    let url = |text: &str| {
        address(text)?;
        let bare = text.trim_end_matches('/');
        let path = url::Url::parse(bare).ok()?.path().trim_end_matches('/').to_owned();
        (path.is_empty() || path.ends_with("/api/v2")).then(|| bare.to_owned())
    };
    Ok(Some(ManagementApi {
        url: table.required("management_url", MANAGEMENT_URL, url)?,
        audience: table.required("management_audience", PLAIN, plain)?,
        client_id: table.required("management_client_id", PLAIN, plain)?,
        client_secret: secret(table, "management_client_secret_file")?,
    }))
}

fn secret(table: &Table, key: TableSetting) -> Result<Secret, ConfigError> {
    let content = table.file(key, SECRET)?;
    let content = content.trim();
    // What cannot stand in a header or a form was never a secret of ours.
    let fits = !content.is_empty() && content.len() <= 4096 && !content.chars().any(char::is_control);
    if fits { Ok(Secret(content.to_owned())) } else { Err(table.wrong(key, SECRET)) }
}

fn name(text: &str) -> Option<String> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
    let good = (1..=63).contains(&text.len()) && text.bytes().all(plain);
    (good && !text.starts_with(['.', '_', '-'])).then(|| text.to_owned())
}

fn plain(text: &str) -> Option<String> {
    let good = (1..=256).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
    good.then(|| text.to_owned())
}

fn kind(text: &str) -> Option<OidcKind> {
    match text {
        "auth0" => Some(OidcKind::Auth0),
        "oidc" => Some(OidcKind::Oidc),
        _ => None,
    }
}

/// Whether a request with a secret may go there: encrypted, or to this very machine while we are
/// only tried out on it.
fn web_address(text: &str, base_url: &BaseUrl) -> Option<()> {
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && text.len() <= 512
        && text.bytes().all(|octet| octet.is_ascii_graphic());
    let loopback = match url.host()? {
        Host::Domain(domain) => domain == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && loopback && !base_url.is_https());
    (bare && safe).then_some(())
}
