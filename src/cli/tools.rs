//! What every command works with.

use super::CliError;
use super::arguments::{Arguments, Command};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Machine, Settings};
use crate::database::{self, Database, DatabaseError};
use crate::entropy::Entropy;
use crate::keys::KeyRing;
use crate::store::secrets;
use crate::telemetry;

pub(super) struct Tools {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
}

impl Tools {
    /// Reads the settings and opens the log. A service says what it does; a command that answers
    /// and ends only says what is wrong.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, CliError> {
        let settings = Settings::load(&arguments.flags(), &Machine::current()?)?;
        let level = if matches!(arguments.command, Command::Serve) { "info" } else { "warn" };
        telemetry::start(&settings, level)?;
        Ok(Self { settings, clock: Clock::system(), entropy: Entropy::system() })
    }

    /// Opens the database with a schema that this release can work with. The private cluster is
    /// ours to migrate; what `DATABASE_URL` names may be in use by an older release, so its admin
    /// decides when.
    pub(super) async fn database(&self) -> Result<Database, CliError> {
        let database = Database::open(&self.settings).await?;
        let prepared = if database.is_private() {
            database::migrate(database.pool()).await.map_err(CliError::from)
        } else {
            match database::migrations_current(database.pool()).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(CliError::NotMigrated),
                Err(error) => Err(error.into()),
            }
        };
        self.finish(database, prepared).await
    }

    /// Passes `result` on; closes the database if it is a failure.
    async fn finish(&self, database: Database, result: Result<(), CliError>) -> Result<Database, CliError> {
        match result {
            Ok(()) => Ok(database),
            Err(error) => {
                // The first error is the one to tell.
                let _ = database.close().await;
                Err(error)
            }
        }
    }

    /// Runs `work` on the opened database and closes it afterwards, however that went.
    pub(super) async fn with_database<T>(
        &self,
        work: impl AsyncFnOnce(&Database) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let database = self.database().await?;
        let result = work(&database).await;
        let closed = database.close().await;
        let value = result?;
        closed?;
        Ok(value)
    }

    /// Puts the application together on an opened database.
    pub(super) async fn app(&self, database: &Database) -> Result<App, CliError> {
        let pool = database.pool().clone();
        let mut connection = pool.acquire().await.map_err(DatabaseError::from)?;
        let recorded = secrets::recorded_signing_key(&mut connection).await?;
        drop(connection);
        let private = database.is_private();
        let keys =
            KeyRing::open(&self.settings, recorded.as_deref(), private, self.clock.now(), &self.entropy)?;
        Ok(App::new(self.settings.clone(), pool, keys, self.clock.clone(), self.entropy.clone()).await?)
    }

    /// Runs `work` with the application, and writes down what it left to be audited, done or not.
    pub(super) async fn with_app<T>(
        &self,
        work: impl AsyncFnOnce(&App) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        self.with_database(async |database| {
            let app = self.app(database).await?;
            let worked = work(&app).await;
            let written = app.flush_audit().await;
            let value = worked?;
            written?;
            Ok(value)
        })
        .await
    }
}
