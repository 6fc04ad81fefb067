-- What a recording server last said of a device that it records: null is "no".
create table device_health (
  device_id uuid primary key,
  site_id uuid not null,
  recording_server_id uuid not null,
  recording boolean not null,
  recording_changed_ms bigint,
  recording_cause text,
  motion_since_ms bigint,
  overflow_since_ms bigint,
  overflow_cause text
);
create index device_health_server on device_health (recording_server_id);

create table recording_server_health (
  id uuid primary key,
  site_id uuid not null,
  disk_slow_since_ms bigint,
  disk_write_ms double precision,
  overloaded_since_ms bigint,
  overload_cause text
);
