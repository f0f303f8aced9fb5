//! The database: a PostgreSQL that the configuration names, or the private cluster.

mod account;
mod binaries;
mod cluster;
mod place;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use thiserror::Error;

pub use cluster::{Cluster, ClusterError, ClusterOptions};

use crate::clock::Clock;
use crate::config::Settings;

/// A pool of connections, and the private cluster behind it if there is one.
#[derive(Debug)]
pub struct Database {
    pool: PgPool,
    cluster: Option<Cluster>,
}

/// Why the database cannot be used. Its text is one line and holds no password.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The private cluster.
    #[error("private database: {0}")]
    Cluster(#[from] ClusterError),
    /// The server does not answer, or refuses us.
    #[error("the database cannot be reached: {0}")]
    Connect(#[source] sqlx::Error),
    /// The migrations could not be applied or read.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// The server is too old.
    #[error("the database is PostgreSQL {found}: expected 15 or later")]
    Old {
        /// What it calls itself.
        found: String,
    },
    /// A question to the database failed.
    #[error("the database failed: {0}")]
    Query(#[from] sqlx::Error),
    /// The task that starts the cluster was cut off.
    #[error("the start of the private database was cut off: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// All migrations, built in.
static MIGRATIONS: Migrator = sqlx::migrate!();

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may have been idle and be taken for alive.
const IDLE_TRUST: Duration = Duration::from_secs(1);
/// Statements see what was committed before they began, whatever the server's default is: the locks of
/// the store count on it. And a node that vanished lets go of its locks.
const SESSION: &str = "set default_transaction_isolation = 'read committed'; \
    set idle_in_transaction_session_timeout = '15s'";
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(5);
const DATABASE: &str = "signoff";

impl Database {
    /// Opens the database of `settings`; makes and starts the private cluster if no other
    /// database is named. Nothing is migrated yet.
    ///
    /// # Errors
    /// [`DatabaseError`] when there is none, it does not answer within ten seconds, or it
    /// is older than PostgreSQL 15.
    pub async fn open(settings: &Settings) -> Result<Self, DatabaseError> {
        let (options, cluster) = if let Some(url) = &settings.database_url {
            let options: PgConnectOptions = url.expose().parse().map_err(DatabaseError::Connect)?;
            (options, None)
        } else {
            let options = ClusterOptions::durable(&settings.data_dir);
            let start = tokio::task::spawn_blocking(move || Cluster::start(&options));
            let cluster = start.await??;
            create_database(&cluster).await?;
            (cluster.connect_options(DATABASE), Some(cluster))
        };
        let options = options.application_name("signoff");
        check_version(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.database_connections.saturating_sub(lanes(settings)).max(1))
            .acquire_timeout(ACQUIRE_PATIENCE)
            // A connection that was in use a moment ago is there: to ask each time would double the
            // round trips of a logout. What is lost in that moment is tried again or refused.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SESSION).await?;
                    Ok(())
                })
            })
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > IDLE_TRUST {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, cluster })
    }

    /// The pool of connections.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether this is the private cluster, which we migrate and make keys for by
    /// ourselves.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Closes all connections and lets go of the private cluster, which stops if nobody
    /// else uses it.
    ///
    /// # Errors
    /// [`DatabaseError`] when the private cluster could not be stopped.
    pub async fn close(self) -> Result<(), DatabaseError> {
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            tokio::task::spawn_blocking(move || cluster.release()).await??;
        }
        Ok(())
    }
}

/// How many of the configured connections are not the pool's, but kept by the application for
/// logouts: half of them.
#[must_use]
pub fn lanes(settings: &Settings) -> u32 {
    (settings.database_connections / 2).max(1)
}

/// Applies all migrations that are not applied yet.
///
/// # Errors
/// [`DatabaseError::Migrate`] when one fails, or an applied one was changed since.
pub async fn migrate(pool: &PgPool) -> Result<(), DatabaseError> {
    Ok(MIGRATIONS.run(pool).await?)
}

