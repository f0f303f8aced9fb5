//! `signoff keys`.

use std::path::Path;

use serde::Serialize;

use super::arguments::KeysCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::keys::{self, Owner, Purpose, TokenKeys};
use crate::store::secrets;

pub(super) async fn run(tools: &Tools, command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::New { kind, purpose } => {
            let owner = Owner {
                directory: tools.settings.certs_dir(),
                host: tools.settings.base_url.host().to_owned(),
            };
            let files =
                keys::generate(kind.into(), purpose.into(), &owner, tools.clock.now(), &tools.entropy)?;
            let fingerprint = keys::fingerprint(&keys::certificate(&files.certificate)?)?;
            output::answer(&output::facts(&[
                ("key", files.key.display().to_string()),
                ("certificate", files.certificate.display().to_string()),
                ("fingerprint", fingerprint),
            ]))
        }
        KeysCommand::Use { certificate } => activate(tools, &certificate).await,
        KeysCommand::List { json } => list(tools, json).await,
    }
}

/// Records the key as the active one. Nodes that sign with another are not ready until they are
/// restarted with it.
async fn activate(tools: &Tools, certificate: &str) -> Result<(), CliError> {
    let known = known(tools, None)?;
    let fingerprint = match known.iter().find(|key| key.fingerprint == certificate) {
        Some(key) => key.fingerprint.clone(),
        None if Path::new(certificate).exists() => {
            keys::fingerprint(&keys::certificate(Path::new(certificate))?)?
        }
        None => return Err(CliError::NoSuchKey(certificate.to_owned())),
    };
    // A typing mistake here would keep every node from being ready.
    let ours = known.iter().any(|key| key.purpose == "signing" && key.fingerprint == fingerprint);
    if !ours {
        return Err(CliError::NoSuchKey(certificate.to_owned()));
    }
    let now = tools.clock.now();
    tools
        .with_database(async |database| {
            let mut connection =
                database.pool().acquire().await.map_err(crate::database::DatabaseError::from)?;
            Ok(secrets::use_signing_key(&mut connection, &fingerprint, now).await?)
        })
        .await?;
    output::answer(&format!("{fingerprint} signs once each node is restarted\n"))
}

async fn list(tools: &Tools, json: bool) -> Result<(), CliError> {
    let recorded = tools
        .with_database(async |database| {
            let mut connection =
                database.pool().acquire().await.map_err(crate::database::DatabaseError::from)?;
            Ok(secrets::recorded_signing_key(&mut connection).await?)
        })
        .await?;
    let known = known(tools, recorded.as_deref())?;
    if json {
        return output::answer_json(&known);
    }
    let rows: Vec<[String; 6]> = known
        .into_iter()
        .map(|key| {
            let active = if key.active { "active" } else { "" };
            [
                key.purpose.to_owned(),
                key.kind,
                active.to_owned(),
                key.not_after.date_naive().to_string(),
                key.fingerprint,
                key.certificate,
            ]
        })
        .collect();
    output::answer(&output::table(
        ["PURPOSE", "KIND", "STATE", "NOT AFTER", "FINGERPRINT", "CERTIFICATE"],
        &rows,
    ))
}

#[derive(Serialize)]
struct Known {
    purpose: &'static str,
    kind: String,
    /// Whether it signs: for SAML, the one that the database names.
    active: bool,
    not_after: chrono::DateTime<chrono::Utc>,
    fingerprint: String,
    certificate: String,
}

/// All generated pairs, and the configured ones.
fn known(tools: &Tools, recorded: Option<&str>) -> Result<Vec<Known>, CliError> {
    let mut files = keys::list(&tools.settings.certs_dir())?;
    let saml = &tools.settings.saml;
    for (purpose, configured) in [
        (Purpose::Signing, &saml.signing),
        (Purpose::Encryption, &saml.encryption),
        (Purpose::Encryption, &saml.previous_encryption),
        (Purpose::Encryption, &saml.next_encryption),
        (Purpose::Tokens, &tools.settings.tokens.signing),
    ] {
        if let Some(configured) = configured {
            files.push(keys::describe(purpose, configured)?);
        }
    }
    let tokens = TokenKeys::open(&tools.settings)?;
    let token = tokens.active(tools.clock.now()).map(|(pair, _)| pair.fingerprint.as_str());
    let mut known: Vec<Known> = files
        .into_iter()
        .map(|file| Known {
            purpose: file.purpose.name(),
            kind: file.kind,
            active: match file.purpose {
                Purpose::Signing => recorded == Some(&file.fingerprint),
                Purpose::Tokens => token == Some(&file.fingerprint),
                Purpose::Encryption => false,
            },
            not_after: file.not_after,
            fingerprint: file.fingerprint,
            certificate: file.certificate.display().to_string(),
        })
        .collect();
    known.dedup_by(|a, b| a.fingerprint == b.fingerprint && a.certificate == b.certificate);
    Ok(known)
}
