//! `signoff inspect`.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::idp::{read, read_file};
use super::tools::Tools;
use super::{CliError, output};
use crate::app::inspect::{findings, findings_by_metadata};
use crate::keys::KeyRing;
use crate::saml::inspect::{Finding, Inspection, Verdict};

/// Lays a message open: what it is, what it says, rule by rule what holds, and its XML. Fails if a
/// rule does not hold, so that a script can tell.
pub(super) async fn run(
    tools: &Tools,
    message: &str,
    metadata: Option<&Path>,
    at: Option<DateTime<Utc>>,
) -> Result<(), CliError> {
    let inspection = Inspection::of(&text(message)?).map_err(CliError::Undecodable)?;
    let now = at.unwrap_or_else(|| tools.clock.now());
    let found = match metadata {
        Some(path) => {
            let keys = KeyRing::open(&tools.settings, None, false, now, &tools.entropy).ok();
            findings_by_metadata(&tools.settings, keys.as_ref(), &read_file(path)?, &inspection, now)?
        }
        None => tools.with_app(async |app| Ok(findings(app, &inspection, now))).await?,
    };
    let rows: Vec<[String; 3]> = found.iter().map(row).collect();
    let facts = output::facts(&inspection.facts());
    let table = output::table(["RULE", "RESULT", "WHAT IT ASKS"], &rows);
    let xml = output::printable_lines(inspection.xml());
    output::answer(&format!("{facts}\n{table}\n{}\n", xml.trim_end()))?;
    let failed = found.iter().filter(|finding| matches!(finding.verdict, Verdict::Fails(_))).count();
    if failed == 0 { Ok(()) } else { Err(CliError::RulesBroken(failed)) }
}

fn row(finding: &Finding) -> [String; 3] {
    let (result, asks) = match finding.verdict {
        Verdict::Holds => ("holds", finding.asks.to_owned()),
        Verdict::Fails(refusal) => ("FAILS", format!("{}: {refusal}", finding.asks)),
        Verdict::Unknown(why) => ("?", format!("{} ({why})", finding.asks)),
    };
    [finding.rule.to_owned(), result.to_owned(), asks]
}

/// The text of a file, of standard input, or the argument itself if it is a URL: one that is
/// decoded, never fetched.
fn text(message: &str) -> Result<String, CliError> {
    let octets = match message {
        "-" => read(io::stdin().lock(), "-")?,
        pasted if pasted.contains("SAMLRequest=") || pasted.contains("SAMLResponse=") => {
            return Ok(pasted.to_owned());
        }
        file => read_file(Path::new(file))?,
    };
    String::from_utf8(octets).map_err(|_| CliError::Undecodable(crate::saml::refusal::Refusal::NotWellFormed))
}
