-- A key of a request that goes on with a run stands for what comes behind this event of it.
ALTER TABLE idempotency_keys ADD COLUMN begun_after INTEGER NOT NULL DEFAULT 0;
