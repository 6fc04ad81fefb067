-- The timeline is drawn out of stretches, not out of segments: a day of a camera is some of them instead of 1,350. They follow
-- from the segments and are kept with them.

-- Maximal stretches of a device that segments of one recording server and one state cover.
create table recording_span (
  device_id uuid not null,
  site_id uuid not null,
  recording_server_id uuid not null,
  -- SEALED, or why the segments can no longer be had: DELETED or DAMAGED.
  state text not null,
  from_ms bigint not null,
  to_ms bigint not null,
  primary key (device_id, site_id, to_ms, recording_server_id, state) include (from_ms)
);
insert into recording_span (device_id, site_id, recording_server_id, state, from_ms, to_ms)
select device_id, site_id, recording_server_id, state, lower(range), upper(range)
from (
  select device_id, site_id, recording_server_id, coalesce(lost_because, 'SEALED') as state,
    unnest(range_agg(int8range(from_ms, to_ms))) as range
  from recording_segment where from_ms < to_ms
  group by device_id, site_id, recording_server_id, state
) as stretch;

-- The same of what is held of other sites.
create table held_span (
  device_id uuid not null,
  from_ms bigint not null,
  to_ms bigint not null,
  primary key (device_id, to_ms) include (from_ms)
);
insert into held_span (device_id, from_ms, to_ms)
select device_id, lower(range), upper(range)
from (
  select device_id, unnest(range_agg(int8range(from_ms, to_ms))) as range
  from held_segment where from_ms < to_ms group by device_id
) as stretch;

-- Segments are looked up by their device and time. One key for that and for uniqueness grows where the last row went, while
-- one of random ids grows everywhere.
alter table recording_segment drop constraint recording_segment_pkey;
alter table recording_segment add primary key (device_id, site_id, from_ms, segment_id);
drop index recording_segment_span;
alter table held_segment drop constraint held_segment_pkey;
alter table held_segment add primary key (device_id, from_ms, segment_id);
drop index held_segment_span;

drop index recording_gap_device;
create index recording_gap_device on recording_gap (device_id, site_id, to_ms) include (from_ms, cause);
