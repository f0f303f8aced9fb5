//! `signoff application`.

use super::arguments::{ApplicationCommand, NewApplicationArguments};
use super::tools::Tools;
use super::{CliError, output};
use crate::app::applications::{self, ApplicationView, ChangedApplication, NewApplication};

pub(super) async fn run(tools: &Tools, command: ApplicationCommand) -> Result<(), CliError> {
    match command {
        ApplicationCommand::Create { new, json } => {
            let wanted = wanted(new);
            let created = tools.with_app(async |app| Ok(applications::create(app, &wanted).await?)).await?;
            if json {
                return output::answer_json(&created);
            }
            let mut facts = facts(&created.view);
            if let Some(secret) = created.secret {
                facts.push(("secret", secret));
                facts.push(("", String::from("write the secret down: it is not shown again")));
            }
            output::answer(&output::facts(&facts))
        }
        ApplicationCommand::List { json } => {
            let all = tools.with_app(async |app| Ok(applications::list(app).await?)).await?;
            if json { output::answer_json(&all) } else { output::answer(&table(&all)) }
        }
        ApplicationCommand::Show { id, json } => {
            let one = tools.with_app(async |app| Ok(applications::show(app, &id).await?)).await?;
            if json { output::answer_json(&one) } else { output::answer(&output::facts(&facts(&one))) }
        }
        ApplicationCommand::Set { id, name, url, origin, logout_url, token_type, subject, counts } => {
            let wanted = ChangedApplication {
                name,
                url,
                origins: (!origin.is_empty()).then_some(origin),
                logout_urls: (!logout_url.is_empty()).then_some(logout_url),
                token_type: token_type.map(Into::into),
                subject: subject.map(Into::into),
                counts_for_success: counts,
            };
            let changed =
                tools.with_app(async |app| Ok(applications::update(app, &id, &wanted).await?)).await?;
            output::answer(&output::facts(&facts(&changed)))
        }
        ApplicationCommand::Delete { id } => {
            tools.with_app(async |app| Ok(applications::delete(app, &id).await?)).await?;
            output::answer(&format!("{id} is told nothing any more\n"))
        }
    }
}

fn wanted(new: NewApplicationArguments) -> NewApplication {
    NewApplication {
        id: new.id,
        name: new.name,
        form: new.form.into(),
        url: new.url,
        origins: new.origin,
        logout_urls: new.logout_url,
        token_type: new.token_type.into(),
        subject: new.subject.into(),
        counts_for_success: new.counts,
    }
}

fn table(all: &[ApplicationView]) -> String {
    let rows: Vec<[String; 5]> = all
        .iter()
        .map(|one| {
            let counts = if one.counts_for_success { "counts" } else { "" };
            [
                one.id.clone(),
                one.form.clone(),
                counts.to_owned(),
                one.url.clone().unwrap_or_default(),
                one.origins.join(","),
            ]
        })
        .collect();
    output::table(["APPLICATION", "FORM", "SUCCESS", "URL", "ORIGINS"], &rows)
}

fn facts(one: &ApplicationView) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("application", one.id.clone()),
        ("name", one.name.clone()),
        ("form", one.form.clone()),
        ("url", one.url.clone().unwrap_or_default()),
        ("token type", one.token_type.clone()),
        ("subject", one.subject.clone()),
        ("counts for Success", one.counts_for_success.to_string()),
    ];
    facts.extend(one.origins.iter().map(|origin| ("origin", origin.clone())));
    facts.extend(one.logout_urls.iter().map(|url| ("logout url", url.clone())));
    facts.push(("registered", output::instant(one.created_at)));
    facts.push(("changed", output::instant(one.updated_at)));
    facts
}
