//! The legs of a logout: one for each identity provider that has to hear of it, or cannot.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::step::{Leg, LegId, LegState};
use crate::saml::names::{Binding, MessageId, NameId};
use crate::store::oidc::{OidcAuthentication, Subject};
use crate::store::sessions::Authentication;
use crate::store::{IdpId, LogoutId, SessionId, StoreError};

/// A leg as the database has it.
#[derive(Debug, Clone)]
pub struct LegRow {
    /// Its row.
    pub id: LegId,
    /// Of which logout.
    pub logout: LogoutId,
    /// The identity provider to tell; none if it is an OpenID provider.
    pub idp: Option<IdpId>,
    /// The session at an OpenID provider to end.
    pub oidc: Option<OidcLeg>,
    /// The session that ended; none if nobody was signed in here, and only what is at an OpenID provider
    /// is to end.
    pub session: Option<SessionId>,
    /// Whom to name; as it was received.
    pub name_id: Option<NameId>,
    /// Which sessions there.
    pub session_indexes: Vec<String>,
    /// What is known of it.
    pub state: LegState,
    /// Until when an answer counts.
    pub deadline: Option<DateTime<Utc>>,
    /// Whether it was asked again.
    pub resumed: bool,
    /// When it is too late to ask.
    pub resume_until: DateTime<Utc>,
    /// When it was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// The status codes of the answer.
    pub answer: Option<String>,
}

/// What a leg is to end at an OpenID provider: a session there, or all of a person's.
#[derive(Clone)]
pub struct OidcLeg {
    /// The name of the provider in the settings.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// The person there, if we know.
    pub subject: Option<String>,
    /// The session there.
    pub sid: Option<String>,
    /// The last ID token of it, if there was one.
    pub id_token: Option<String>,
    /// Where a browser signs out there, if that is offered.
    pub end_session: Option<String>,
    /// When the provider accepted to end it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The connection to the identity provider behind it, if there is one for which the provider is the
    /// service provider; empty if its name is not known.
    pub connection: Option<String>,
    /// Whether a browser was sent there.
    pub led: bool,
    /// Whether it ends without a browser, if that is not back in time.
    pub falls_back: bool,
}

impl std::fmt::Debug for OidcLeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The ID token is not for logs.
        f.debug_struct("OidcLeg").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A leg for what is at an OpenID provider.
#[derive(Clone, Copy)]
pub struct NewOidcLeg<'a> {
    /// The session that ended, if one did.
    pub session: Option<SessionId>,
    /// The name of the provider in the settings.
    pub provider: &'a str,
    /// Its issuer.
    pub issuer: &'a str,
    /// The person there.
    pub subject: Option<&'a str>,
    /// The session there; none for all of the person's, or where the provider does not name them.
    pub sid: Option<&'a str>,
    /// The last ID token of it.
    pub id_token: Option<&'a str>,
    /// Where a browser signs out there.
    pub end_session: Option<&'a str>,
    /// Whoever was authenticated there later than this is not meant.
    pub authn_instant: DateTime<Utc>,
}

impl<'a> NewOidcLeg<'a> {
    /// The leg for a session at a provider on which the ended session rested.
    #[must_use]
    pub fn of(session: SessionId, authentication: &'a OidcAuthentication) -> Self {
        Self {
            session: Some(session),
            provider: &authentication.provider,
            issuer: &authentication.issuer,
            subject: Some(&authentication.subject),
            sid: authentication.sid.as_deref(),
            id_token: Some(&authentication.id_token),
            end_session: authentication.end_session_endpoint.as_deref(),
            authn_instant: authentication.auth_time,
        }
    }
}

/// Adds a leg for what is at an OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn add_oidc(
    conn: &mut PgConnection,
    logout: LogoutId,
    new: NewOidcLeg<'_>,
    state: LegState,
    resume_until: DateTime<Utc>,
) -> Result<LegId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into logout_leg (logout_id, session_id, session_indexes, authn_instant, oidc_provider, oidc_issuer,
                                 oidc_subject, oidc_sid, oidc_id_token, oidc_end_session, state, resume_until)
         values ($1, $2, '{}', $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id",
        logout.0,
        new.session.map(|session| session.0),
        new.authn_instant,
        new.provider,
        new.issuer,
        new.subject,
        new.sid,
        new.id_token,
        new.end_session,
        state_name(state),
        resume_until
    )
    .fetch_one(conn)
    .await?;
    Ok(LegId(id))
}

