-- What the child said of the heads of the logs below it; null when it cannot say.
alter table child_session add column relayed jsonb;
