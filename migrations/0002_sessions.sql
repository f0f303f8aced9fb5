-- Who is signed in, and on whose word.

-- One row per (identity provider, NameID tuple): what a login and a logout of the same person both
-- lock, and lock first. Under READ COMMITTED a check without it would let both commit. The key is
-- a digest (names.rs, PrincipalKey); the row names nobody.
--
-- Locks are taken in this order everywhere: principals by id, then sessions by id, then a logout.
create table principal (
    id         bigint generated always as identity primary key,
    idp_id     bigint not null references identity_provider,
    key        bytea not null check (octet_length(key) = 32),
    created_at timestamptz not null,
    unique (idp_id, key)
);

-- Whether a session lives is computed when it is read: ended_at is null, expires_at lies ahead and
-- last_seen_at is not older than the idle time. A worker only writes down what is already so.
create table session (
    id           bigint generated always as identity primary key,
    public_id    text collate "C" not null unique,
    -- SHA-256 of the cookie's value; the value itself is nowhere.
    cookie_hash  bytea not null unique,
    created_at   timestamptz not null,
    last_seen_at timestamptz not null,
    -- The sooner of session.max and the nearest SessionNotOnOrAfter (SLO-33).
    expires_at   timestamptz not null,
    ended_at     timestamptz,
    end_reason   text,
    logout_id    bigint,
    -- PostgreSQL reads every constraint of a table anew for each statement that writes to it, so the
    -- tables of the hot path have few.
    check (case when ended_at is null then end_reason is null
                else end_reason in ('person', 'idp', 'admin', 'expired', 'replaced') end)
);

create index session_open on session (expires_at) where ended_at is null;
create index session_ended on session (ended_at) where ended_at is not null;

-- One identity provider's part in a session. All four attributes of the NameID are kept with
-- their presence, because our LogoutRequest has to repeat it exactly (SLO-38), and every
-- SessionIndex (SLO-39). An assertion may name nobody (SSO-22): then there is no principal.
create table authentication (
    id                       bigint generated always as identity primary key,
    session_id               bigint not null references session on delete cascade,
    idp_id                   bigint not null references identity_provider,
    principal_id             bigint references principal,
    name_id                  text,
    name_format              text,
    name_qualifier           text,
    sp_name_qualifier        text,
    sp_provided_id           text,
    session_indexes          text[] collate "C" not null,
    authn_instant            timestamptz not null,
    session_not_on_or_after  timestamptz,
    assertion_id             text collate "C" not null,
    created_at               timestamptz not null,
    unique (session_id, idp_id),
    check ((principal_id is null) = (name_id is null))
);

create index authentication_principal on authentication (principal_id);

-- Assertions that were used: the insert is the check (SSO-16, F-35).
create table seen_assertion (
    idp_id       bigint not null,
    assertion_id text collate "C" not null,
    until        timestamptz not null,
    primary key (idp_id, assertion_id)
);

create index seen_assertion_until on seen_assertion (until);

-- Our own messages that wait for an answer. To take the answer is to delete the row: each is good
-- for one use (SSO-11, SLO-50).
create table open_request (
    id               text collate "C" primary key,
    kind             text not null check (kind in ('authn', 'logout')),
    idp_id           bigint not null references identity_provider on delete cascade,
    created_at       timestamptz not null,
    until            timestamptz not null,
    -- An AuthnRequest: the browser that asked, the session it had, where it wants to go.
    correlation_hash bytea check (octet_length(correlation_hash) = 32),
    relay_state      text collate "C",
    -- No foreign key: sessions are locked before requests elsewhere, and one that is gone is only
    -- not found.
    session_id       bigint,
    return_to        text,
    -- A LogoutRequest: the leg that asked.
    leg_id           bigint,
    check ((kind = 'authn') = (correlation_hash is not null)),
    check ((kind = 'logout') = (leg_id is not null))
);

create index open_request_until on open_request (until);
create index open_request_leg on open_request (leg_id) where leg_id is not null;
