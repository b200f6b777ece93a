-- The run that a key's first request makes, known before it is made, so that a crash between the two leaves no doubt; and
-- that run's result, until the reply with it is stored.
ALTER TABLE idempotency_keys ADD COLUMN run_id BLOB;
ALTER TABLE idempotency_keys ADD COLUMN result TEXT;

CREATE INDEX idempotency_keys_by_run ON idempotency_keys (run_id) WHERE status IS NULL;