/// Notes that a leg is to be asked without a browser after all, if that is not back in time.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn let_fall_back(conn: &mut PgConnection, leg: LegId) -> Result<(), StoreError> {
    sqlx::query!("update logout_leg set oidc_falls_back = true where id = $1", leg.0).execute(conn).await?;
    Ok(())
}

/// Notes that a browser was sent to a leg's OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_sent(conn: &mut PgConnection, leg: LegId, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update logout_leg set asked_at = $2, binding = 'redirect' where id = $1", leg.0, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that a leg's OpenID provider has accepted to end its session: it is not asked again.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_accepted(
    conn: &mut PgConnection,
    leg: LegId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout_leg set asked_at = coalesce(asked_at, $2), accepted_at = $2
          where id = $1 and accepted_at is null",
        leg.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The legs that are not known to be over and are to end that session, or a session of that person,
/// at an OpenID provider; by logout.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn about(
    conn: &mut PgConnection,
    issuer: &str,
    subject: Subject<'_>,
) -> Result<Vec<(LogoutId, LegId)>, StoreError> {
    let (sid, sub) = match subject {
        Subject::Sid(sid) => (Some(sid), None),
        Subject::Sub(sub) => (None, Some(sub)),
    };
    let found = sqlx::query!(
        "select logout_id, id from logout_leg
          where oidc_issuer = $1 and (oidc_sid = $2 or oidc_subject = $3) and state <> 'confirmed'
          order by logout_id, id",
        issuer,
        sid,
        sub
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|row| (LogoutId(row.logout_id), LegId(row.id))).collect())
}

/// Whether an unfinished logout of ours is about to end that session at an OpenID provider: then
/// nobody signs in on its word (as [`crate::store::bars`] has it for SAML), and nothing is registered
/// under it. Where the provider does not name sessions, when the person was authenticated decides.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn is_leaving(
    conn: &mut PgConnection,
    issuer: &str,
    sid: Option<&str>,
    subject: Option<&str>,
    auth_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let leaving = sqlx::query_scalar!(
        r#"select exists (
            select from (
                select leg.logout_id, leg.state from logout_leg leg
                 where leg.oidc_issuer = $1 and leg.oidc_sid = $2
                   and (leg.oidc_subject is null or $3::text is null or leg.oidc_subject = $3)
                union all
                select leg.logout_id, leg.state from logout_leg leg
                 where leg.oidc_issuer = $1 and leg.oidc_subject = $3
                   and (leg.oidc_sid is null or $2::text is null) and $4 <= leg.authn_instant) leg
              join logout on logout.id = leg.logout_id
             where leg.state <> 'not_asked' and logout.finished_at is null and logout.deadline > $5) as "leaving!""#,
        issuer,
        sid,
        subject,
        auth_time,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(leaving)
}

/// The newest logout that was to end that session at an OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn newest_of_sid(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
) -> Result<Option<LogoutId>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select max(logout_id) as "id: LogoutId" from logout_leg where oidc_issuer = $1 and oidc_sid = $2"#,
        issuer,
        sid
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Lets applications know of what they have registered under the sessions that the legs of a logout
/// are to end.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn tell_applications(
    conn: &mut PgConnection,
    logout: LogoutId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query_scalar!("select tell_applications_of_legs($1, $2, $3)", logout.0, reason, now)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Adds a leg for one authentication of the ended session.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn add(
    conn: &mut PgConnection,
    logout: LogoutId,
    session: SessionId,
    authentication: &Authentication,
    state: LegState,
    resume_until: DateTime<Utc>,
) -> Result<LegId, StoreError> {
    let name = authentication.name_id.as_ref();
    let id = sqlx::query_scalar!(
        "insert into logout_leg (logout_id, idp_id, principal_id, session_id, name_id, name_format, name_qualifier,
                                 sp_name_qualifier, sp_provided_id, session_indexes, authn_instant, state, resume_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning id",
        logout.0,
        authentication.idp.0,
        authentication.principal.map(|principal| principal.0),
        session.0,
        name.map(|name| name.value.as_str()),
        name.and_then(|name| name.format.as_deref()),
        name.and_then(|name| name.name_qualifier.as_deref()),
        name.and_then(|name| name.sp_name_qualifier.as_deref()),
        name.and_then(|name| name.sp_provided_id.as_deref()),
        &authentication.session_indexes,
        authentication.authn_instant,
        state_name(state),
        resume_until
    )
    .fetch_one(conn)
    .await?;
    Ok(LegId(id))
}

