-- Every projection has a checkpoint of its own, can be built anew beside what is served, and keeps what it could not
-- digest in a quarantine from which it is released in order.

-- Where the feed is followed to, whatever single projections do. Its lock lets one process fold, release or swap at a time.
insert into read_model_checkpoint (version, seq, changes_after_seq) values (0, 0, 0) on conflict do nothing;

create table projection (
  name text primary key,
  -- Version of the fold that filled what is served; 0: nothing is served yet, a build will.
  version integer not null,
  -- Everything up to this feed position is folded.
  seq bigint not null,
  -- Policy `halt`: why it stands still.
  halted_because text,
  -- Why the last build was given up; the served tables stay.
  build_failed_because text
);
-- The folds of before had one version; it is no version of any projection, so that each is built anew once.
insert into projection (name, version, seq)
select name, read_model_checkpoint.version, read_model_checkpoint.seq
from read_model_checkpoint, unnest(array['sites', 'links', 'recording-servers', 'hardware', 'alarms', 'evidence-locks',
  'recordings', 'held-segments', 'retrievals', 'commands', 'audit-trail', 'event-devices']) as name
where read_model_checkpoint.version > 0;
alter table read_model_checkpoint drop column version;

-- Builds that are asked for or under way, oldest first. Their tables lie in the schema `projection_build_<id>` until one
-- transaction puts them in the place of those that are served.
create table projection_build (
  id integer generated always as identity primary key,
  projections text[] not null,
  -- Of the folds that fill it, in the order of `projections`.
  versions integer[] not null,
  seq bigint not null,
  started_at_ms bigint not null
);

drop table quarantined_event;
create table quarantined_event (
  projection text not null,
  seq bigint not null,
  site uuid not null,
  stream text collate "C" not null,
  -- POISON: could not be folded. UNTIL_UPGRADE: this software does not know its type or version. WAITING: comes after such a
  -- one in its stream.
  status text not null,
  reason text not null,
  at_ms bigint not null,
  attempts integer not null,
  primary key (projection, seq)
);
create index quarantined_event_stream on quarantined_event (stream, site, projection, seq);
