-- Ending sessions at OpenID providers: each is a leg of a logout, as an identity provider's is.

-- How it can be ended, as it was when the person signed in: without a browser, or where the browser has
-- to go.
alter table oidc_authentication add column has_back boolean not null default false;
alter table oidc_authentication add column end_session_endpoint text;

alter table logout_leg alter column idp_id drop not null;
-- None where nobody here was signed in, and only what is at the provider ends.
alter table logout_leg alter column session_id drop not null;
alter table logout_leg add column oidc_provider text collate "C";
alter table logout_leg add column oidc_issuer text collate "C";
alter table logout_leg add column oidc_subject text collate "C";
alter table logout_leg add column oidc_sid text collate "C";
alter table logout_leg add column oidc_id_token text;
alter table logout_leg add column oidc_end_session text;
-- When the provider accepted to end it, and did not have to be asked again. Done it is only when it is
-- seen gone.
alter table logout_leg add column accepted_at timestamptz;
alter table logout_leg add constraint logout_leg_authority check ((idp_id is null) = (oidc_issuer is not null));
alter table logout_leg drop constraint logout_leg_state_check;
alter table logout_leg add constraint logout_leg_state_check
    check (state in ('waiting_browser', 'queued', 'asked', 'confirmed', 'partial', 'partial_failure', 'failed',
                     'unconfirmed', 'unreachable', 'no_endpoint', 'not_asked', 'returned'));

create index logout_leg_oidc on logout_leg (oidc_issuer, oidc_subject) where oidc_issuer is not null;
create index logout_leg_oidc_sid on logout_leg (oidc_issuer, oidc_sid) where oidc_sid is not null;

-- Browsers that were sent to a provider to sign out. To take one is to delete the row.
create table open_oidc_sign_out (
    -- SHA-256 of `state`.
    state_hash bytea primary key check (octet_length(state_hash) = 32),
    leg_id     bigint not null unique references logout_leg on delete cascade,
    until      timestamptz not null
);

create index open_oidc_sign_out_until on open_oidc_sign_out (until);

-- What applications have registered under a session at a provider is over with it: they are told in the
-- transaction that asks for its end. Says how many of their sessions that ended.
create function tell_applications_of_legs(p_logout bigint, p_reason text, p_now timestamptz) returns bigint
language plpgsql as $$
declare
    v_ended bigint;
begin
    insert into notification (application_id, sid, participations, reason, ended_at, logout_id, counts, state, due_at)
    select a.id, p.oidc_sid, array_agg(p.public_id order by p.id), p_reason, p_now, p_logout, a.counts_for_success,
           case a.form when 'pull' then 'none' else 'pending' end, p_now
      from logout_leg leg
      join participation p on p.oidc_issuer = leg.oidc_issuer and p.oidc_sid = leg.oidc_sid
      join application a on a.id = p.application_id
     where leg.logout_id = p_logout and leg.oidc_sid is not null and leg.state <> 'not_asked' and p.ended_at is null
     group by a.id, p.oidc_sid
     order by a.id, p.oidc_sid;
    update participation p set ended_at = p_now, end_reason = p_reason
      from logout_leg leg
     where leg.logout_id = p_logout and leg.oidc_sid is not null and leg.state <> 'not_asked'
       and p.oidc_issuer = leg.oidc_issuer and p.oidc_sid = leg.oidc_sid and p.ended_at is null;
    get diagnostics v_ended = row_count;
    return v_ended;
end
$$;

-- As in 0011_receive_logout, with these differences: sessions at OpenID providers are legs too, and while one is
-- not over, the status is open.
create or replace function receive_logout(
    p_now             timestamptz,
    p_idp             bigint,
    p_version         bigint,
    p_key             bytea,
    p_message_id      text,
    p_digest          bytea,
    p_issue_instant   timestamptz,
    p_indexes         text[],
    p_reason          text,
    p_bar_until       timestamptz,
    -- Sessions last seen before this instant are over already.
    p_idle_since      timestamptz,
    p_unknown_success boolean,
    -- For a logout that other identity providers must hear of.
    p_handle          text,
    p_deadline        timestamptz,
    p_resume_until    timestamptz,
    -- For the audit.
    p_endpoint        text,
    p_binding         text,
    p_issuer          text,
    p_raw_digest      bytea
) returns table (outcome text, status text, ended integer, queued integer, logout_row bigint, told integer)
language plpgsql
-- Every statement finds its rows by key; planning each anew would cost as much as running it.
set plan_cache_mode = force_generic_plan
-- A plan made while the tables were still small, or their statistics old, would read whole tables
-- in every logout for as long as the connection lives.
set enable_seqscan = off
as $$
#variable_conflict use_variable
declare
    v_version   bigint;
    v_principal bigint;
    v_sessions  bigint[];
    v_others    boolean := false;
    v_verdict   text;
    v_status    text := 'Success';
    v_logout    bigint;
    v_digest    bytea;
    v_queued    integer := 0;
    v_told      integer := 0;
    v_counted   boolean := false;
    v_oidc      boolean := false;
    v_asked     integer := 0;
