//! Logouts that also bind assertions which arrive later.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::SessionIndex;
use crate::store::{PrincipalId, StoreError};

/// What of an assertion a bar looks at. All instants are the identity provider's own, so no skew is
/// added.
#[derive(Debug, Clone, Copy)]
pub struct Late<'a> {
    /// The principal, locked.
    pub principal: PrincipalId,
    /// Its SessionIndex values.
    pub session_indexes: &'a [SessionIndex],
    /// When the person was authenticated.
    pub authn_instant: DateTime<Utc>,
    /// When the assertion was issued.
    pub issue_instant: DateTime<Utc>,
}

/// Whether a logout covers this assertion (SLO-20, SLO-21). To be asked under the lock on the
/// principal, and after that on the session, in the transaction that would open a session (SSO-19).
///
/// # Errors
/// [`StoreError::Database`].
pub async fn covers(conn: &mut PgConnection, late: Late<'_>, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let indexes: Vec<String> = late.session_indexes.iter().map(ToString::to_string).collect();
    let covered = sqlx::query_scalar!(
        r#"select exists (
            select from bar
             where principal_id = $1 and until > $2
               and case kind
                       when 'all' then $5 <= not_after
                       when 'index' then session_indexes && $3 and $4 <= not_after
                       else (session_indexes && $3 or cardinality(session_indexes) = 0) and $4 <= not_after
                   end) as "covered!""#,
        late.principal.0,
        now,
        &indexes,
        late.authn_instant,
        late.issue_instant
    )
    .fetch_one(conn)
    .await?;
    Ok(covered)
}
