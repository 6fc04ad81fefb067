-- Of what was reduced to key frames the timeline says so. False until the projections are built anew.
alter table recording_segment add column key_frames_only boolean not null default false;
alter table held_segment add column key_frames_only boolean not null default false;

-- `recording_span.state` may also be REDUCED: sealed, and only key frames and sound are left of it. HELD or REDUCED:
alter table held_span add column state text not null default 'HELD';
alter table held_span drop constraint held_span_pkey;
alter table held_span add primary key (device_id, to_ms, state) include (from_ms);
