//! `signoff logout`.

use super::arguments::LogoutCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::app::logouts::{self, HeardLine, LegLine, LogoutDetail, LogoutLine};

pub(super) async fn run(tools: &Tools, command: LogoutCommand) -> Result<(), CliError> {
    match command {
        LogoutCommand::List { limit, json } => {
            let logouts = tools.with_app(async |app| Ok(logouts::list(app, limit).await?)).await?;
            if json { output::answer_json(&logouts) } else { output::answer(&table(&logouts)) }
        }
        LogoutCommand::Show { id, json } => {
            let logout = tools.with_app(async |app| Ok(logouts::show(app, id).await?)).await?;
            let logout = logout.ok_or(CliError::NoSuchLogout(id))?;
            if json { output::answer_json(&logout) } else { output::answer(&detail(&logout)) }
        }
    }
}

fn table(logouts: &[LogoutLine]) -> String {
    let rows: Vec<[String; 7]> = logouts
        .iter()
        .map(|logout| {
            [
                logout.id.to_string(),
                output::instant(logout.started_at),
                logout.trigger.clone(),
                state(logout).to_owned(),
                logout.sessions_ended.to_string(),
                logout.status.clone().unwrap_or_default(),
                logout.idp.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::table(["LOGOUT", "BEGAN", "BY", "STATE", "SESSIONS", "ANSWERED", "IDENTITY PROVIDER"], &rows)
}

fn detail(detail: &LogoutDetail) -> String {
    let logout = &detail.logout;
    let mut facts = vec![
        ("logout", logout.id.to_string()),
        ("by", logout.trigger.clone()),
        ("began", output::instant(logout.started_at)),
        ("state", state(logout).to_owned()),
        ("sessions ended", logout.sessions_ended.to_string()),
    ];
    let optional = [
        ("finished", logout.finished_at.map(output::instant)),
        ("answers until", logout.deadline.map(output::instant)),
        ("identity provider", logout.idp.clone()),
        ("message id", logout.message_id.clone()),
        ("reason", logout.reason.clone()),
        ("found", logout.verdict.clone()),
        ("answered", logout.status.clone()),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut text = output::facts(&facts);
    if !detail.legs.is_empty() {
        let rows: Vec<[String; 4]> =
            detail.legs.iter().flat_map(|one| std::iter::once(leg(one)).chain(behind(one))).collect();
        text.push('\n');
        text.push_str(&output::table(["TOLD", "STATE", "ASKED", "ANSWER"], &rows));
    }
    if !detail.applications.is_empty() {
        let rows: Vec<[String; 4]> = detail.applications.iter().map(application).collect();
        text.push('\n');
        text.push_str(&output::table(["APPLICATION", "STATE", "ACKNOWLEDGED", "SUCCESS"], &rows));
    }
    text
}

fn leg(leg: &LegLine) -> [String; 4] {
    [
        leg.idp.clone().unwrap_or_else(|| String::from("(removed)")),
        leg.state.replace('_', " "),
        leg.asked_at.map(output::instant).unwrap_or_default(),
        leg.answer.clone().unwrap_or_default(),
    ]
}

fn behind(leg: &LegLine) -> Option<[String; 4]> {
    let behind = leg.behind.as_ref()?;
    let provider = leg.idp.as_deref().unwrap_or("(removed)");
    let name = format!("behind {provider} {}", behind.connection).trim_end().to_owned();
    Some([name, behind.state.replace('_', " "), String::new(), String::new()])
}

fn application(heard: &HeardLine) -> [String; 4] {
    [
        heard.application.clone(),
        heard.state.clone(),
        heard.acknowledged_at.map(output::instant).unwrap_or_default(),
        if heard.counts_for_success { "counts" } else { "" }.to_owned(),
    ]
}

fn state(logout: &LogoutLine) -> &'static str {
    if logout.finished_at.is_some() { "finished" } else { "going on" }
}
