-- People: accounts, memberships, invitations, sign-ins; what they grant to programs. Secrets are hashes.

CREATE TABLE users (
    id UUID PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE members (
    org_id UUID NOT NULL REFERENCES organisations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

-- Gone once accepted or taken back.
CREATE TABLE invitations (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organisations (id),
    email TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (org_id, email)
);

-- All are gone once one of them is used.
CREATE TABLE setup_tokens (
    token_hash TEXT COLLATE "C" PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE sign_ins (
    token_hash TEXT COLLATE "C" PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    project_id UUID,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_ins_by_user ON sign_ins (user_id);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

-- How often somebody tried to sign in as subject, since when.
CREATE TABLE sign_in_attempts (
    subject TEXT COLLATE "C" PRIMARY KEY,
    attempts BIGINT NOT NULL,
    since BIGINT NOT NULL
);

-- redirect_uris: one per line.
CREATE TABLE oauth_clients (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_clients_by_end ON oauth_clients (expires_at);

CREATE TABLE oauth_grants (
    id UUID PRIMARY KEY,
    client_id TEXT NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id),
    project_id UUID NOT NULL,
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX oauth_grants_by_user ON oauth_grants (user_id);

-- Kept for a while once used, so that a second use is noticed.
CREATE TABLE oauth_codes (
    code_hash TEXT COLLATE "C" PRIMARY KEY,
    grant_id UUID NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX oauth_codes_by_grant ON oauth_codes (grant_id);

-- kind: access or refresh. Refresh tokens are kept once used, so that a second use is noticed.
CREATE TABLE oauth_tokens (
    token_hash TEXT COLLATE "C" PRIMARY KEY,
    grant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX oauth_tokens_by_grant ON oauth_tokens (grant_id);
CREATE INDEX oauth_tokens_by_end ON oauth_tokens (expires_at);
