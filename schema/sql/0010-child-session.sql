-- What intake nodes see of the sessions of children. The process that holds the central's own log makes facts of it.
create table child_session (
  site uuid primary key,
  -- The fence under which it takes in.
  session bigint not null,
  -- Null while it lasts.
  loss_cause text,
  -- By the clock of the database, as the judgement whether that is long ago.
  heard_at timestamptz not null,
  changed_at timestamptz not null,
  -- As the child last said; null before that.
  round_trip_ms double precision,
  clock_offset_ms double precision,
  head_epoch integer,
  head_position bigint,
  head_root bytea
);
create index child_session_changed on child_session (changed_at);
