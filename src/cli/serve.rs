//! `signoff serve`: puts the service together, and takes it apart again in good order.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tools::Tools;
use super::{CliError, idp, output};
use crate::app::idps::{self, ImportOptions, Source};
use crate::app::{App, notify, oidc, worker};
use crate::database::Database;
use crate::web;

/// How long background work may take to finish once the last request is answered.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(tools: &Tools) -> Result<(), CliError> {
    // First of all, so that a signal during the start also leads to a stop in good order.
    let stop = stop_signal()?;
    tools.with_database(async |database| serve(tools, database, &stop).await).await
}

async fn serve(tools: &Tools, database: &Database, stop: &CancellationToken) -> Result<(), CliError> {
    let app = tools.app(database).await?;
    import_directory(&app, &tools.settings.metadata_dir).await;
    let address = tools.settings.listen;
    let bind = TcpListener::bind(address).await;
    let listener = bind.map_err(|source| CliError::Bind { address, source })?;
    let bound = listener.local_addr().map_err(|source| CliError::Bind { address, source })?;
    output::answer(&format!("listening on http://{bound} as {}\n", tools.settings.base_url))?;

    until(listener, &app, stop).await
}

/// Serves on a bound listener, with the worker beside it, until the stop; then puts everything
/// away.
pub(super) async fn until(
    listener: TcpListener,
    app: &App,
    stop: &CancellationToken,
) -> Result<(), CliError> {
    let tasks = TaskTracker::new();
    tasks.spawn(worker::run(app.clone(), stop.clone()));
    let (looking, stopped) = (app.clone(), stop.clone());
    tasks.spawn(async move { stopped.run_until_cancelled(oidc::check(&looking)).await });
    tasks.spawn(notify::run(app.clone(), stop.clone()));
    web::serve(listener, app.clone(), stop.clone()).await;
    // Also when the listener ended by itself.
    stop.cancel();
    tasks.close();
    let settled = async { tokio::join!(tasks.wait(), app.settled()) };
    if tokio::time::timeout(GRACE, settled).await.is_err() {
        tracing::warn!(
            "background work was cut off at the stop; another node or the next start goes on with it"
        );
    }
    if let Err(error) = app.flush_audit().await {
        tracing::warn!(%error, "the last refusals are not in the audit");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Imports every `*.xml` of the directory, by name. One that cannot be used must not keep the
/// others' people out, so it is told in the log and left.
async fn import_directory(app: &App, directory: &Path) {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::error!(directory = %directory.display(), %error, "metadata_dir cannot be read");
            return;
        }
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    let options = ImportOptions { slug: None, allow_unsolicited: false, source: Source::File };
    for path in files {
        let imported = match idp::read_file(&path) {
            Ok(xml) => idps::import(app, &xml, &options).await.map_err(CliError::from),
            Err(error) => Err(error),
        };
        match imported {
            Ok(imported) => {
                for remark in imported.idps.iter().flat_map(|idp| &idp.notes).chain(&imported.left_out) {
                    tracing::warn!(file = %path.display(), "{remark}");
                }
            }
            Err(error) => tracing::error!(file = %path.display(), %error, "this metadata is not used"),
        }
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<CancellationToken, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "it waits for the stop; nothing waits for it")]
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        cancelled.cancel();
    });
    Ok(stop)
}
