//! `signoff idp`.

use std::io::{self, Read as _};
use std::path::Path;

use super::arguments::IdpCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::app::api::identity_providers;
use crate::app::idps::{self, Change, IdpView, ImportOptions, Imported, Source};
use crate::saml::metadata::Endpoint;

/// The longest local file of metadata (VAL-01).
const LONGEST: u64 = 64 << 20;

pub(super) async fn run(tools: &Tools, command: IdpCommand) -> Result<(), CliError> {
    match command {
        IdpCommand::Import { file, slug, allow_unsolicited } => {
            let xml = if file == "-" { read(io::stdin().lock(), "-")? } else { read_file(Path::new(&file))? };
            let options = ImportOptions { slug, allow_unsolicited, source: Source::Command };
            let imported = tools.with_app(async |app| Ok(idps::import(app, &xml, &options).await?)).await?;
            output::answer(&report(&imported))
        }
        IdpCommand::List { json } => {
            let idps = tools.with_app(async |app| Ok(idps::list(app).await?)).await?;
            if json { output::answer_json(&idps) } else { output::answer(&table(&idps)) }
        }
        IdpCommand::Show { slug, json } => {
            let idp = tools.with_app(async |app| Ok(idps::show(app, &slug).await?)).await?;
            if json { output::answer_json(&idp) } else { output::answer(&facts(&idp)) }
        }
        IdpCommand::Disable { slug } => {
            tools.with_app(async |app| Ok(idps::disable(app, &slug).await?)).await?;
            output::answer(&format!("{slug} signs nobody in; its LogoutRequests are still obeyed\n"))
        }
        IdpCommand::Enable { slug } => {
            tools.with_app(async |app| Ok(idps::enable(app, &slug).await?)).await?;
            output::answer(&format!("{slug} signs people in\n"))
        }
        IdpCommand::Delete { slug } => {
            let removed = async |app: &crate::app::App| {
                // For the words: whoever types is told what the API keeps to itself.
                idps::show(app, &slug).await?;
                Ok(identity_providers::remove_by_command(app, &slug).await?)
            };
            let removed = tools.with_app(removed).await?;
            let rest = if removed.complete { "" } else { "; the rest is being ended" };
            output::answer(&format!("{slug} is gone; {} sessions ended{rest}\n", removed.sessions_ended))
        }
        IdpCommand::Set { slug, switches } => {
            let changed = async |app: &crate::app::App| {
                for (name, value) in &switches {
                    idps::set(app, &slug, name, value).await?;
                }
                Ok(idps::show(app, &slug).await?)
            };
            let idp = tools.with_app(changed).await?;
            output::answer(&facts(&idp))
        }
    }
}

/// A whole file of metadata.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| CliError::Input { name: name.clone(), source })?;
    read(file, &name)
}

pub(super) fn read(input: impl io::Read, name: &str) -> Result<Vec<u8>, CliError> {
    let mut content = Vec::new();
    let read = input.take(LONGEST + 1).read_to_end(&mut content);
    read.map_err(|source| CliError::Input { name: name.to_owned(), source })?;
    if content.len() as u64 > LONGEST {
        return Err(CliError::TooLong { name: name.to_owned() });
    }
    Ok(content)
}

/// What an import did, one line per identity provider and one per remark.
fn report(imported: &Imported) -> String {
    let mut text = String::new();
    let mut line = |parts: &[&str]| {
        text.push_str(&parts.join("  "));
        text.push('\n');
    };
    for idp in &imported.idps {
        let change = match idp.change {
            Change::New => "imported",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
            Change::KeptCommand => "kept",
            Change::StaysRemoved => "stays removed",
        };
        line(&[change, &idp.slug, idp.entity_id.as_str()]);
        for note in &idp.notes {
            line(&["    note:", note]);
        }
    }
    for reason in &imported.left_out {
        line(&["left out", reason]);
    }
    output::printable_lines(&text)
}

fn table(idps: &[IdpView]) -> String {
    let rows: Vec<[String; 5]> = idps
        .iter()
        .map(|idp| {
            [
                idp.slug.clone(),
                state(idp).to_owned(),
                logout_bindings(idp),
                idp.updated_at.format("%Y-%m-%d %H:%M").to_string(),
                idp.entity_id.clone(),
            ]
        })
        .collect();
    output::table(["SLUG", "STATE", "LOGOUT", "CHANGED", "ENTITY ID"], &rows)
}

fn facts(idp: &IdpView) -> String {
    let mut facts = vec![
        ("slug", idp.slug.clone()),
        ("entity id", idp.entity_id.clone()),
        ("name", idp.name.clone().unwrap_or_default()),
        ("state", state(idp).to_owned()),
        ("valid until", idp.valid_until.map(output::instant).unwrap_or_default()),
        ("version", idp.version.to_string()),
        ("changed", output::instant(idp.updated_at)),
        ("source", idp.source.clone()),
    ];
    facts.extend(idp.single_sign_on.iter().map(|endpoint| ("sign-on", describe(endpoint))));
    facts.extend(idp.single_logout.iter().map(|endpoint| ("logout", describe(endpoint))));
    if idp.single_logout.is_empty() {
        facts.push(("logout", String::from("none: it cannot be told of a logout")));
    }
    facts.extend(idp.signing_keys.iter().map(|key| ("signing key", key.clone())));
    facts.extend(idp.encryption_keys.iter().map(|key| ("encryption key", key.clone())));
    let signed = idp.signed_with.unwrap_or("nothing: it lists no algorithm that our key can sign with");
    facts.push(("is sent", signed.to_owned()));
    if let Ok(serde_json::Value::Object(switches)) = serde_json::to_value(idp.policy) {
        let on = switches.iter().filter(|(_, value)| **value == serde_json::Value::Bool(true));
        facts.extend(on.map(|(name, _)| ("switched on", name.clone())));
    }
    output::facts(&facts)
}

fn state(idp: &IdpView) -> &'static str {
    match (idp.enabled, idp.expired) {
        (false, _) => "disabled",
        (true, true) => "expired",
        (true, false) => "enabled",
    }
}

fn logout_bindings(idp: &IdpView) -> String {
    let mut names: Vec<String> = idp.single_logout.iter().map(binding).collect();
    names.dedup();
    if names.is_empty() { String::from("none") } else { names.join(",") }
}

fn describe(endpoint: &Endpoint) -> String {
    let response = endpoint.response_location.as_ref();
    let response =
        response.map(|location| format!(" (responses: {})", location.as_str())).unwrap_or_default();
    format!("{} {}{response}", binding(endpoint), endpoint.location.as_str())
}

fn binding(endpoint: &Endpoint) -> String {
    format!("{:?}", endpoint.binding).to_lowercase()
}
