-- Why nothing can be recorded, by storage: JSON of [{ storageId, cause, detail }]. Null until the projection is built anew.
alter table recording_server add column halts text;

-- Where recording servers keep recordings. `configured` and `measured` are JSON as the events have it, without what is sealed;
-- null: not told.
create table storage (
  site_id uuid not null,
  recording_server_id uuid not null,
  id uuid not null,
  name text not null,
  is_default boolean not null,
  encrypted boolean not null,
  configured text,
  measured text,
  measured_at_ms bigint,
  -- False: the configuration of the server names it no more.
  in_use boolean not null,
  primary key (recording_server_id, id)
);
create table storage_device (
  site_id uuid not null,
  recording_server_id uuid not null,
  device_id uuid not null,
  storage_id uuid not null,
  primary key (recording_server_id, device_id)
);
