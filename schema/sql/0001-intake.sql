-- What a central has taken in: the replicas of other sites' logs and its own, byte for byte. Nothing here is derived.

create table replica_cursor (
  site uuid primary key,
  epoch integer not null,
  position bigint not null,
  -- Hashes of 32 bytes, one after the other, largest subtree first.
  tree_edge bytea not null,
  fence bigint not null,
  check (octet_length(tree_edge) % 32 = 0)
);

-- One row. Its lock makes the order of feed positions the order of commits, so that who reads "after seq" never misses
-- an event that commits later. A sequence would not do: its numbers are drawn before the commit.
create table feed_head (
  only_row boolean primary key default true check (only_row),
  seq bigint not null
);
insert into feed_head (seq) values (0);

create table replica_event (
  -- Feed position: dense, 1.., over all sites.
  seq bigint primary key,
  site uuid not null,
  epoch integer not null,
  position bigint not null,
  id uuid not null,
  stream text collate "C" not null,
  revision bigint not null,
  type text collate "C" not null,
  version integer not null,
  -- Hybrid logical clock: milliseconds × 65536 + counter.
  recorded_at bigint not null,
  occurred_at_ms bigint not null,
  clock_quality text not null,
  actor text not null,
  causation_id uuid,
  correlation_id uuid,
  -- The stored bytes of the log: what is hashed and travels on. Everything above is read out of `header`.
  header bytea not null,
  data bytea not null,
  leaf_hash bytea not null,
  unique (site, epoch, position)
);
create index replica_event_stream on replica_event (stream, site, epoch, revision);
create index replica_event_type on replica_event (type, seq);
create index replica_event_site on replica_event (site, seq);
create index replica_event_recorded on replica_event (recorded_at);
