-- What an operator has seen of an alarm ends with this event. Null until the projection is built anew.
alter table alarm add column last_event_id uuid;
