-- A site's configuration as of any time is folded from the few events in the streams of its configuration. The condition is
-- repeated, word for word, where they are read.
create index replica_event_configuration on replica_event (site, epoch, position)
  where stream = 'site' or stream like 'child-site-%' or stream like 'recording-server-%'
    or (stream like 'hardware-%' and stream not like 'hardware-connection-%');

-- Snapshots of that fold, so that a long history is not folded anew for every question. Disposable at any time.
create table site_state_snapshot (
  site uuid not null,
  epoch integer not null,
  position bigint not null,
  recorded_at bigint not null,
  -- Of the event at that place: in another history of the site it is another.
  leaf_hash bytea not null,
  -- Hash of the code that folded.
  code text not null,
  state text not null,
  primary key (site, epoch, position)
);
