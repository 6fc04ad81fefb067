-- What intake nodes would not go on with, for the process with the own log, which raises the alarm.
create table child_refusal (
  site uuid primary key,
  code text not null,
  detail text not null,
  -- How often this code came in a row; begins again with another code.
  repeated int not null,
  refused_at timestamptz not null
);
create index child_refusal_refused on child_refusal (refused_at);
