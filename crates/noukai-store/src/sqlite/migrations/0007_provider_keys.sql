-- Keys for model providers, sealed with a master key that is not in here. project_id: NULL where the key is for all
-- projects of its organisation. sealed_with: which master key opens it.
CREATE TABLE provider_keys (
    id BLOB PRIMARY KEY NOT NULL,
    org_id BLOB NOT NULL,
    project_id BLOB,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    name TEXT NOT NULL,
    last_four TEXT NOT NULL,
    sealed_with TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX provider_keys_by_org ON provider_keys (org_id, project_id);
CREATE INDEX provider_keys_by_master ON provider_keys (sealed_with, id);
