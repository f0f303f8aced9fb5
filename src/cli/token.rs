//! `signoff token`.

use super::arguments::TokenCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::app::tokens::{self, TokenView, WantedToken};

/// How many tokens are read at once.
const PAGE: u32 = 200;

pub(super) async fn run(tools: &Tools, command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Create { name, role, application, expires_in } => {
            let expires_at = expires_in.map(|life| tools.clock.now() + life);
            let wanted = WantedToken { name, role: role.to_string(), application, expires_at };
            let made = tools.with_app(async |app| Ok(tokens::create_by_command(app, &wanted).await?)).await?;
            // The token alone, so that it can go straight into a file; the rest is for whoever watches.
            eprintln!("token {} of role {}; it is shown this once", made.token.id, made.token.role);
            output::answer(&format!("{}\n", made.secret))
        }
        TokenCommand::List { json } => {
            let all = tools.with_app(async |app| {
                let mut all: Vec<TokenView> = Vec::new();
                loop {
                    let page = tokens::list(app, all.last().map_or(0, |last| last.id), PAGE).await?;
                    let last = page.len() < PAGE as usize;
                    all.extend(page);
                    if last {
                        return Ok(all);
                    }
                }
            });
            let all = all.await?;
            if json { output::answer_json(&all) } else { output::answer(&table(&all)) }
        }
        TokenCommand::Revoke { id } => {
            tools.with_app(async |app| Ok(tokens::revoke(app, None, id).await?)).await?;
            output::answer("revoked\n")
        }
    }
}

fn table(tokens: &[TokenView]) -> String {
    let rows: Vec<[String; 6]> = tokens
        .iter()
        .map(|token| {
            let state = match (token.good, token.revoked_at) {
                (true, _) => "good",
                (false, Some(_)) => "revoked",
                (false, None) => "expired",
            };
            [
                token.id.to_string(),
                state.to_owned(),
                token.role.clone(),
                token.application.clone().unwrap_or_default(),
                token.expires_at.map(output::instant).unwrap_or_default(),
                token.name.clone(),
            ]
        })
        .collect();
    output::table(["TOKEN", "STATE", "ROLE", "APPLICATION", "EXPIRES", "NAME"], &rows)
}
