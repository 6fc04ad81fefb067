-- The ends of logs below that were replaced by what this site's own parent holds of them, after site and region were restored from
-- old copies together. Their sites record again what went, in a later epoch that ends with LogHistoryRecovered.
create table replaced_tail (
  site uuid primary key,
  -- In which the history ends that took its place.
  epoch integer not null,
  event_count bigint not null,
  replaced_at timestamptz not null default now()
);

-- Positions of the feed under which events stood that were replaced by fewer.
create table feed_gap (
  seq bigint primary key
);
