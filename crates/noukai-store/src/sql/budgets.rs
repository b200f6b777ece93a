//! Budgets and what is spent of them.

macro_rules! columns {
    () => {
        "id, org_id, scope, project_id, target, period, unit, amount, warn_percent, created_at, updated_at, updated_by"
    };
}

pub(crate) const PUT: &str = concat!(
    "INSERT INTO budgets (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
     ON CONFLICT (org_id, scope, project_id, target, period, unit) DO UPDATE SET amount = excluded.amount, \
     warn_percent = excluded.warn_percent, updated_at = excluded.updated_at, updated_by = excluded.updated_by RETURNING ",
    columns!()
);

pub(crate) const ALL: &str =
    concat!("SELECT ", columns!(), " FROM budgets ORDER BY org_id, project_id, scope, target, id");

pub(crate) const REMOVE: &str = "DELETE FROM budgets WHERE org_id = $1 AND id = $2";

pub(crate) const FORGET: &str = "DELETE FROM budget_spend WHERE budget_id = $1";

/// What the ledger has of a budget's scope since an hour: money and tokens.
/// $1: its organisation, $2: its scope, $3: its project, $4: its target, $5: the hour.
pub(crate) const SO_FAR: &str = "SELECT CAST(COALESCE(sum(u.cost), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.total_tokens), 0) AS BIGINT) FROM usage_hours u JOIN projects p ON p.id = u.project_id \
    WHERE p.org_id = $1 AND ($2 = 'organization' OR u.project_id = $3) AND ($2 <> 'flow' OR u.flow_slug = $4) \
    AND ($2 <> 'key' OR u.key_id = $4) AND u.hour >= $5";

/// A budget that was removed meanwhile is charged nothing.
pub(crate) const CHARGE_SQLITE: &str = "INSERT INTO budget_spend (budget_id, period, spent) SELECT $1, $2, $3 \
    WHERE EXISTS (SELECT 1 FROM budgets WHERE id = $1) ON CONFLICT (budget_id, period) DO UPDATE SET \
    spent = CASE WHEN budget_spend.spent > 9223372036854775807 - excluded.spent THEN 9223372036854775807 \
    ELSE budget_spend.spent + excluded.spent END";

/// $1: the node. As [`CHARGE_SQLITE`]. Rows that others may add to are touched in order.
pub(crate) const CHARGE_POSTGRES: &str = "INSERT INTO budget_spend (budget_id, period, node, spent, granted) \
    SELECT c.budget, c.period, $1::uuid, sum(c.amount)::bigint, 0 FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) \
    AS c(budget, period, amount) JOIN budgets b ON b.id = c.budget GROUP BY 1, 2 ORDER BY 1, 2 \
    ON CONFLICT (budget_id, period, node) DO UPDATE SET \
    spent = CASE WHEN budget_spend.spent > 9223372036854775807 - excluded.spent THEN 9223372036854775807 \
    ELSE budget_spend.spent + excluded.spent END";

pub(crate) const SPENT: &str = "SELECT CAST(COALESCE(sum(spent), 0) AS BIGINT) FROM budget_spend \
    WHERE budget_id = $1 AND period = $2";

/// One node at a time asks for more of a budget.
pub(crate) const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 1))";

/// What others have spent, and what those of them may still spend that live. $3: this node, $4: the database's time.
pub(crate) const ELSEWHERE_POSTGRES: &str = "SELECT COALESCE(sum(s.spent), 0)::bigint, \
    COALESCE(sum(GREATEST(s.granted - s.spent, 0)) FILTER (WHERE n.alive_until > $4), 0)::bigint FROM budget_spend s \
    LEFT JOIN nodes n ON n.id = s.node WHERE s.budget_id = $1 AND s.period = $2 AND s.node <> $3";

pub(crate) const HOLD_POSTGRES: &str = "INSERT INTO budget_spend (budget_id, period, node, spent, granted) \
    VALUES ($1, $2, $3, 0, $4) ON CONFLICT (budget_id, period, node) DO UPDATE SET granted = excluded.granted";
