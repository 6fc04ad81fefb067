-- What was asked for on the command line, beside a central that may not run: the process with the own log makes events of it.
create table operator_action (
  -- Of the event.
  id uuid primary key,
  at_ms bigint not null,
  -- Who, by the machine's account. In clear until it is in the log.
  operator text not null,
  type text not null,
  data jsonb not null
);
