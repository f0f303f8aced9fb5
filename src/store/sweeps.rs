//! Orders to end many sessions, of a principal or of everybody at an identity provider. They are worked
//! in batches, each a transaction of its own that also writes down how far it came.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::PrincipalKey;
use crate::store::{IdpId, StoreError, SweepId, TokenId};

/// An order to end many sessions.
#[derive(Debug, Clone, Copy)]
pub struct NewSweep {
    /// The identity provider on which the sessions rest.
    pub idp: IdpId,
    /// Whose they are; none: everybody's.
    pub principal: Option<PrincipalKey>,
    /// Whether an admin said so, else an operator did.
    pub by_admin: bool,
    /// The token that asked.
    pub token: Option<TokenId>,
}

/// An order that is being worked.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Its row.
    pub id: SweepId,
    /// What is wanted.
    pub wanted: NewSweep,
    /// The last session that is meant.
    pub through: i64,
    /// Up to this one it is done.
    pub done_to: i64,
}

struct Row {
    id: SweepId,
    idp_id: IdpId,
    principal_key: Option<Vec<u8>>,
    by_admin: bool,
    token_id: Option<TokenId>,
    through: i64,
    done_to: i64,
}

impl Row {
    fn read(self) -> Result<Sweep, StoreError> {
        let corrupt =
            |_| StoreError::Corrupt { table: "logout_sweep", column: "principal_key", row: self.id.0 };
        let principal = self.principal_key.map(|key| key.try_into().map(PrincipalKey)).transpose();
        Ok(Sweep {
            id: self.id,
            wanted: NewSweep {
                idp: self.idp_id,
                principal: principal.map_err(corrupt)?,
                by_admin: self.by_admin,
                token: self.token_id,
            },
            through: self.through,
            done_to: self.done_to,
        })
    }
}

/// Begins to end all sessions that there are now. Until `leased_until` it is the caller's to work.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn begin(
    conn: &mut PgConnection,
    wanted: NewSweep,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> Result<Sweep, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"insert into logout_sweep (idp_id, principal_key, by_admin, token_id, started_at, through, leased_until)
           values ($1, $2, $3, $4, $5, (select coalesce(max(id), 0) from session), $6)
        returning id as "id: _", idp_id as "idp_id: _", principal_key, by_admin, token_id as "token_id: _", through,
                  done_to"#,
        wanted.idp.0,
        wanted.principal.as_ref().map(|key| &key.0[..]),
        wanted.by_admin,
        wanted.token.map(|token| token.0),
        now,
        leased_until
    )
    .fetch_one(conn)
    .await?;
    row.read()
}

/// Locks an order; none if all of it is done.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub async fn lock(conn: &mut PgConnection, id: SweepId) -> Result<Option<Sweep>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: _", idp_id as "idp_id: _", principal_key, by_admin, token_id as "token_id: _", through,
                  done_to
             from logout_sweep where id = $1 for update"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(Row::read).transpose()
}

/// Locks the first order whose lease has run out; none if there is none, or others are at them.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub async fn lock_next(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Option<Sweep>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: _", idp_id as "idp_id: _", principal_key, by_admin, token_id as "token_id: _", through,
                  done_to
             from logout_sweep where leased_until <= $1 order by id limit 1 for update skip locked"#,
        now
    )
    .fetch_optional(conn)
    .await?;
    row.map(Row::read).transpose()
}

/// Writes down how far a locked order is done, and until when it is the caller's to go on with.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn advance(
    conn: &mut PgConnection,
    id: SweepId,
    done_to: i64,
    leased_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout_sweep set done_to = $2, leased_until = $3 where id = $1",
        id.0,
        done_to,
        leased_until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets anybody go on with an order.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn release(conn: &mut PgConnection, id: SweepId, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update logout_sweep set leased_until = $2 where id = $1", id.0, now).execute(conn).await?;
    Ok(())
}

/// Takes away an order that is done.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn finish(conn: &mut PgConnection, id: SweepId) -> Result<(), StoreError> {
    sqlx::query!("delete from logout_sweep where id = $1", id.0).execute(conn).await?;
    Ok(())
}
