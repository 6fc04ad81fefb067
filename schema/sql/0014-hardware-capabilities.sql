-- Null until the projection is built anew; `capabilities` and `streams` are JSON as the events hold it, null also as long as nobody said.
alter table hardware add column driver text;
alter table hardware add column transport text;
alter table hardware add column capabilities text;
alter table device add column streams text;
