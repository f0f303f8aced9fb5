-- Telling applications: who may be told now, and which logouts wait for those that count.

-- How an application takes what it is told. A row is written when the first of several tries fails and
-- when one succeeds after that, so an application in good health costs nothing.
create table application_lane (
    application_id bigint primary key references application on delete cascade,
    -- How many rounds in a row have failed for a reason that has nothing to do with what was told.
    failures       integer not null,
    -- Until then it is not tried; after that with one notification at a time, until one succeeds.
    shut_until     timestamptz
);

-- Until when a notification is tried, where that is not a day after the end of the session: it was
-- given another day by hand.
alter table notification add column give_up_at timestamptz;

-- The next notifications of one application: none waits behind another application's.
drop index notification_due;
create index notification_due on notification (application_id, due_at, id) where state = 'pending';
-- Which applications that count have not heard of the end of a session.
create index notification_unheard on notification (session_id) where counts and state in ('pending', 'dead');

-- Logouts of which the status is open: for when the node that should decide is gone.
create index logout_undecided on logout (id) where status is null and message_id is not null;
