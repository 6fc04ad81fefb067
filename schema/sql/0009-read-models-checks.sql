-- What a check found that is served otherwise than the log folds into. Empty when all is well.
create table projection_difference (
  projection text not null,
  -- Id of the site whose events were folded again, or `all`.
  scope text not null,
  description text not null,
  found_at_ms bigint not null,
  primary key (projection, scope)
);
-- When something of it was last folded again and compared.
alter table projection add column checked_at_ms bigint;
