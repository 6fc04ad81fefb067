-- Most events by far say that a recording was sealed. Nobody looks for those by stream or by type: their devices lead to them. Two
-- trees less for each of them cost PostgreSQL a third less. The condition is repeated, word for word, where the others are read.
drop index replica_event_stream;
create index replica_event_stream on replica_event (stream, site, epoch, revision) where type <> 'RecordingSealed';
drop index replica_event_type;
create index replica_event_type on replica_event (type, seq) where type <> 'RecordingSealed';
