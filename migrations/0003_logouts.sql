-- Every logout, whoever asked for it, and what each layer said.

-- An identity provider's LogoutRequest is one row: the message (so that it is never executed
-- twice), the verdict and the status answered, and the bar. There is no foreign key on idp_id and
-- principal_id: each would lock a row that every logout of an identity provider shares. Verdict and
-- status are written by receive_logout alone.
create table logout (
    id              bigint generated always as identity primary key,
    -- The name of its page; only where there may be something to show.
    handle          text collate "C",
    trigger         text not null check (trigger in ('person', 'idp', 'admin')),
    started_at      timestamptz not null,
    -- Until then answers of other layers are waited for.
    deadline        timestamptz,
    finished_at     timestamptz,
    sessions_ended  integer not null,
    return_to       text,

    idp_id          bigint,
    principal_id    bigint,
    message_id      text collate "C",
    -- What was signed, without the signature: the same message again is a duplicate, another
    -- message of the same ID is refused (SLO-24).
    message_digest  bytea,
    issue_instant   timestamptz,
    session_indexes text[] collate "C",
    reason          text,
    -- Until when the request also binds assertions that arrive later (SLO-20, SLO-21).
    bar_until       timestamptz,
    verdict         text,
    status          text
);

create unique index logout_message on logout (idp_id, message_id) where message_id is not null;
create index logout_principal on logout (principal_id) where principal_id is not null;
create index logout_unfinished on logout (deadline) where finished_at is null;
create unique index logout_handle on logout (handle) where handle is not null;

-- One identity provider that has to hear of a logout, or cannot.
create table logout_leg (
    id                bigint generated always as identity primary key,
    logout_id         bigint not null references logout on delete cascade,
    idp_id            bigint not null,
    principal_id      bigint,
    -- The session that ended: its cookie tells the browser in which the leg can resume.
    session_id        bigint not null,
    name_id           text,
    name_format       text,
    name_qualifier    text,
    sp_name_qualifier text,
    sp_provided_id    text,
    session_indexes   text[] collate "C" not null,
    authn_instant     timestamptz not null,
    state             text not null check (state in ('waiting_browser', 'queued', 'asked', 'confirmed',
                          'partial', 'partial_failure', 'failed', 'unconfirmed', 'unreachable', 'no_endpoint', 'not_asked')),
    binding           text check (binding in ('redirect', 'post', 'soap')),
    request_id        text collate "C",
    asked_at          timestamptz,
    -- When an answer comes too late.
    deadline          timestamptz,
    resumed           boolean not null default false,
    -- When it is too late to ask at all.
    resume_until      timestamptz not null,
    answered_at       timestamptz,
    -- The status codes of the answer, for operators.
    answer            text
);

create index logout_leg_logout on logout_leg (logout_id);
create index logout_leg_session on logout_leg (session_id);
create index logout_leg_principal on logout_leg (principal_id) where principal_id is not null;
create index logout_leg_asked on logout_leg (deadline) where state = 'asked';

-- LogoutRequests to be sent without a browser. Whoever holds the lease works the row; a lease that
-- ran out is anybody's.
create table outbox (
    id           bigint generated always as identity primary key,
    leg_id       bigint not null unique references logout_leg on delete cascade,
    attempts     integer not null default 0,
    due_at       timestamptz not null,
    leased_until timestamptz,
    created_at   timestamptz not null
);

create index outbox_due on outbox (due_at);

-- A logout also binds assertions that come later: three kinds of bar, one question.
--   index  a LogoutRequest with SessionIndex: that index, AuthnInstant not after its IssueInstant
--   all    one without: any assertion whose IssueInstant is not after its IssueInstant
--   ours   a logout of our own, until it is over: AuthnInstant not after that of the ended session
create view bar as
    select logout.id as logout_id, principal_id,
           case when cardinality(session_indexes) = 0 then 'all' else 'index' end as kind,
           session_indexes, issue_instant as not_after, bar_until as until
      from logout
     where bar_until is not null
    union all
    select leg.logout_id, leg.principal_id, 'ours', leg.session_indexes, leg.authn_instant, logout.deadline
      from logout_leg leg
      join logout on logout.id = leg.logout_id
     where logout.finished_at is null and leg.state <> 'not_asked';
