-- Runs of recording of which not everything is sealed yet: JSON of [{ recordingServerId, fromMs, toMs }]. Null until the projection
-- is built anew.
alter table device_recording add column unsealed_runs text;
