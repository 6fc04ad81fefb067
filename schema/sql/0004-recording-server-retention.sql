-- Says until when a recording at a remote site can be retrieved.
alter table recording_server add column retention_days double precision;
alter table recording_server add column byte_length_max double precision;
