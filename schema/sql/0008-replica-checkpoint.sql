-- What the sites have signed of what is held here: of each epoch the newest checkpoint that a replica has reached. Anyone
-- can check it, so it is what proves a replica, what is handed on to a parent, and what a site gets back that was reset.
create table replica_checkpoint (
  site uuid not null,
  epoch integer not null,
  size bigint not null,
  root bytea not null,
  -- A signed note, C2SP tlog-checkpoint.
  note text not null,
  accepted_at timestamptz not null default now(),
  primary key (site, epoch)
);
