//! `signoff metadata`.

use super::tools::Tools;
use super::{CliError, output};
use crate::app::metadata;

/// Prints what `GET /saml/metadata` serves.
pub(super) async fn run(tools: &Tools) -> Result<(), CliError> {
    let document = tools.with_app(async |app| Ok(metadata::ours(app))).await?;
    output::answer(&document)
}
