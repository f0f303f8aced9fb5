//! `[[oidc]]` tables from made-up machines.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const WHOLE: &str = r#"
[[oidc]]
name = "auth0"
issuer = "https://tenant.eu.auth0.com/"
client_id = "abc"
client_secret_file = "secrets/one"
kind = "auth0"
management_url = "https://tenant.eu.auth0.com/api/v2/"
management_audience = "https://tenant.eu.auth0.com/api/v2/"
management_client_id = "m2m"
management_client_secret_file = "secrets/two"

[[oidc]]
name = "other"
issuer = "https://op.example/realm"
client_id = "signoff"
client_secret_file = "secrets/one"
id_token_alg = "ES256"
"#;

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("signoff.toml"), toml).unwrap();
    std::fs::create_dir(directory.path().join("secrets")).unwrap();
    std::fs::write(directory.path().join("secrets/one"), "s3cret-one\n").unwrap();
    std::fs::write(directory.path().join("secrets/two"), "s3cret-two\n").unwrap();
    std::fs::write(directory.path().join("secrets/empty"), "\n").unwrap();
    let mut machine = Machine::bare(directory.path());
    machine.variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings::load(&Flags::default(), &machine)
}

fn refusal(toml: &str) -> String {
    let line = load(toml, &[]).unwrap_err().to_string();
    assert!(!line.contains('\n') && !line.contains("s3cret"), "{line}");
    line
}

#[test]
fn any_number_of_providers_is_read_with_secrets_from_files_beside_the_configuration() {
    let settings = load(WHOLE, &[]).unwrap();
    let [first, second] = settings.oidc.as_slice() else { unreachable!("{:?}", settings.oidc) };
    assert_eq!(
        (first.name.as_str(), first.kind, first.token_alg),
        ("auth0", OidcKind::Auth0, TokenAlg::Rs256)
    );
    assert_eq!(first.issuer, "https://tenant.eu.auth0.com/", "the slash belongs to the name");
    assert_eq!(first.client_secret.expose(), "s3cret-one");
    let management = first.management.as_ref().unwrap();
    assert_eq!(management.url, "https://tenant.eu.auth0.com/api/v2");
    assert_eq!(management.client_secret.expose(), "s3cret-two");
    assert_eq!((second.kind, second.token_alg), (OidcKind::Oidc, TokenAlg::Es256));
    assert!(second.management.is_none());
    assert!(!format!("{settings:?}").contains("s3cret"), "no secret is ever printed");
    assert!(load("", &[]).unwrap().oidc.is_empty());
}

#[test]
fn a_mistake_is_told_with_key_value_origin_and_what_is_expected() {
    for (good, bad, key) in [
        ("name = \"other\"", "name = \"Other\"", "oidc[1].name = \"Other\""),
        ("name = \"other\"", "name = \"auth0\"", "oidc[1].name = \"auth0\""),
        (
            "https://op.example/realm",
            "http://op.example/realm",
            "oidc[1].issuer = \"http://op.example/realm\"",
        ),
        ("https://op.example/realm", "https://op.example/?x=y", "oidc[1].issuer"),
        ("client_id = \"signoff\"\n", "", "oidc[1].client_id = (nothing)"),
        ("id_token_alg = \"ES256\"", "id_token_alg = \"HS256\"", "oidc[1].id_token_alg = \"HS256\""),
        ("id_token_alg = \"ES256\"", "id_token_alg = \"none\"", "oidc[1].id_token_alg = \"none\""),
        ("kind = \"auth0\"", "kind = \"okta\"", "oidc[0].kind = \"okta\""),
        ("kind = \"auth0\"\n", "", "oidc[0].management_url"),
        (
            "https://tenant.eu.auth0.com/api/v2/\"\nmanagement_a",
            "https://tenant.eu.auth0.com/api/v1/\"\nmanagement_a",
            "oidc[0].management_url = \"https://tenant.eu.auth0.com/api/v1/\"",
        ),
        (
            "management_audience = \"https://tenant.eu.auth0.com/api/v2/\"\n",
            "",
            "oidc[0].management_audience",
        ),
        ("id_token_alg", "algorithm", "oidc[1].algorithm = \"ES256\""),
    ] {
        assert!(WHOLE.contains(good));
        let at = if key.starts_with("oidc[1]") { WHOLE.rfind(good) } else { WHOLE.find(good) }.unwrap();
        let toml = format!("{}{bad}{}", &WHOLE[..at], &WHOLE[at + good.len()..]);
        let line = refusal(&toml);
        assert!(line.starts_with(key) && line.contains("signoff.toml): "), "{line}");
        assert!(line.contains("expected "), "{line}");
    }
}

#[test]
fn a_secret_that_is_not_there_or_stands_inline_stops_the_start_and_is_not_shown() {
    let line = refusal(&WHOLE.replace("secrets/two", "secrets/none"));
    assert!(
        line.starts_with("oidc[0].management_client_secret_file = ") && line.contains("readable"),
        "{line}"
    );
    let line = refusal(&WHOLE.replace("secrets/two", "secrets/empty"));
    assert!(
        line.contains("secrets/empty") && line.contains("expected a file that holds the secret"),
        "{line}"
    );
    let line =
        refusal(&WHOLE.replace("client_secret_file = \"secrets/one\"", "client_secret = \"s3cret-inline\""));
    assert!(line.starts_with("oidc[0].client_secret = (hidden)"), "{line}");
    let line = refusal("oidc = [\"x\"]");
    assert!(line.starts_with("oidc[0] = \"x\""), "{line}");
}

#[test]
fn plain_http_is_for_this_machine_alone_and_only_while_we_are_on_it_too() {
    let local = WHOLE.replace("https://op.example/realm", "http://127.0.0.1:4000");
    assert!(load(&local, &[]).is_ok());
    assert!(load(&local, &[("SIGNOFF_BASE_URL", "https://signoff.example.com")]).is_err());
    assert!(load(&WHOLE.replace("https://op.example/realm", "http://10.0.0.1/"), &[]).is_err());
}

#[test]
fn the_example_file_shows_every_key_of_a_provider() {
    let example = include_str!("../../signoff.example.toml");
    let table: Vec<&str> = example.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let table = table.join("\n") + "\n";
    let table =
        table.replace("secrets/auth0-management", "secrets/two").replace("secrets/auth0", "secrets/one");
    let settings = load(&table, &[]).unwrap();
    assert!(settings.oidc.first().is_some_and(|provider| provider.management.is_some()));
    for key in oidc::KEYS {
        assert!(table.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
    }
}
