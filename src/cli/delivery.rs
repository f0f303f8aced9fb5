//! `signoff delivery`.

use super::arguments::DeliveryCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::app::applications;
use crate::app::deliveries::{self, DeliveryView};

pub(super) async fn run(tools: &Tools, command: DeliveryCommand) -> Result<(), CliError> {
    match command {
        DeliveryCommand::List { application, after, limit, json } => {
            let found = tools
                .with_app(async |app| {
                    let application = match &application {
                        Some(slug) => Some(applications::row_id(app, slug).await?),
                        None => None,
                    };
                    Ok(deliveries::list(app, application, after, limit).await?)
                })
                .await?;
            if json { output::answer_json(&found) } else { output::answer(&table(&found)) }
        }
        DeliveryCommand::Show { id, json } => {
            let found = tools.with_app(async |app| Ok(deliveries::show(app, id).await?)).await?;
            let one = found.ok_or(deliveries::DeliveryFault::Unknown(id))?;
            if json { output::answer_json(&one) } else { output::answer(&output::facts(&facts(&one))) }
        }
        DeliveryCommand::Retry { id } => {
            let again = tools.with_app(async |app| Ok(deliveries::retry(app, id).await?)).await?;
            let whom = again.application.unwrap_or_default();
            output::answer(&format!(
                "{whom} is told again; \"signoff delivery show {id}\" says what came of it\n"
            ))
        }
    }
}

fn table(found: &[DeliveryView]) -> String {
    let rows: Vec<[String; 7]> = found
        .iter()
        .map(|one| {
            [
                one.id.to_string(),
                one.application.clone().unwrap_or_else(|| String::from("(deleted)")),
                one.state.clone(),
                one.attempts.to_string(),
                output::instant(one.ended_at),
                one.acknowledged_at.map(output::instant).unwrap_or_default(),
                one.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::table(["DELIVERY", "APPLICATION", "STATE", "TRIES", "ENDED", "ACKNOWLEDGED", "LAST ERROR"], &rows)
}

fn facts(one: &DeliveryView) -> Vec<(&'static str, String)> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let mut facts = vec![
        ("delivery", one.id.to_string()),
        ("application", text(one.application.clone())),
        ("session", one.session_id.clone()),
        ("reason", one.reason.clone()),
        ("ended", output::instant(one.ended_at)),
        ("logout", text(one.logout.map(|logout| logout.to_string()))),
        ("counts for Success", one.counts_for_success.to_string()),
        ("state", one.state.clone()),
        ("tries", one.attempts.to_string()),
        ("next try", text(one.due_at.map(output::instant))),
        ("acknowledged", text(one.acknowledged_at.map(output::instant))),
        ("last status", text(one.http_status.map(|status| status.to_string()))),
        ("last error", text(one.last_error.clone())),
    ];
    facts.extend(one.participations.iter().map(|id| ("participation", id.clone())));
    facts
}
