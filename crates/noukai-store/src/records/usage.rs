//! What model calls took, and what they may take: the ledger, its sums, budgets.
//!
//! Money is in whole units of 10⁻¹² US dollars: exact for every list price, and small enough to be added up by any
//! database.

use std::{sync::Arc, time::Duration};

use noukai_api::{BudgetPeriod, BudgetScope, BudgetUnit, ErrorCode, TokenDetails, Tokens, UsageBy};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{FlowId, ProjectId, RunId};

/// How many of the ledger's units of money make a US dollar.
pub const UNITS_PER_USD: i64 = 1_000_000_000_000;

/// Whose calls these are: the same for all calls of one pass of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spender {
    /// The project.
    pub project_id: ProjectId,
    /// The run.
    pub run_id: RunId,
    /// The flow.
    pub flow_id: FlowId,
    /// The flow's slug when the run began.
    pub flow_slug: String,
    /// Version that runs; 0 is the draft.
    pub version: u32,
    /// The run's session.
    pub session_id: Option<String>,
    /// The API key that began the run, or went on with it.
    pub key_id: Option<String>,
}

/// One call to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageEntry {
    /// The call: a UUID v7 of `at`. Stored once, however often it is given.
    pub id: Uuid,
    /// Whose it is.
    pub spender: Arc<Spender>,
    /// When it ended.
    pub at: OffsetDateTime,
    /// The step that called.
    pub step: Arc<str>,
    /// The model that was asked.
    pub model: String,
    /// The provider.
    pub provider: Option<String>,
    /// How it ended.
    pub outcome: UsageOutcome,
    /// Tokens as the provider counted them.
    pub tokens: Tokens,
    /// Cached tokens and thoughts among them.
    pub details: TokenDetails,
    /// In units of the ledger; `None`: not known.
    pub cost: Option<i64>,
    /// How long it took.
    pub duration_ms: u64,
    /// What it takes from budgets, in the same transaction.
    pub charges: Vec<Charge>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum UsageOutcome {
    /// It gave a reply.
    Completed,
    /// The reply had been given before: no model was called.
    Cached,
    /// A second call was made beside a slow one; what it took is not known.
    Hedged,
    /// It was given up before it ended; what it took is not known.
    CutOff,
    /// It gave no reply.
    Failed(ErrorCode),
}

impl UsageOutcome {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cached => "cached",
            Self::Hedged => "hedged",
            Self::CutOff => "cut_off",
            Self::Failed(code) => code.as_str(),
        }
    }

    /// What is spelled so.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "completed" => Some(Self::Completed),
            "cached" => Some(Self::Cached),
            "hedged" => Some(Self::Hedged),
            "cut_off" => Some(Self::CutOff),
            code => ErrorCode::parse(code).map(Self::Failed),
        }
    }

    /// Whether a model was called and gave no reply that was used.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::CutOff | Self::Failed(_))
    }
}

impl From<UsageOutcome> for &'static str {
    fn from(outcome: UsageOutcome) -> Self {
        outcome.as_str()
    }
}

impl TryFrom<String> for UsageOutcome {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or_else(|| format!("no outcome is spelled {text:?}"))
    }
}

/// So much of a budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The budget.
    pub budget: Uuid,
    /// Its period, as numbered by the caller.
    pub period: i64,
    /// In what the budget counts.
    pub amount: i64,
}

/// What calls took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Calls to models.
    pub calls: u64,
    /// Those that gave no reply.
    pub failed: u64,
    /// Replies that had been given before.
    pub cached: u64,
    /// Calls whose cost is not known.
    pub unpriced: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Cached tokens and thoughts among them.
    pub details: TokenDetails,
    /// In units of the ledger.
    pub cost: i128,
}

impl UsageTotals {
    /// Counts one more entry.
    pub(crate) fn add(&mut self, entry: &UsageEntry) {
        self.calls += u64::from(entry.outcome != UsageOutcome::Cached);
        self.failed += u64::from(entry.outcome.is_failure());
        self.cached += u64::from(entry.outcome == UsageOutcome::Cached);
        self.unpriced += u64::from(entry.cost.is_none());
        self.tokens.prompt += entry.tokens.prompt;
        self.tokens.completion += entry.tokens.completion;
        self.tokens.total += entry.tokens.total;
        self.details += entry.details;
        self.cost += i128::from(entry.cost.unwrap_or_default());
    }
}

/// What usage is asked for. Hours are those since the epoch.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// Whose.
    pub tenant: UsageTenant,
    /// The first hour.
    pub from: i64,
    /// The first hour that counts no more.
    pub to: i64,
    /// What it is grouped by; nothing: one group.
    pub by: Vec<UsageBy>,
    /// One flow's.
    pub flow: Option<String>,
    /// One model's.
    pub model: Option<String>,
    /// One key's.
    pub key: Option<String>,
    /// At most so many groups.
    pub limit: u32,
}

/// Whose usage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageTenant {
    /// One project's.
    Project(ProjectId),
    /// All projects of an organisation.
    Organisation(Uuid),
}

/// One group of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageGroup {
    /// The group's name for each of what it is grouped by, in that order; a day is its number since the epoch.
    pub names: Vec<Option<String>>,
    /// Its sums.
    pub totals: UsageTotals,
}

/// A budget: so much of something may be spent in each period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRecord {
    /// The budget.
    pub id: Uuid,
    /// Its organisation.
    pub org_id: Uuid,
    /// Whose spending it bounds.
    pub scope: BudgetScope,
    /// The project, unless it is the organisation's.
    pub project_id: Option<ProjectId>,
    /// The flow's slug or the key's id; empty for an organisation's or a project's.
    pub target: String,
    /// How long it lasts.
    pub period: BudgetPeriod,
    /// What it counts.
    pub unit: BudgetUnit,
    /// How much may be spent: units of the ledger, tokens or runs.
    pub amount: i64,
    /// From which part of it on it warns, in percent.
    pub warn_percent: u8,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was set last.
    pub updated_at: OffsetDateTime,
    /// By whom.
    pub updated_by: String,
}

/// What one server of several may take from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// How much it may have taken altogether in the period, what it has taken already counted.
    pub granted: i64,
    /// What others have taken.
    pub spent_elsewhere: i64,
    /// What others may still take.
    pub held_elsewhere: i64,
}

/// How things are spread in time: as if they came one by one, each taking its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// What was done already takes so long.
    pub owed: Duration,
    /// What is to be done takes so long; nothing: it is only asked whether something may be done.
    pub takes: Duration,
    /// As much as takes so long may come at once.
    pub at_once: Duration,
}
