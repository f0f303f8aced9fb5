//! Whether this node can do its work.

use serde::Serialize;

use crate::app::App;
use crate::database;
use crate::store::secrets;

/// The answer of `/readyz`: every part, and the sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part by itself, and the JSON says so")]
pub struct Readiness {
    /// Whether all of it holds.
    pub ready: bool,
    /// Whether the database answers.
    pub database: bool,
    /// Whether the schema is the one this binary knows.
    pub migrations: bool,
    /// Whether our signing key is the one recorded in the database.
    pub signing_key: bool,
    /// Our clock minus the database's, in milliseconds; none if it could not be measured. Above
    /// two seconds either way the node is not ready.
    pub clock_offset_ms: Option<i64>,
}

/// The largest difference of clocks with which a node still works.
const LARGEST_OFFSET_MS: i64 = 2_000;

/// Looks at every part.
pub async fn ready(app: &App) -> Readiness {
    let looked = app.patiently(async {
        let pool = &app.0.pool;
        let mut conn = app.connection().await?;
        let recorded = secrets::recorded_signing_key(&mut conn).await?;
        drop(conn);
        let ours = app.0.keys.signing.fingerprint();
        let migrations = database::migrations_current(pool).await.unwrap_or(false);
        let offset = database::clock_offset(pool, &app.0.clock).await.ok();
        Ok((migrations, recorded.as_deref() == Some(ours), offset))
    });
    let (database, (migrations, signing_key, offset)) = match looked.await {
        Ok(parts) => (true, parts),
        Err(fault) => {
            app.fault("looking whether we are ready", &fault);
            (false, (false, false, None))
        }
    };
    // What the database is ahead of us, we are behind.
    let clock_offset_ms = offset.map(|ahead| -ahead.num_milliseconds());
    let in_time = clock_offset_ms.is_some_and(|offset| offset.abs() <= LARGEST_OFFSET_MS);
    Readiness {
        ready: database && migrations && signing_key && in_time,
        database,
        migrations,
        signing_key,
        clock_offset_ms,
    }
}
