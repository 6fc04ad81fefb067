-- When the replica's Merkle root was last found equal to the one that its site states for the same size.
alter table replica_cursor add column verified_at timestamptz;
