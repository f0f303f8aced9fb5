//! `signoff migrate`.

use super::tools::Tools;
use super::{CliError, output};
use crate::database::{self, Database};

/// Applies what is missing; does nothing the second time.
pub(super) async fn run(tools: &Tools) -> Result<(), CliError> {
    let database = Database::open(&tools.settings).await?;
    let migrated = database::migrate(database.pool()).await;
    let closed = database.close().await;
    migrated?;
    closed?;
    output::answer("the schema is up to date\n")
}
