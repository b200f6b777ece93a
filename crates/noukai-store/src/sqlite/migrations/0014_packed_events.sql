-- Kinds and payloads of a row's events, compressed; both columns are then empty.
ALTER TABLE run_events ADD COLUMN packed BLOB;
