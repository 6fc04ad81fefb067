-- How a central takes in logs over a backbone: intake nodes publish, projector nodes store.

-- How far the log of a site is on the backbone, which is what the site was told. `replica_cursor` says how far it is stored.
create table backbone_cursor (
  site uuid primary key,
  epoch integer not null,
  position bigint not null,
  -- Hashes of 32 bytes, one after the other, largest subtree first.
  tree_edge bytea not null,
  fence bigint not null,
  -- The fence that ended the sessions before the last gap: what they published beyond it does not fit and is passed over.
  rewound_fence bigint not null default 0,
  check (octet_length(tree_edge) % 32 = 0)
);

-- Where to go on in each partition; moves in one transaction with what was stored.
create table backbone_position (
  topic text collate "C" not null,
  partition integer not null,
  next_offset bigint not null,
  primary key (topic, partition)
);
