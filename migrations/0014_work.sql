-- Telling applications, and ending many sessions, at a price that does not grow with what waits.

-- A notification is written four times: when the session ended, leased, given its place in the feed,
-- settled. Room on its page for a second version lets a lease leave the indexes alone.
alter table notification set (fillfactor = 50);
-- Nothing is ever looked for by it.
drop index notification_ended;
-- A line has no place in the feed of its application before it has a place at all.
drop index notification_feed;
create index notification_feed on notification (application_id, position) where position is not null;

-- The statements of the outbox are functions, because a plan made while the table was small, or its
-- statistics old, would read whole tables, or all that waits for an application, in every batch for as
-- long as the connection lives. Each row is found by key, one by one.

-- Leases what is due for one application, at most p_batch; while it has failed and not yet succeeded
-- one alone, due or not; none while its lane is shut. Of each session only what comes first.
create function lease_notifications(
    p_application bigint,
    p_batch       bigint,
    p_now         timestamptz,
    p_until       timestamptz
) returns setof notification
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    v_failing boolean;
    v_shut    boolean;
    v_ids     bigint[];
begin
    select l.failures > 0, coalesce(l.shut_until > p_now, false) into v_failing, v_shut
      from application_lane l where l.application_id = p_application;
    if v_shut then
        return;
    end if;
    v_ids := array(
        select n.id from notification n
         where n.application_id = p_application and n.state = 'pending'
           and n.due_at <= case when v_failing then 'infinity'::timestamptz else p_now end
           and (n.leased_until is null or n.leased_until <= p_now)
           and n.id = (select first.id from notification first
                        where first.application_id = n.application_id and first.sid = n.sid
                          and first.state = 'pending'
                        order by first.id limit 1)
         order by n.due_at, n.id
         limit case when v_failing then 1 else p_batch end
           for update skip locked);
    return query update notification n set leased_until = p_until where n.id = any (v_ids) returning n.*;
end
$$;

-- The same for what one logout has to tell, or of that only what counts.
create function lease_notifications_of_logout(
    p_logout  bigint,
    p_counted boolean,
    p_batch   bigint,
    p_now     timestamptz,
    p_until   timestamptz
) returns setof notification
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    v_ids bigint[];
begin
    v_ids := array(
        select n.id from notification n
         where n.logout_id = p_logout and n.state = 'pending' and n.due_at <= p_now
           and (n.leased_until is null or n.leased_until <= p_now)
           and (n.counts or not p_counted)
           and n.id = (select first.id from notification first
                        where first.application_id = n.application_id and first.sid = n.sid
                          and first.state = 'pending'
                        order by first.id limit 1)
           and not exists (select from application_lane l
                            where l.application_id = n.application_id and l.shut_until > p_now)
         order by n.id
         limit p_batch
           for update skip locked);
    return query update notification n set leased_until = p_until where n.id = any (v_ids) returning n.*;
end
$$;

-- Writes down what came of tries. p_states: acknowledged, again (at p_due), dead, or untried.
create function settle_notifications(
    p_ids      bigint[],
    p_states   text[],
    p_due      timestamptz[],
    p_statuses integer[],
    p_errors   text[],
    p_now      timestamptz
) returns void
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    update notification n
       set leased_until = null,
           state = case s.state when 'untried' then n.state when 'again' then 'pending' else s.state end,
           due_at = coalesce(s.due_at, n.due_at),
           attempts = n.attempts + case s.state when 'untried' then 0 else 1 end,
           acknowledged_at = case s.state when 'acknowledged' then p_now else n.acknowledged_at end,
           http_status = case s.state when 'untried' then n.http_status else s.http_status end,
           last_error = case s.state when 'untried' then n.last_error else s.error end
      from unnest(p_ids, p_states, p_due, p_statuses, p_errors) as s (id, state, due_at, http_status, error)
     where n.id = s.id and n.state = 'pending';
end
$$;

-- Gives places after p_last to a batch of what is committed, in order and without gaps, and says how
-- many. The caller holds the feed's row, locked by a statement before this one: only a snapshot that is
-- younger than the lock knows what others have sealed. Rows that somebody works on get theirs next time.
create function seal_notifications(p_last bigint, p_batch bigint) returns bigint
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    v_ids    bigint[];
    v_sealed bigint;
begin
    v_ids := array(
        select n.id from notification n where n.position is null order by n.id limit p_batch
           for update skip locked);
    update notification n set position = p_last + placed.place
      from unnest(v_ids) with ordinality as placed (id, place)
     where n.id = placed.id;
    get diagnostics v_sealed = row_count;
    if v_sealed > 0 then
        update feed set position = p_last + v_sealed;
    end if;
    return v_sealed;
end
$$;

-- As in 0006_applications, but where no application takes part, as in most sessions, only that is found out:
-- to begin the other statement costs more than this one.
create or replace function tell_applications() returns trigger language plpgsql as $$
begin
    if not exists (select from participation p where p.session_id = new.id and p.ended_at is null) then
        return null;
    end if;
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

-- To end many sessions, of a principal or of everybody at an identity provider: a batch at a time, each in
-- a transaction of its own. Whoever asked holds the lease; if that node is gone, any worker goes on.
create table logout_sweep (
    id            bigint generated always as identity primary key,
    idp_id        bigint not null,
    -- Whose; none: everybody's.
    principal_key bytea check (octet_length(principal_key) = 32),
    by_admin      boolean not null,
    -- The token that asked, for the audit.
    token_id      bigint,
    started_at    timestamptz not null,
    -- Sessions that began later are not meant.
    through       bigint not null,
    -- Up to this session it is done.
    done_to       bigint not null default 0,
    leased_until  timestamptz not null
);

-- An identity provider that was removed keeps its row: what it said before still binds (bars, messages
-- seen), and its version goes on rising, so that no node acts on what it knew of it.
alter table identity_provider add column removed_at timestamptz;
