-- What arrived and what became of it (VAL-23). Rows are added and, when they are old, removed;
-- never changed.
create table audit (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    endpoint   text not null,
    binding    text,
    -- As claimed by the message; proved only where the verdict is not 'refused'.
    issuer     text,
    message_id text,
    -- SHA-256 of the octets as they arrived.
    digest     bytea,
    -- accepted, duplicate, refused, or ours: an act of our own
    verdict    text not null,
    -- The rule that was broken, or the row of the status table that was followed.
    rule       text not null,
    sessions   integer not null default 0,
    -- How many of a kind this row stands for: refusals are counted per minute, not written each.
    count      bigint not null default 1,
    -- The client's address, for refusals.
    source     text,
    detail     text
);

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'rows of audit are never changed';
end
$$;

create trigger audit_is_append_only before update on audit
    for each row execute function audit_is_append_only();
