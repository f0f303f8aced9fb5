-- What retention has taken away of the whole feed, for those who read all of it; an application's
-- own part is in application.feed_removed_through.
alter table feed add column removed_through bigint not null default 0;
