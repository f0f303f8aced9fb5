-- Sessions at an OpenID provider for which the provider itself is the service provider towards an
-- identity provider: we are no participant there and have nothing but what an application tells us.

-- Context, as the application has it; nothing is found by it.
alter table participation add column oidc_subject text;
-- The provider's connection to that identity provider.
alter table participation add column connection text collate "C";
alter table participation add constraint participation_context
    check (oidc_sid is not null or (oidc_subject is null and connection is null));

-- Not null: behind the session that a leg is to end there is such an identity provider. The name of the
-- connection, or '' where nobody has said it.
alter table logout_leg add column oidc_connection text collate "C";
-- Then the browser goes first; but if it is not back in time, the session ends without it.
alter table logout_leg add column oidc_falls_back boolean not null default false;

-- However a leg comes to be, it knows.
create function name_connection_of_leg() returns trigger language plpgsql as $$
begin
    -- Whether the application's own session lives on does not matter.
    select coalesce(p.connection, '') into new.oidc_connection
      from participation p
     where p.oidc_issuer = new.oidc_issuer and p.oidc_sid = new.oidc_sid
       and (p.connection is not null or p.name_id is not null or p.session_indexes <> '{}')
     order by p.connection is null, p.id desc limit 1;
    return new;
end
$$;

create trigger leg_names_connection before insert on logout_leg
    for each row when (new.oidc_sid is not null)
    execute function name_connection_of_leg();