begin
    select i.version into v_version from identity_provider i where i.id = p_idp;
    if v_version is distinct from p_version then
        return query select 'stale'::text, null::text, 0, 0, null::bigint, 0;
        return;
    end if;

    -- A repetition costs its sender a look-up and us no commit.
    select l.id, l.message_digest, l.status into v_logout, v_digest, v_status
      from logout l where l.idp_id = p_idp and l.message_id = p_message_id;
    if found then
        return query select case when v_digest = p_digest then 'duplicate' else 'conflict' end::text, v_status, 0, 0,
                            v_logout, 0;
        return;
    end if;
    v_status := 'Success';

    loop
        select p.id into v_principal from principal p where p.idp_id = p_idp and p.key = p_key for update;
        exit when found;
        insert into principal (idp_id, key, created_at) values (p_idp, p_key, p_now) on conflict do nothing;
    end loop;

    -- SLO-03 to SLO-06: every session of this principal, or those that carry one of the indexes.
    select array_agg(locked.id) into v_sessions from (
        select s.id
          from authentication a
          join session s on s.id = a.session_id
         where a.principal_id = v_principal
           and s.ended_at is null
           and (cardinality(p_indexes) = 0 or a.session_indexes && p_indexes)
         order by s.id
           for update of s
    ) locked;

    if v_sessions is not null then
        v_verdict := 'ended';
        v_others := exists (
            select from authentication a where a.session_id = any (v_sessions) and a.idp_id <> p_idp);
        v_oidc := exists (select from oidc_authentication o where o.session_id = any (v_sessions));
        v_others := v_others or v_oidc;
    elsif not exists (select from authentication a where a.principal_id = v_principal) then
        v_verdict := 'unknown';
        if not p_unknown_success then
            v_status := 'UnknownPrincipal';
        end if;
    elsif cardinality(p_indexes) > 0 and not exists (
        select from authentication a where a.principal_id = v_principal and a.session_indexes && p_indexes)
    then
        v_verdict := 'unseen_index';
    else
        v_verdict := 'already';
        -- Over before, but perhaps not yet for an application that counts.
        if exists (
            select from authentication a
              join notification n on n.session_id = a.session_id
             where a.principal_id = v_principal
               and (cardinality(p_indexes) = 0 or a.session_indexes && p_indexes)
               and n.counts and n.state in ('pending', 'dead'))
           -- Nor, perhaps, at an OpenID provider.
           or exists (
            select from authentication a
              join logout_leg leg on leg.session_id = a.session_id
             where a.principal_id = v_principal
               and (cardinality(p_indexes) = 0 or a.session_indexes && p_indexes)
               and leg.oidc_issuer is not null and leg.state <> 'confirmed'
               and (leg.accepted_at is null or not exists (
                    select from identity_provider i
                     where i.id = p_idp and i.policy ->> 'auth0_pending' = 'success')))
        then
            v_status := 'PartialLogout';
        end if;
    end if;

    insert into logout (handle, trigger, started_at, deadline, finished_at, sessions_ended,
                        idp_id, principal_id, message_id, message_digest, issue_instant, session_indexes,
                        reason, bar_until, verdict, status)
    values (case when v_others then p_handle end, 'idp', p_now, case when v_others then p_deadline end,
            case when not v_others then p_now end, coalesce(cardinality(v_sessions), 0),
            p_idp, v_principal, p_message_id, p_digest, p_issue_instant, p_indexes,
            p_reason, p_bar_until, v_verdict, v_status)
    on conflict (idp_id, message_id) where message_id is not null do nothing
    returning id into v_logout;
    if v_logout is null then
        -- Another node was faster with this ID. The same content waited for the principal's lock
        -- or for this row, so the result is there to be read.
        select l.id, l.message_digest, l.status into v_logout, v_digest, v_status
          from logout l where l.idp_id = p_idp and l.message_id = p_message_id;
        return query select case when v_digest = p_digest then 'duplicate' else 'conflict' end::text, v_status, 0, 0,
                            v_logout, 0;
        return;
    end if;

    if v_sessions is not null then
        if v_oidc then
            -- Before all others: the order in which a browser is led past them. What the clock had
            -- ended here already is left to end there by itself.
            insert into logout_leg (logout_id, session_id, session_indexes, authn_instant, oidc_provider, oidc_issuer,
                                    oidc_subject, oidc_sid, oidc_id_token, oidc_end_session, state, resume_until)
            select v_logout, o.session_id, '{}', o.auth_time, o.provider, o.issuer, o.subject, o.sid, o.id_token,
                   o.end_session_endpoint,
                   case when o.ended_at is not null then 'confirmed'
                        when o.has_back then 'queued'
                        when o.end_session_endpoint is not null then 'waiting_browser'
                        else 'no_endpoint' end,
                   p_resume_until
              from oidc_authentication o
              join session s on s.id = o.session_id
             where o.session_id = any (v_sessions)
               and s.expires_at > p_now
               and s.last_seen_at > p_idle_since
             order by o.id;
            perform tell_applications_of_legs(v_logout, 'idp', p_now);
            select count(*) into v_asked
              from logout_leg leg where leg.logout_id = v_logout and leg.state <> 'confirmed';
        end if;
        if v_others then
            -- The session ends whole; the other authorities are told (SLO-34). What the clock had
            -- already ended needs no LogoutRequest (SLO-36).
            insert into logout_leg (logout_id, idp_id, principal_id, session_id, name_id, name_format,
                                    name_qualifier, sp_name_qualifier, sp_provided_id, session_indexes,
                                    authn_instant, state, resume_until)
            select v_logout, a.idp_id, a.principal_id, a.session_id, a.name_id, a.name_format,
                   a.name_qualifier, a.sp_name_qualifier, a.sp_provided_id, a.session_indexes,
                   a.authn_instant,
                   case when a.name_id is null then 'no_endpoint'
                        when i.has_soap then 'queued'
                        when i.has_front then 'waiting_browser'
                        else 'no_endpoint' end,
                   least(p_resume_until, a.session_not_on_or_after)
              from authentication a
              join session s on s.id = a.session_id
              join identity_provider i on i.id = a.idp_id
             where a.session_id = any (v_sessions)
               and a.idp_id <> p_idp
               and s.expires_at > p_now
               and s.last_seen_at > p_idle_since
             order by a.id;
            insert into outbox (leg_id, due_at, created_at)
            select leg.id, p_now, p_now from logout_leg leg
             where leg.logout_id = v_logout and leg.state = 'queued';
            get diagnostics v_queued = row_count;
            update logout set finished_at = p_now, deadline = null
             where id = v_logout
               and not exists (select from logout_leg leg
                                where leg.logout_id = v_logout and leg.state in ('queued', 'waiting_browser'));
        end if;
        update session set ended_at = p_now, end_reason = 'idp', logout_id = v_logout
         where id = any (v_sessions);
        -- Row e: while an application that counts has not heard, or an OpenID provider has not ended
        -- its part, the status is open. Whoever answers the identity provider decides it, in a
        -- transaction of its own.
        select count(*), coalesce(bool_or(n.counts), false) into v_told, v_counted
          from notification n where n.logout_id = v_logout and n.state = 'pending';
        if v_counted or v_asked > 0 then
            v_status := null;
            update logout set status = null where id = v_logout;
        end if;
    end if;

    insert into audit (at, endpoint, binding, issuer, message_id, digest, verdict, rule, sessions, detail)
    values (p_now, p_endpoint, p_binding, p_issuer, p_message_id, p_raw_digest, 'accepted',
            case when v_status = 'PartialLogout' then 'row e'
                 else case v_verdict when 'ended' then 'row a' when 'already' then 'row b'
                                     when 'unseen_index' then 'row c' else 'row d' end end,
            coalesce(cardinality(v_sessions), 0), p_reason);

    return query select v_verdict, v_status, coalesce(cardinality(v_sessions), 0), v_queued, v_logout, v_told;
end
$$;