/// Saves what a step changed of a leg.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn save(conn: &mut PgConnection, leg: &Leg) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout_leg set state = $2, deadline = $3, resumed = $4 where id = $1",
        leg.id.0,
        state_name(leg.state),
        leg.deadline,
        leg.resumed
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the request with which a leg was asked.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_asked(
    conn: &mut PgConnection,
    leg: LegId,
    request: &MessageId,
    binding: Binding,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout_leg set request_id = $2, binding = $3, asked_at = $4 where id = $1",
        leg.0,
        request.as_str(),
        binding.as_str(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what a leg's identity provider answered, for operators.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_answer(
    conn: &mut PgConnection,
    leg: LegId,
    answer: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("update logout_leg set answer = $2, answered_at = $3 where id = $1", leg.0, answer, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// The legs of a logout, in the order in which they are asked.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub async fn of_logout(conn: &mut PgConnection, logout: LogoutId) -> Result<Vec<LegRow>, StoreError> {
    let rows = sqlx::query!(
        "select id, logout_id, idp_id, session_id, name_id, name_format, name_qualifier, sp_name_qualifier, sp_provided_id,
                session_indexes, state, deadline, resumed, resume_until, asked_at, answer,
                oidc_provider, oidc_issuer, oidc_subject, oidc_sid, oidc_id_token, oidc_end_session, accepted_at,
                oidc_connection, oidc_falls_back, binding
           from logout_leg where logout_id = $1 order by id",
        logout.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(LegRow {
                id: LegId(row.id),
                logout: LogoutId(row.logout_id),
                idp: row.idp_id.map(IdpId),
                oidc: row.oidc_provider.zip(row.oidc_issuer).map(|(provider, issuer)| OidcLeg {
                    provider,
                    issuer,
                    subject: row.oidc_subject,
                    sid: row.oidc_sid,
                    id_token: row.oidc_id_token,
                    end_session: row.oidc_end_session,
                    accepted_at: row.accepted_at,
                    connection: row.oidc_connection,
                    led: row.binding.is_some(),
                    falls_back: row.oidc_falls_back,
                }),
                session: row.session_id.map(SessionId),
                name_id: row.name_id.map(|value| NameId {
                    value,
                    format: row.name_format,
                    name_qualifier: row.name_qualifier,
                    sp_name_qualifier: row.sp_name_qualifier,
                    sp_provided_id: row.sp_provided_id,
                }),
                session_indexes: row.session_indexes,
                state: state_of(&row.state).ok_or(StoreError::Corrupt {
                    table: "logout_leg",
                    column: "state",
                    row: row.id,
                })?,
                deadline: row.deadline,
                resumed: row.resumed,
                resume_until: row.resume_until,
                asked_at: row.asked_at,
                answer: row.answer,
            })
        })
        .collect()
}

/// The logout that ended the session of this cookie, if one of its legs may still be asked.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn resumable(
    conn: &mut PgConnection,
    cookie_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<(LogoutId, SessionId)>, StoreError> {
    let found = sqlx::query!(
        "select leg.logout_id, session.id as session_id
           from session
           join logout_leg leg on leg.session_id = session.id
          where session.cookie_hash = $1 and session.ended_at is not null
            and leg.state in ('waiting_browser', 'asked', 'unconfirmed', 'unreachable')
            and not leg.resumed and leg.resume_until > $2
          order by leg.id limit 1",
        &cookie_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (LogoutId(row.logout_id), SessionId(row.session_id))))
}

const STATES: [(LegState, &str); 12] = [
    (LegState::WaitingBrowser, "waiting_browser"),
    (LegState::Queued, "queued"),
    (LegState::Asked, "asked"),
    (LegState::Confirmed, "confirmed"),
    (LegState::Partial, "partial"),
    (LegState::PartialFailure, "partial_failure"),
    (LegState::Failed, "failed"),
    (LegState::Unconfirmed, "unconfirmed"),
    (LegState::Unreachable, "unreachable"),
    (LegState::NoEndpoint, "no_endpoint"),
    (LegState::NotAsked, "not_asked"),
    (LegState::Returned, "returned"),
];

/// The word for a state, in rows and on the command line.
#[must_use]
pub fn state_name(state: LegState) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

fn state_of(name: &str) -> Option<LegState> {
    STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
}
