//! The ledger and its sums.

use noukai_api::UsageBy;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{UNITS_PER_USD, UsageQuery, UsageTenant};

/// The columns of an entry, in the order in which all statements have them.
macro_rules! entry_columns {
    () => {
        "project_id, id, at, run_id, flow_id, flow_slug, version, session_id, key_id, step, model, provider, outcome, \
         prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_written_tokens, reasoning_tokens, cost, \
         duration_ms"
    };
}

/// What a sum of entries goes by, then what is summed up.
macro_rules! sum_columns {
    () => {
        "calls, failed, cached, unpriced, prompt_tokens, completion_tokens, total_tokens, cached_tokens, \
         cache_written_tokens, reasoning_tokens, cost"
    };
}

/// Adds what is new to what is there. No amount of money that a provider may state makes the sum overflow.
macro_rules! add_to_sums {
    () => {
        "DO UPDATE SET calls = usage_hours.calls + excluded.calls, failed = usage_hours.failed + excluded.failed, \
         cached = usage_hours.cached + excluded.cached, unpriced = usage_hours.unpriced + excluded.unpriced, \
         prompt_tokens = usage_hours.prompt_tokens + excluded.prompt_tokens, \
         completion_tokens = usage_hours.completion_tokens + excluded.completion_tokens, \
         total_tokens = usage_hours.total_tokens + excluded.total_tokens, \
         cached_tokens = usage_hours.cached_tokens + excluded.cached_tokens, \
         cache_written_tokens = usage_hours.cache_written_tokens + excluded.cache_written_tokens, \
         reasoning_tokens = usage_hours.reasoning_tokens + excluded.reasoning_tokens, \
         cost = CASE WHEN usage_hours.cost > 9223372036854775807 - excluded.cost THEN 9223372036854775807 \
         ELSE usage_hours.cost + excluded.cost END"
    };
}

pub(crate) const ADD_SQLITE: &str = concat!(
    "INSERT INTO usage_entries (",
    entry_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
     ON CONFLICT (project_id, id) DO NOTHING"
);

pub(crate) const SUM_UP_SQLITE: &str = concat!(
    "INSERT INTO usage_hours (project_id, hour, flow_slug, version, key_id, model, provider, ",
    sum_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
     ON CONFLICT (project_id, hour, flow_slug, version, key_id, model, provider) ",
    add_to_sums!()
);

/// Stores entries, and of those that were not there, the sums and what they take from budgets. $22: the slot, $23: the
/// node, from $24 on: the charges. Rows that others may add to are touched in order.
pub(crate) const ADD_POSTGRES: &str = concat!(
    "WITH added AS (INSERT INTO usage_entries (",
    entry_columns!(),
    ") SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[], \
     $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], \
     $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[]) \
     ON CONFLICT (project_id, id) DO NOTHING RETURNING *), \
     hours AS (INSERT INTO usage_hours (project_id, hour, flow_slug, version, key_id, model, provider, slot, ",
    sum_columns!(),
    ") SELECT project_id, at / 3600000000, flow_slug, version, COALESCE(key_id, ''), model, COALESCE(provider, ''), \
     $22::bigint, count(*) FILTER (WHERE outcome <> 'cached'), \
     count(*) FILTER (WHERE outcome NOT IN ('completed', 'cached', 'hedged')), \
     count(*) FILTER (WHERE outcome = 'cached'), count(*) FILTER (WHERE cost IS NULL), \
     sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint, sum(cached_tokens)::bigint, \
     sum(cache_written_tokens)::bigint, sum(reasoning_tokens)::bigint, \
     LEAST(COALESCE(sum(cost), 0), 9223372036854775807)::bigint FROM added \
     GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7 \
     ON CONFLICT (project_id, hour, flow_slug, version, key_id, model, provider, slot) ",
    add_to_sums!(),
    "), charged AS (SELECT c.budget, c.period, c.amount FROM unnest($24::uuid[], $25::uuid[], $26::bigint[], \
     $27::bigint[]) AS c(entry, budget, period, amount) JOIN added ON added.id = c.entry \
     JOIN budgets b ON b.id = c.budget) \
     INSERT INTO budget_spend (budget_id, period, node, spent, granted) \
     SELECT budget, period, $23::uuid, LEAST(sum(amount), 9223372036854775807)::bigint, 0 FROM charged \
     GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT (budget_id, period, node) DO UPDATE SET \
     spent = CASE WHEN budget_spend.spent > 9223372036854775807 - excluded.spent THEN 9223372036854775807 \
     ELSE budget_spend.spent + excluded.spent END"
);

/// Of one project, of a time, in order.
pub(crate) const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM usage_entries WHERE project_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4"
);

pub(crate) const PROJECTS: &str = "SELECT DISTINCT id FROM projects";

pub(crate) const PRUNE: &str = "DELETE FROM usage_entries WHERE project_id = $1 AND id IN (SELECT id FROM usage_entries \
    WHERE project_id = $1 AND id < $2 ORDER BY id LIMIT $3)";

