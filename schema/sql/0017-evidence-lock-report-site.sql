-- By which a check finds the rows of one site. Null until the projection is built anew.
alter table evidence_lock_report add column site_id uuid;
