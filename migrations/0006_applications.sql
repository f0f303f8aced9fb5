-- Applications: who takes part in sessions, and how each is told that one is over.

create table application (
    id                   bigint generated always as identity primary key,
    -- Its public name: `aud` of its logout tokens, and its path in the API.
    slug                 text collate "C" not null unique check (slug ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    name                 text not null,
    -- Told by one of three notifications, or not at all: then it reads the feed.
    form                 text not null check (form in ('logout-token', 'webhook', 'caep', 'pull')),
    url                  text,
    -- Where its pages live, as scheme://host[:port]: for forward-auth, CORS and return targets.
    origins              text[] collate "C" not null,
    -- Exact URLs, or with * for one label of the host, to which a sign-out may return.
    logout_urls          text[] collate "C" not null default '{}',
    -- Header `typ` of its logout tokens.
    token_type           text not null default 'logout+jwt' check (token_type in ('logout+jwt', 'JWT')),
    -- Whether it is told the NameID, or a name of its own for each person.
    subject              text not null default 'pairwise' check (subject in ('pairwise', 'name-id')),
    -- Whether an identity provider is told PartialLogout when this application has not heard.
    counts_for_success   boolean not null,
    -- Signs its webhooks (HMAC): both sides have to know it.
    secret               bytea check (octet_length(secret) between 24 and 64),
    -- The last position of its feed that is no longer there.
    feed_removed_through bigint not null default 0,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    check ((form = 'pull') = (url is null)),
    check (form <> 'webhook' or secret is not null)
);

-- An application's part in a session, or an application's own session that hangs under one. It
-- authenticates nobody. It is over when it was ended by itself, or when what it hangs under is over.
create table participation (
    id              bigint generated always as identity primary key,
    public_id       text collate "C" not null unique,
    application_id  bigint not null references application on delete cascade,
    session_id      bigint references session on delete cascade,
    -- Or under a session of an OpenID provider.
    oidc_issuer     text collate "C",
    oidc_sid        text collate "C",
    source          text not null check (source in ('api', 'forward-auth')),
    -- The application's own name for it.
    reference       text,
    -- Context, as the application has it; nothing is found by it.
    name_id         text,
    name_format     text,
    session_indexes text[] collate "C" not null default '{}',
    created_at      timestamptz not null,
    ended_at        timestamptz,
    end_reason      text,
    check ((session_id is null) = (oidc_sid is not null)),
    check ((oidc_issuer is null) = (oidc_sid is null))
);

create unique index participation_forward_auth on participation (session_id, application_id)
 where source = 'forward-auth';
create index participation_session on participation (session_id, application_id) where session_id is not null;
create index participation_oidc on participation (oidc_issuer, oidc_sid) where oidc_sid is not null;
create index participation_application on participation (application_id, id);

-- What an application is told: one row for each end of a session in which it took part. The row is
-- at once its line in the feed and the outbox entry of its delivery.
--
-- No foreign keys: each would lock a row that all logouts share.
create table notification (
    id              bigint generated always as identity primary key,
    application_id  bigint not null,
    session_id      bigint,
    -- The name by which the application knows the session.
    sid             text collate "C" not null,
    -- Its own sessions that were over with it.
    participations  text[] collate "C" not null,
    reason          text not null,
    ended_at        timestamptz not null,
    logout_id       bigint,
    -- As the application was registered when the session ended.
    counts          boolean not null,
    -- Its place in the feed, given after the commit (see feed).
    position        bigint,
    -- none: nothing is sent, the application reads the feed
    state           text not null check (state in ('none', 'pending', 'acknowledged', 'dead')),
    attempts        integer not null default 0,
    due_at          timestamptz not null,
    leased_until    timestamptz,
    acknowledged_at timestamptz,
    http_status     integer,
    last_error      text
);

create unique index notification_position on notification (position) where position is not null;
create index notification_unsealed on notification (id) where position is null;
create index notification_feed on notification (application_id, position);
create index notification_due on notification (due_at, id) where state = 'pending';
create index notification_order on notification (application_id, sid, id) where state = 'pending';
create index notification_logout on notification (logout_id) where logout_id is not null;
create index notification_ended on notification (ended_at);

-- The last position given out. Whoever locks the row seals what is committed by then, in order and
-- without gaps; what commits later gets a later position, so no reader of a cursor can miss it.
create table feed (
    singleton boolean primary key default true check (singleton),
    position  bigint not null
);
insert into feed (position) values (0);

-- However a session ends, the applications that take part in it are told in the same transaction.
create function tell_applications() returns trigger language plpgsql as $$
begin
    insert into notification (application_id, session_id, sid, participations, reason, ended_at, logout_id,
                              counts, state, due_at)
    select a.id, new.id, new.public_id, array_agg(p.public_id order by p.id), new.end_reason, new.ended_at,
           new.logout_id, a.counts_for_success, case a.form when 'pull' then 'none' else 'pending' end,
           new.ended_at
      from participation p
      join application a on a.id = p.application_id
     where p.session_id = new.id and p.ended_at is null
     group by a.id
     order by a.id;
    return null;
end
$$;

create trigger session_tells_applications after update of ended_at on session
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function tell_applications();

-- Who may use the API. The token itself is nowhere, only its SHA-256.
create table api_token (
    id             bigint generated always as identity primary key,
    name           text not null,
    role           text not null check (role in ('application', 'operator', 'admin')),
    application_id bigint references application on delete cascade,
    token_hash     bytea not null unique check (octet_length(token_hash) = 32),
    created_at     timestamptz not null,
    expires_at     timestamptz,
    revoked_at     timestamptz,
    check ((role = 'application') = (application_id is not null))
);

-- Answers to POST requests that carried an idempotency key, for as long as they may be repeated.
create table idempotency_key (
    token_id    bigint not null references api_token on delete cascade,
    route       text collate "C" not null,
    key         text collate "C" not null,
    body_digest bytea not null check (octet_length(body_digest) = 32),
    status      integer not null,
    body        bytea not null,
    until       timestamptz not null,
    primary key (token_id, route, key)
);
create index idempotency_key_until on idempotency_key (until);

-- A logout that an application or operator starts, and the one-time name by which a browser goes on
-- with it.
alter table logout drop constraint logout_trigger_check;
alter table logout add constraint logout_trigger_check
    check (trigger in ('person', 'idp', 'admin', 'application', 'operator', 'oidc'));
alter table logout add column continue_hash bytea;
alter table logout add column continue_until timestamptz;
create unique index logout_continue on logout (continue_hash) where continue_hash is not null;

alter table session drop constraint session_check;
alter table session add constraint session_check
    check (case when ended_at is null then end_reason is null
                else end_reason in ('person', 'idp', 'admin', 'expired', 'replaced', 'application',
                                    'operator', 'oidc') end);
