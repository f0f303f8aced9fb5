-- Sessions at an OpenID provider for which the provider itself is the service provider towards an
-- identity provider: we are no participant there and have nothing but what an application tells us.

-- Context, as the application has it; nothing is found by it.
alter table participation add column oidc_subject text;
-- The provider's connection to that identity provider.
alter table participation add column connection text collate "C";
alter table participation add constraint participation_context
    check (oidc_sid is not null or (oidc_subject is null and connection is null));
