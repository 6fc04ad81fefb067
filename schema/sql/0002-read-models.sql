-- What a central remembers: folds of the feed. Every table below can be emptied and is then filled again from the feed;
-- nothing in them is known from anywhere else. Times are milliseconds since the Unix epoch.

create table read_model_checkpoint (
  only_row boolean primary key default true check (only_row),
  -- Version of the folds; another one than the software's means: rebuild.
  version integer not null,
  -- Everything up to this feed position is folded.
  seq bigint not null,
  -- Of `change`, what lies at or below this position has been trimmed.
  changes_after_seq bigint not null
);

-- Events that a fold could not digest, each with the reason. The feed goes on without them.
create table quarantined_event (
  seq bigint not null,
  model text not null,
  reason text not null,
  at_ms bigint not null,
  primary key (seq, model)
);

-- What changed, in the order of the feed, for subscriptions: `state` is the row as of that change.
create table change (
  kind text not null,
  seq bigint not null,
  entity_id text not null,
  state jsonb not null,
  primary key (kind, seq, entity_id)
);

create table site_progress (
  site_id uuid primary key,
  epoch integer not null,
  position bigint not null,
  recorded_at_ms bigint not null
);

create table site (
  id uuid primary key,
  name text not null,
  -- The site knows its own name; until its log arrives, the name in its enrolment stands in.
  name_from_own_log boolean not null,
  parent_id uuid,
  enrolled_at_ms bigint,
  sealing_public_key text
);
create index site_name on site (name, id);
create index site_parent on site (parent_id);

create table link (
  site_id uuid primary key,
  parent_id uuid not null,
  state text not null,
  since_ms bigint not null,
  session bigint not null,
  last_epoch integer,
  last_position bigint,
  cause text
);

create table recording_server (
  id uuid primary key,
  site_id uuid not null,
  name text not null,
  software_version text,
  started_at_ms bigint,
  halted_because text,
  halted_detail text
);
create index recording_server_name on recording_server (name, id);
create index recording_server_site on recording_server (site_id);

create table hardware (
  id uuid primary key,
  site_id uuid not null,
  name text not null,
  address text not null,
  recording_server_id uuid not null,
  removed boolean not null,
  connection text not null,
  connection_since_ms bigint,
  connection_detail text
);
create index hardware_recording_server on hardware (recording_server_id);

create table device (
  id uuid primary key,
  site_id uuid not null,
  hardware_id uuid not null,
  type text not null,
  name text not null,
  enabled boolean not null,
  recording_enabled boolean not null,
  removed boolean not null
);
create index device_name on device (name, id);
create index device_site on device (site_id);
create index device_hardware on device (hardware_id);

create table alarm (
  id uuid primary key,
  site_id uuid not null,
  local_number integer not null,
  name text not null,
  message text not null,
  priority integer not null,
  state text not null,
  assigned_to text,
  source_device_id uuid,
  source_name text not null,
  raised_at_ms bigint not null,
  closed_at_ms bigint,
  closed_reason text
);
create index alarm_raised on alarm (raised_at_ms, id);
create index alarm_site on alarm (site_id);
create index alarm_source on alarm (source_device_id);

create table alarm_history (
  seq bigint primary key,
  alarm_id uuid not null,
  at_ms bigint not null,
  actor text not null,
  text text not null
);
create index alarm_history_alarm on alarm_history (alarm_id, seq);

create table evidence_lock (
  id uuid primary key,
  site_id uuid not null,
  headline text not null,
  description text not null,
  from_ms bigint not null,
  to_ms bigint not null,
  expires_at_ms bigint,
  created_at_ms bigint not null,
  created_by text not null,
  released_at_ms bigint,
  released_reason text,
  device_ids uuid[] not null
);
create index evidence_lock_created on evidence_lock (created_at_ms, id);
create index evidence_lock_devices on evidence_lock using gin (device_ids);

-- One row per device: how far facts of it reach, and whether it records.
create table device_recording (
  site_id uuid not null,
  device_id uuid not null,
  recording_server_id uuid not null,
  known_from_ms bigint not null,
  known_to_ms bigint not null,
  running_since_ms bigint,
  last_stop_at_ms bigint,
  last_stop_cause text,
  primary key (device_id, site_id)
);

-- Sealed segments, as their own site tells of them.
create table recording_segment (
  site_id uuid not null,
  device_id uuid not null,
  segment_id uuid not null,
  recording_server_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  fragment_count integer not null,
  byte_length bigint not null,
  digest text not null,
  time_source text not null,
  began_because text not null,
  ended_because text not null,
  -- DELETED or DAMAGED, once the segment can no longer be had.
  lost_because text,
  primary key (site_id, segment_id)
);
create index recording_segment_span on recording_segment (device_id, from_ms) include (to_ms, segment_id, lost_because, site_id);

create table recording_gap (
  seq bigint not null,
  ordinal integer not null,
  site_id uuid not null,
  device_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  cause text not null,
  primary key (seq, ordinal)
);
create index recording_gap_device on recording_gap (device_id, to_ms);

-- Segments of other sites that are complete in this site's own media database.
create table held_segment (
  device_id uuid not null,
  segment_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  byte_length bigint not null,
  digest text not null,
  retrieval_id uuid not null,
  primary key (device_id, segment_id)
);
create index held_segment_span on held_segment (device_id, from_ms);

create table retrieval (
  id uuid primary key,
  site_id uuid not null,
  device_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  trigger text not null,
  state text not null,
  segment_count integer,
  total_bytes bigint,
  transferred_bytes bigint not null,
  requested_at_ms bigint not null,
  requested_by text not null,
  ended_at_ms bigint,
  detail text
);
create index retrieval_requested on retrieval (requested_at_ms, id);
create index retrieval_device on retrieval (device_id);

create table command (
  id uuid primary key,
  target_site_id uuid not null,
  kind text not null,
  entity_id uuid,
  state text not null,
  code text,
  message text,
  issued_at_ms bigint not null,
  issued_by text not null
);

create table audit_entry (
  seq bigint primary key,
  id uuid not null,
  at_ms bigint not null,
  actor text not null,
  site_id uuid not null,
  action text not null,
  granted boolean not null,
  subject text not null
);
create index audit_entry_actor on audit_entry (actor, seq);

-- Which events speak of a device.
create table event_device (
  device_id uuid not null,
  seq bigint not null,
  primary key (device_id, seq)
);
