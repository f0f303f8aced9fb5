-- OpenID providers, Auth0 tenants among them: who is signed in on their word, and their logout
-- tokens.
--
-- Locks, everywhere: oidc_subject rows first (a sid before a sub), then principals, sessions, a
-- logout.

-- What a sign-in, a registration under a sid and a logout token about the same thing lock, and lock
-- first: it is to them what `principal` is to SAML. It also carries the bar. A row that bars nothing
-- may be removed whenever nobody holds it.
create table oidc_subject (
    issuer       text collate "C" not null,
    kind         text not null check (kind in ('sid', 'sub')),
    value        text collate "C" not null,
    created_at   timestamptz not null,
    -- Until when sign-ins are barred: of a sid all of them, of a sub those whose ID token was not
    -- issued after barred_iat. Both instants of that comparison are the provider's.
    barred_until timestamptz,
    barred_iat   timestamptz,
    primary key (issuer, kind, value),
    check (kind = 'sub' or barred_iat is null),
    check (kind = 'sid' or (barred_iat is null) = (barred_until is null))
);

create index oidc_subject_removable on oidc_subject (created_at);

-- One session at a provider on which a session of ours rests. A person who signs in there anew gets
-- another sid, and another row: when we end ours, all of them are meant.
create table oidc_authentication (
    id         bigint generated always as identity primary key,
    session_id bigint not null references session on delete cascade,
    -- The name of the provider in the settings.
    provider   text collate "C" not null,
    issuer     text collate "C" not null,
    subject    text collate "C" not null,
    sid        text collate "C",
    -- The ID token, to be given back as a hint when we sign out there.
    id_token   text not null,
    auth_time  timestamptz not null,
    created_at timestamptz not null,
    -- When the provider itself said that this one is over.
    ended_at   timestamptz,
    unique nulls not distinct (session_id, issuer, sid)
);

create index oidc_authentication_sid on oidc_authentication (issuer, sid) where sid is not null;
create index oidc_authentication_subject on oidc_authentication (issuer, subject);

-- Sign-ins that wait for the browser to come back. To take one is to delete the row.
create table open_oidc_sign_in (
    -- SHA-256 of `state`.
    state_hash       bytea primary key check (octet_length(state_hash) = 32),
    provider         text collate "C" not null,
    correlation_hash bytea not null check (octet_length(correlation_hash) = 32),
    nonce            text collate "C" not null,
    code_verifier    text collate "C" not null,
    -- No foreign key: a session that is gone is only not found.
    session_id       bigint,
    return_to        text,
    created_at       timestamptz not null,
    until            timestamptz not null
);

create index open_oidc_sign_in_until on open_oidc_sign_in (until);

-- Logout tokens that were acted upon: the insert is the check (OIDC-07).
create table seen_logout_token (
    issuer     text collate "C" not null,
    -- SHA-256 of `jti`.
    jti_digest bytea not null check (octet_length(jti_digest) = 32),
    until      timestamptz not null,
    primary key (issuer, jti_digest)
);

create index seen_logout_token_until on seen_logout_token (until);
