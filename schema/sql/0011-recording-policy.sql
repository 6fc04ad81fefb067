-- JSON as the events hold it; null until the projection is built anew, and for devices that nobody has set it for.
alter table device add column recording_policy text;
alter table device add column motion_detection text;

create table bookmark (
  id uuid primary key,
  site_id uuid not null,
  device_id uuid not null,
  at_ms bigint not null,
  from_ms bigint not null,
  to_ms bigint not null,
  reference text not null,
  header text not null,
  description text not null,
  created_at_ms bigint not null,
  created_by text not null
);
create index bookmark_at on bookmark (at_ms, id);
create index bookmark_device on bookmark (device_id, at_ms);