/// Whether every migration that this program knows is applied, unchanged. More may be: a
/// newer release may migrate first while this one still serves.
///
/// # Errors
/// [`DatabaseError`] when the database does not answer.
pub async fn migrations_current(pool: &PgPool) -> Result<bool, DatabaseError> {
    let mut connection = pool.acquire().await?;
    let known = connection.fetch_one("select to_regclass('_sqlx_migrations') is not null").await?;
    if !known.try_get::<bool, _>(0)? {
        return Ok(false);
    }
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await?;
    Ok(MIGRATIONS.iter().all(|migration| {
        applied
            .iter()
            .any(|applied| applied.version == migration.version && applied.checksum == migration.checksum)
    }))
}

/// How far the database's clock is ahead of `clock`; negative when it is behind. Half of
/// the round trip counts as the way there.
///
/// # Errors
/// [`DatabaseError`] when the database does not answer.
pub async fn clock_offset(pool: &PgPool, clock: &Clock) -> Result<TimeDelta, DatabaseError> {
    let mut connection = pool.acquire().await?;
    let before = clock.now();
    let row = connection.fetch_one("select clock_timestamp()").await?;
    let after = clock.now();
    let theirs: DateTime<Utc> = row.try_get(0)?;
    Ok(theirs - (before + (after - before) / 2))
}

/// Makes our database in the private cluster if it is not there.
async fn create_database(cluster: &Cluster) -> Result<(), DatabaseError> {
    let mut connection = connect(&cluster.connect_options("postgres")).await?;
    let row = connection.fetch_one("select count(*) from pg_database where datname = 'signoff'").await?;
    if row.try_get::<i64, _>(0)? == 0
        && let Err(error) = connection.execute("create database signoff").await
        && !is_duplicate(&error)
    {
        return Err(error.into());
    }
    connection.close().await?;
    Ok(())
}

/// Another process was faster: `duplicate_database`, or the catalogue's unique index.
fn is_duplicate(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("42P04" | "23505"))
}

async fn check_version(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let mut connection = connect(options).await?;
    let row = connection.fetch_one("show server_version_num").await?;
    let number: String = row.try_get(0)?;
    let row = connection.fetch_one("show server_version").await?;
    let found: String = row.try_get(0)?;
    connection.close().await?;
    if number.parse().unwrap_or(0) < binaries::OLDEST_MAJOR * 10_000 {
        return Err(DatabaseError::Old { found });
    }
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
    tokio::time::timeout(CONNECT_PATIENCE, options.connect())
        .await
        .map_err(|_| DatabaseError::Connect(sqlx::Error::PoolTimedOut))?
        .map_err(DatabaseError::Connect)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::config::{Flags, Machine};

    fn settings(directory: &std::path::Path) -> Settings {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(directory, open).unwrap();
        Settings::load(&Flags::default(), &Machine::bare(directory)).unwrap()
    }

    #[tokio::test]
    async fn the_private_database_is_made_migrated_and_shared() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let (first, second) = tokio::join!(Database::open(&settings), Database::open(&settings));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.is_private());
        migrate(first.pool()).await.unwrap();
        assert!(migrations_current(second.pool()).await.unwrap());
        first.close().await.unwrap();
        let offset = clock_offset(second.pool(), &Clock::system()).await.unwrap();
        assert!(offset.abs() < TimeDelta::seconds(1), "{offset}");
        second.close().await.unwrap();
        assert!(!directory.path().join("data/pg/data/postmaster.pid").exists());
    }

    #[tokio::test]
    async fn a_fresh_database_is_not_current_and_another_clock_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&settings(directory.path())).await.unwrap();
        assert!(!migrations_current(database.pool()).await.unwrap());
        let (clock, _) = Clock::fixed(Clock::system().now() - TimeDelta::hours(1));
        let offset = clock_offset(database.pool(), &clock).await.unwrap();
        assert!((offset - TimeDelta::hours(1)).abs() < TimeDelta::seconds(5), "{offset}");
        database.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_an_error_without_its_password() {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = Machine::bare(directory.path());
        machine.variables =
            vec![("DATABASE_URL".into(), "postgres://signoff:s3cret@127.0.0.1:1/signoff".into())];
        let settings = Settings::load(&Flags::default(), &machine).unwrap();
        let error = Database::open(&settings).await.unwrap_err().to_string();
        assert!(error.contains("cannot be reached") && !error.contains("s3cret"), "{error}");
    }
}
