//! People: accounts, memberships, invitations, sign-ins.

pub(crate) const UNTOUCHED: &str = "SELECT NOT EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM api_keys)";

pub(crate) const ADD_SETUP_TOKEN: &str = "INSERT INTO setup_tokens (token_hash, created_at) \
    SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM users)";

pub(crate) const SETUP_TOKEN: &str = "SELECT 1 FROM setup_tokens \
    WHERE token_hash = $1 AND created_at > $2 AND NOT EXISTS (SELECT 1 FROM users)";

/// One sets the installation up at a time; SQLite's one writer needs no lock for it.
pub(crate) const LOCK_SETUP_POSTGRES: &str = "SELECT 1 FROM setup_tokens FOR UPDATE";

pub(crate) const FORGET_SETUP_TOKENS: &str = "DELETE FROM setup_tokens";

pub(crate) const ADD_USER: &str =
    "INSERT INTO users (id, email, name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const USER: &str = "SELECT id, email, name, password_hash, created_at FROM users WHERE id = $1";

pub(crate) const USER_BY_EMAIL: &str = "SELECT id, email, name, password_hash, created_at FROM users WHERE email = $1";

pub(crate) const SET_PASSWORD: &str = "UPDATE users SET password_hash = $1 WHERE id = $2";

pub(crate) const END_SIGN_INS: &str = "DELETE FROM sign_ins WHERE user_id = $1";

pub(crate) const ADD_OWNER: &str = "INSERT INTO members (org_id, user_id, role, created_at) \
    SELECT o.id, $1, 'owner', $2 FROM organisations o WHERE o.slug = $3";

pub(crate) const ADD_MEMBER: &str = "INSERT INTO members (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)";

pub(crate) const MEMBERSHIPS: &str = "SELECT o.id, o.slug, m.role FROM members m \
    JOIN organisations o ON o.id = m.org_id WHERE m.user_id = $1 ORDER BY o.slug";

macro_rules! members {
    ($tail:literal) => {
        concat!(
            "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM members m JOIN users u ON u.id = m.user_id \
             WHERE m.org_id = $1 ",
            $tail
        )
    };
}

pub(crate) const MEMBER: &str = members!("AND m.user_id = $2");

pub(crate) const MEMBERS: &str = members!("AND u.email > $2 ORDER BY u.email LIMIT $3");

/// Who changes members comes one after the other, or the last two owners could remove each other.
pub(crate) const LOCK_POSTGRES: &str = "SELECT 1 FROM organisations WHERE id = $1 FOR NO KEY UPDATE";

macro_rules! leaves_an_owner {
    () => {
        "(role <> 'owner' OR EXISTS (SELECT 1 FROM members o WHERE o.org_id = members.org_id \
          AND o.user_id <> members.user_id AND o.role = 'owner'))"
    };
}

pub(crate) const SET_ROLE: &str = concat!(
    "UPDATE members SET role = $1 WHERE org_id = $2 AND user_id = $3 AND ($1 = 'owner' OR ",
    leaves_an_owner!(),
    ")"
);

pub(crate) const REMOVE_MEMBER: &str =
    concat!("DELETE FROM members WHERE org_id = $1 AND user_id = $2 AND ", leaves_an_owner!());

macro_rules! invitation_columns {
    () => {
        "id, org_id, email, role, token_hash, created_by, created_at, expires_at"
    };
}

pub(crate) const OPEN_INVITATIONS: &str = "SELECT count(*) FROM invitations WHERE org_id = $1 AND expires_at > $2";

pub(crate) const REPLACE_INVITATION: &str = "DELETE FROM invitations WHERE org_id = $1 AND email = $2";

pub(crate) const ADD_INVITATION: &str =
    concat!("INSERT INTO invitations (", invitation_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");

pub(crate) const INVITATIONS: &str = concat!(
    "SELECT ",
    invitation_columns!(),
    " FROM invitations WHERE org_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC"
);

pub(crate) const INVITATION: &str =
    concat!("SELECT ", invitation_columns!(), " FROM invitations WHERE token_hash = $1 AND expires_at > $2");

pub(crate) const REMOVE_INVITATION: &str = "DELETE FROM invitations WHERE org_id = $1 AND id = $2";

pub(crate) const USE_INVITATION: &str =
    concat!("DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 RETURNING ", invitation_columns!());

/// A row where the attempt counts; none where there were too many.
pub(crate) const ATTEMPT: &str = "INSERT INTO sign_in_attempts (subject, attempts, since) VALUES ($1, 1, $2) \
    ON CONFLICT (subject) DO UPDATE SET \
    attempts = CASE WHEN sign_in_attempts.since <= $3 THEN 1 ELSE sign_in_attempts.attempts + 1 END, \
    since = CASE WHEN sign_in_attempts.since <= $3 THEN $2 ELSE sign_in_attempts.since END \
    WHERE sign_in_attempts.since <= $3 OR sign_in_attempts.attempts < $4 RETURNING since";

pub(crate) const ATTEMPTS_SINCE: &str = "SELECT since FROM sign_in_attempts WHERE subject = $1";

pub(crate) const FORGET_ATTEMPTS: &str = "DELETE FROM sign_in_attempts WHERE subject = $1";

pub(crate) const ADD_SIGN_IN: &str =
    "INSERT INTO sign_ins (token_hash, user_id, project_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const SIGN_IN: &str =
    "SELECT token_hash, user_id, project_id, created_at, expires_at FROM sign_ins WHERE token_hash = $1";

pub(crate) const END_SIGN_IN: &str = "DELETE FROM sign_ins WHERE token_hash = $1";

/// What is forgotten once it is old, grants after what may stand for them.
pub(crate) const PRUNE: [&str; 8] = [
    "DELETE FROM sign_ins WHERE token_hash IN (SELECT token_hash FROM sign_ins WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM sign_in_attempts WHERE subject IN (SELECT subject FROM sign_in_attempts WHERE since < $1 LIMIT $2)",
    "DELETE FROM setup_tokens WHERE token_hash IN (SELECT token_hash FROM setup_tokens WHERE created_at < $1 LIMIT $2)",
    "DELETE FROM oauth_clients WHERE id IN (SELECT id FROM oauth_clients WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM oauth_codes WHERE code_hash IN (SELECT code_hash FROM oauth_codes WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM oauth_tokens WHERE token_hash IN (SELECT token_hash FROM oauth_tokens WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM oauth_grants WHERE id IN (SELECT g.id FROM oauth_grants g WHERE g.created_at < $1 \
     AND NOT EXISTS (SELECT 1 FROM oauth_codes c WHERE c.grant_id = g.id) \
     AND NOT EXISTS (SELECT 1 FROM oauth_tokens t WHERE t.grant_id = g.id) LIMIT $2)",
];
