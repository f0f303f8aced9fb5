//! `signoff session`.

use super::arguments::SessionCommand;
use super::tools::Tools;
use super::{CliError, output};
use crate::app::logout::{self, EndedByAdmin};
use crate::app::session::{self, SessionLine};

pub(super) async fn run(tools: &Tools, command: SessionCommand) -> Result<(), CliError> {
    match command {
        SessionCommand::List { limit, json } => {
            let sessions = tools.with_app(async |app| Ok(session::list(app, limit).await?)).await?;
            if json { output::answer_json(&sessions) } else { output::answer(&table(&sessions)) }
        }
        SessionCommand::End { id } => {
            match tools.with_app(async |app| Ok(logout::end_by_admin(app, &id).await?)).await? {
                EndedByAdmin::Ended(logout) => {
                    output::answer(&format!("ended; \"signoff logout show {logout}\" says who was told\n"))
                }
                EndedByAdmin::AlreadyOver => output::answer("it was over before\n"),
                EndedByAdmin::Unknown => Err(CliError::NoSuchSession(id)),
            }
        }
    }
}

fn table(sessions: &[SessionLine]) -> String {
    let rows: Vec<[String; 6]> = sessions
        .iter()
        .map(|session| {
            let state = match (&session.end_reason, session.alive) {
                (_, true) => String::from("alive"),
                (Some(reason), false) => format!("ended: {reason}"),
                (None, false) => String::from("expired"),
            };
            [
                session.session_id.clone(),
                state,
                output::instant(session.created_at),
                output::instant(session.last_seen_at),
                output::instant(session.ended_at.unwrap_or(session.expires_at)),
                session.idps.join(","),
            ]
        })
        .collect();
    output::table(["SESSION", "STATE", "BEGAN", "LAST SEEN", "ENDS OR ENDED", "IDENTITY PROVIDERS"], &rows)
}
