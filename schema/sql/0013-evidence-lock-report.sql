-- What each recording server holds for a lock; `missing` is JSON as the event has it.
create table evidence_lock_report (
  lock_id uuid not null,
  device_id uuid not null,
  recording_server_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  judged_to_ms bigint not null,
  outcome text not null,
  held_ms bigint not null,
  byte_length bigint not null,
  missing text not null,
  primary key (lock_id, device_id, recording_server_id)
);
