-- Who may speak to us. One row per identity provider, one more per version it ever had.
--
-- Text that is compared is compared octet by octet, whatever the database's collation is (SLO-11),
-- and every instant comes from the caller: nothing here asks the server for the time.

create table identity_provider (
    id          bigint generated always as identity primary key,
    slug        text collate "C" not null unique check (slug ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    entity_id   text collate "C" not null unique,
    -- Rises with every change. A statement that acts on a message carries the version whose keys
    -- verified it, and writes nothing if that is no longer the current one.
    version     bigint not null check (version > 0),
    state       text not null check (state in ('enabled', 'disabled')),
    -- What was read out of the metadata, and the switches of our own for this identity provider.
    metadata    jsonb not null,
    policy      jsonb not null,
    source      text not null check (source in ('file', 'command')),
    valid_until timestamptz,
    -- How it can be told of a logout; the statement that ends sessions needs to know.
    has_soap    boolean not null,
    has_front   boolean not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null
);

create table identity_provider_version (
    idp_id      bigint not null references identity_provider on delete cascade,
    version     bigint not null,
    state       text not null,
    metadata    jsonb not null,
    policy      jsonb not null,
    source      text not null,
    recorded_at timestamptz not null,
    primary key (idp_id, version)
);

-- The certificate whose key signs, by fingerprint: a node with another key is not ready.
create table signing_key (
    singleton   boolean primary key default true check (singleton),
    fingerprint text collate "C" not null check (fingerprint ~ '^[0-9a-f]{64}$'),
    changed_at  timestamptz not null
);

-- Random octets that all nodes share: form tokens and the keyed hashes in logs (SLO-56) come from
-- them.
create table secret (
    name  text collate "C" primary key,
    value bytea not null check (octet_length(value) = 32)
);
