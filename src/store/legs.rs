//! The legs of a logout: one for each identity provider that has to hear of it, or cannot.

mod oidc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::step::{Leg, LegId, LegState};
use crate::saml::names::{Binding, MessageId, NameId};
use crate::store::sessions::Authentication;
use crate::store::{IdpId, LogoutId, SessionId, StoreError};

pub use oidc::{
    NewOidcLeg, OidcLeg, about, add_oidc, is_leaving, let_fall_back, newest_of_sid, note_accepted, note_sent,
    tell_applications,
};

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
