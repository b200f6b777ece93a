//! Usage and budgets: what model calls took, and what they may take.

use serde::{Deserialize, Serialize};

use crate::{TokenDetails, Tokens};

macro_rules! spelled {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As spelled on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What is spelled so.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

spelled! {
    /// What usage is grouped by.
    UsageBy {
        /// The day, in UTC.
        Day = "day",
        /// The model that was asked.
        Model = "model",
        /// The provider.
        Provider = "provider",
        /// The flow.
        Flow = "flow",
        /// The flow's version; 0 is the draft.
        Version = "version",
        /// The API key.
        Key = "key",
        /// The project.
        Project = "project",
        /// The session; calls without one count together.
        Session = "session",
    }
}

spelled! {
    /// Whose spending a budget bounds.
    BudgetScope {
        /// All projects of the organisation together.
        Organization = "organization",
        /// One project.
        Project = "project",
        /// One flow.
        Flow = "flow",
        /// One API key.
        Key = "key",
    }
}

spelled! {
    /// How long a budget lasts before it begins anew, in UTC.
    BudgetPeriod {
        /// A calendar day.
        Day = "day",
        /// A calendar month.
        Month = "month",
        /// For ever.
        Total = "total",
    }
}

spelled! {
    /// What a budget counts.
    BudgetUnit {
        /// US dollars.
        Usd = "usd",
        /// Tokens, read and written.
        Tokens = "tokens",
        /// Runs that were begun or queued.
        Runs = "runs",
    }
}

spelled! {
    /// How a budget stands.
    BudgetState {
        /// Below its warning level.
        Ok = "ok",
        /// At or past its warning level.
        Warning = "warning",
        /// Nothing is left.
        Exhausted = "exhausted",
    }
}

/// Reply of `GET /usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageReport {
    /// ISO 8601: the first hour that counts.
    pub from: String,
    /// ISO 8601: the first hour that counts no more.
    pub to: String,
    /// What the rows are grouped by.
    pub group_by: Vec<UsageBy>,
    /// One per group, in order of what they are grouped by.
    pub rows: Vec<UsageRow>,
    /// Over all groups, whether they are among the rows or not.
    pub total: UsageSums,
    /// Whether there are more groups than rows.
    pub truncated: bool,
}

/// One group. Of the names, those are there that usage is grouped by and that the calls have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageRow {
    /// `2027-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// `vendor/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The flow's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The flow's version; 0 is the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The API key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The project's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The session's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What its calls took together.
    #[serde(flatten)]
    pub sums: UsageSums,
}

/// What calls took together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageSums {
    /// Calls to models: every retry, fallback, hedge and repair counts.
    pub calls: u64,
    /// Those among them that gave no reply.
    pub failed_calls: u64,
    /// Replies from the cache, which cost nothing and are no calls.
    pub cached_replies: u64,
    /// Calls whose cost is not known, and which `costUsd` lacks.
    pub unpriced_calls: u64,
    /// Tokens as the providers counted them.
    pub tokens: Tokens,
    /// Cached tokens and thoughts among them.
    #[serde(default, skip_serializing_if = "TokenDetails::is_empty")]
    pub token_details: TokenDetails,
    /// US dollars, a decimal without exponent.
    pub cost_usd: String,
}

/// Reply of `GET /usage/calls`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageCallList {
    /// In the order in which they ended.
    pub calls: Vec<UsageCall>,
    /// Send it as `after` for the next ones; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One call to a model, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageCall {
    /// The call.
    pub id: String,
    /// ISO 8601: when it ended.
    pub at: String,
    /// The run.
    pub execution_id: String,
    /// The flow's slug.
    pub flow: String,
    /// The flow's version; 0 is the draft.
    pub version: u32,
    /// The run's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The API key that began the run, or went on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The step that called.
    pub step_id: String,
    /// The model that was asked.
    pub model: String,
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `completed`, `cached`, `hedged`, `cut_off`, or the code of its error.
    pub outcome: String,
    /// Tokens as the provider counted them.
    pub tokens: Tokens,
    /// Cached tokens and thoughts among them.
    #[serde(default, skip_serializing_if = "TokenDetails::is_empty")]
    pub token_details: TokenDetails,
    /// US dollars, a decimal without exponent; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// Body of `POST /budgets`: sets the budget of that scope, period and unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetBudget {
    /// Whose spending it bounds.
    pub scope: BudgetScope,
    /// The project's slug, for a project or a flow; the key's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The flow's slug, for a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The key's id, for a key.
    #[serde(default, alias = "key_id", alias = "keyId", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it lasts.
    pub period: BudgetPeriod,
    /// What it counts.
    pub unit: BudgetUnit,
    /// How much of it may be spent: a decimal as text, such as `25.50`; a whole number for tokens and runs.
    pub limit: String,
    /// From which part of the limit on it warns, in percent, 1 to 100; 80 where it is left out.
    #[serde(default, alias = "warn_percent", skip_serializing_if = "Option::is_none")]
    pub warn_percent: Option<u8>,
}

/// A budget and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Budget {
    /// The budget.
    pub id: String,
    /// Whose spending it bounds.
    pub scope: BudgetScope,
    /// The project's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The flow's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it lasts.
    pub period: BudgetPeriod,
    /// What it counts.
    pub unit: BudgetUnit,
    /// How much of it may be spent.
    pub limit: String,
    /// From which part of the limit on it warns.
    pub warn_percent: u8,
    /// How much of it is spent in the period that goes on.
    pub spent: String,
    /// How much is left.
    pub remaining: String,
    /// How it stands.
    pub state: BudgetState,
    /// ISO 8601: when the next period begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
    /// Key id or name of who set it last.
    pub updated_by: String,
}

/// Reply of `GET /budgets`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetList {
    /// The organisation's first, then by project.
    pub budgets: Vec<Budget>,
}

/// Reply of `DELETE /budgets/{budget_id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemovedBudget {
    /// The budget that is no more.
    pub id: String,
}
