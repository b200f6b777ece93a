-- Keys for model providers, sealed with a master key that is not in here. project_id: NULL where the key is for all
-- projects of its organisation. sealed_with: which master key opens it.
CREATE TABLE provider_keys (
    id UUID PRIMARY KEY NOT NULL,
    org_id UUID NOT NULL,
    project_id UUID,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    name TEXT NOT NULL,
    last_four TEXT NOT NULL,
    sealed_with TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX provider_keys_by_org ON provider_keys (org_id, project_id);
CREATE INDEX provider_keys_by_master ON provider_keys (sealed_with, id);