/// The statement for a query; its parameters are the tenant, the times (hours, or [`ids`] where it [`is_apart`]), and then
/// the names that it is narrowed to, in the order of [`narrowed`]. The money comes in two parts, whole dollars and the
/// rest.
pub(crate) fn select(query: &UsageQuery) -> String {
    let apart = is_apart(query);
    let names: Vec<&str> = query.by.iter().map(|by| name(*by, apart)).collect();
    let (table, totals, time) = if apart {
        ("usage_entries", ENTRY_TOTALS, "u.id >= $2 AND u.id < $3")
    } else {
        ("usage_hours", HOUR_TOTALS, "u.hour >= $2 AND u.hour < $3")
    };
    let tenant = match query.tenant {
        UsageTenant::Project(_) => "u.project_id = $1",
        UsageTenant::Organisation(_) => "u.project_id IN (SELECT id FROM projects WHERE org_id = $1)",
    };
    let mut sql = String::from("SELECT ");
    for name in &names {
        sql.push_str(&format!("CAST({name} AS TEXT), "));
    }
    sql.push_str(&format!("{totals} FROM {table} u JOIN projects p ON p.id = u.project_id WHERE {tenant} AND {time}"));
    for (number, (column, _)) in narrowed(query).iter().enumerate() {
        sql.push_str(&format!(" AND u.{column} = ${}", number + 4));
    }
    if !names.is_empty() {
        // Databases do not agree on where calls without a name stand.
        let order: Vec<String> = names.iter().map(|name| format!("{name} NULLS FIRST")).collect();
        sql.push_str(&format!(" GROUP BY {} ORDER BY {}", names.join(", "), order.join(", ")));
    }
    sql.push_str(&format!(" LIMIT {}", query.limit));
    sql
}

/// Whether single entries are summed up, as there are no sums by session.
pub(crate) fn is_apart(query: &UsageQuery) -> bool {
    query.by.contains(&UsageBy::Session)
}

/// The query's time as ids of entries: the first one, and the first one that counts no more.
pub(crate) fn ids(query: &UsageQuery) -> (Uuid, Uuid) {
    let id = |hour: i64| first_id_at(u64::try_from(hour.saturating_mul(3_600_000)).unwrap_or(0));
    (id(query.from), id(query.to))
}

/// What a query is narrowed to, by column.
pub(crate) fn narrowed(query: &UsageQuery) -> Vec<(&'static str, &str)> {
    let all = [("flow_slug", &query.flow), ("model", &query.model), ("key_id", &query.key)];
    all.into_iter().filter_map(|(column, value)| Some((column, value.as_deref()?))).collect()
}

const fn name(by: UsageBy, apart: bool) -> &'static str {
    match by {
        UsageBy::Day if apart => "u.at / 86400000000",
        UsageBy::Day => "u.hour / 24",
        UsageBy::Model => "u.model",
        UsageBy::Provider => "u.provider",
        UsageBy::Flow => "u.flow_slug",
        UsageBy::Version => "u.version",
        UsageBy::Key => "u.key_id",
        UsageBy::Project => "p.slug",
        UsageBy::Session => "u.session_id",
    }
}

const HOUR_TOTALS: &str = "CAST(COALESCE(sum(u.calls), 0) AS BIGINT), CAST(COALESCE(sum(u.failed), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.cached), 0) AS BIGINT), CAST(COALESCE(sum(u.unpriced), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.prompt_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.completion_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.total_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.cached_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.cache_written_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.reasoning_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.cost / 1000000000000), 0) AS BIGINT), CAST(COALESCE(sum(u.cost % 1000000000000), 0) AS BIGINT)";

const ENTRY_TOTALS: &str = "CAST(COALESCE(sum(CASE WHEN u.outcome = 'cached' THEN 0 ELSE 1 END), 0) AS BIGINT), \
    CAST(COALESCE(sum(CASE WHEN u.outcome IN ('completed', 'cached', 'hedged') THEN 0 ELSE 1 END), 0) AS BIGINT), \
    CAST(COALESCE(sum(CASE WHEN u.outcome = 'cached' THEN 1 ELSE 0 END), 0) AS BIGINT), \
    CAST(COALESCE(sum(CASE WHEN u.cost IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.prompt_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.completion_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.total_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.cached_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.cache_written_tokens), 0) AS BIGINT), CAST(COALESCE(sum(u.reasoning_tokens), 0) AS BIGINT), \
    CAST(COALESCE(sum(u.cost / 1000000000000), 0) AS BIGINT), CAST(COALESCE(sum(u.cost % 1000000000000), 0) AS BIGINT)";

/// Whole dollars and the rest, in units of the ledger.
pub(crate) fn money(dollars: i128, rest: i128) -> i128 {
    dollars * i128::from(UNITS_PER_USD) + rest
}

/// Behind which id entries are looked for that ended at `from` or later and come after `after`.
pub(crate) fn first(from: OffsetDateTime, after: Option<Uuid>) -> Uuid {
    let first = Uuid::from_u128(first_id_of(from).as_u128().saturating_sub(1));
    after.map_or(first, |after| after.max(first))
}

/// Below every id of an entry that ended at `to` or later.
pub(crate) fn end(to: OffsetDateTime) -> Uuid {
    first_id_of(to)
}

/// The first 48 bits of an id are the milliseconds of its making.
fn first_id_of(time: OffsetDateTime) -> Uuid {
    first_id_at(u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(0))
}

fn first_id_at(millis: u64) -> Uuid {
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}
