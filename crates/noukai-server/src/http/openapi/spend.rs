//! Usage and budgets, in words.

use noukai_api::ErrorCode::{BudgetNotFound, FlowNotFound, Forbidden, KeyNotFound, ValidationError};

use serde_json::{Value, json};

use super::operations::{Content, Operation, path, query};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "usage::report",
        id: "usage",
        tag: "spend",
        summary: "What model calls took",
        description: "Sums over the calls of the key's project, or with the `admin` scope of its organisation, by hour: \
            `from` is rounded down, `to` up. The last 30 days by day, where nothing else is asked for.",
        parameters: &[
            "usageFrom",
            "usageTo",
            "groupBy",
            "usageScope",
            "usageFlow",
            "usageModel",
            "usageKey",
            "usageLimit",
            "usageFormat",
            "RequestIdHeader",
        ],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::JsonOrCsv("UsageReport"),
        reply_text: "The sums.",
        errors: &[Forbidden, ValidationError],
    },
    Operation {
        name: "usage::calls",
        id: "usageCalls",
        tag: "spend",
        summary: "Single model calls",
        description: "The ledger of the key's project, oldest first: every retry, fallback, hedge and repair is a call.",
        parameters: &["usageFrom", "usageTo", "callsAfter", "callsLimit", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("UsageCallList"),
        reply_text: "A page of calls.",
        errors: &[ValidationError],
    },
    Operation {
        name: "budgets::set",
        id: "setBudget",
        tag: "spend",
        summary: "Set a budget",
        description: "Needs a key with the `admin` scope. There is one budget per scope, period and unit: setting it again \
            changes its limit, and the same again changes nothing. A new budget counts what was spent in the period \
            that goes on, but for runs. Every node heeds it within seconds.",
        parameters: &["RequestIdHeader"],
        body: Some("SetBudget"),
        body_required: true,
        status: 200,
        reply: Content::Json("Budget"),
        reply_text: "The budget as it stands.",
        errors: &[Forbidden, FlowNotFound, KeyNotFound],
    },
    Operation {
        name: "budgets::list",
        id: "budgets",
        tag: "spend",
        summary: "Budgets of the organisation, and how they stand",
        description: "Needs a key with the `admin` scope.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("BudgetList"),
        reply_text: "The budgets.",
        errors: &[Forbidden],
    },
    Operation {
        name: "budgets::remove",
        id: "removeBudget",
        tag: "spend",
        summary: "Remove a budget",
        description: "Needs a key with the `admin` scope. What it counted is forgotten; the ledger stays.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("RemovedBudget"),
        reply_text: "It is no more.",
        errors: &[Forbidden, BudgetNotFound],
    },
];

/// Their parameters, by name.
pub(super) fn parameters() -> Value {
    json!({
        "budget_id": path("budget_id", "The budget."),
        "usageFrom": query("from", "A day such as `2027-01-31`, or a time in ISO 8601.", json!({"type": "string"})),
        "usageTo": query("to", "As `from`; what is at it or later does not count.", json!({"type": "string"})),
        "groupBy": query("groupBy", "Some of `day`, `model`, `provider`, `flow`, `version`, `key`, `project`, `session`, with commas between; nothing for one sum.", json!({"type": "string", "default": "day"})),
        "usageScope": query("scope", "Whose calls; those of the organisation take the scope `admin`.", json!({"type": "string", "enum": ["project", "organization"], "default": "project"})),
        "usageFlow": query("flow", "Only calls of this flow, by its slug.", json!({"type": "string"})),
        "usageModel": query("model", "Only calls to this model.", json!({"type": "string"})),
        "usageKey": query("key", "Only calls for this API key, by its id.", json!({"type": "string"})),
        "usageLimit": query("limit", "Most rows.", json!({"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000})),
        "usageFormat": query("format", "", json!({"type": "string", "enum": ["json", "csv"], "default": "json"})),
        "callsAfter": query("after", "`next` of the page before.", json!({"type": "string"})),
        "callsLimit": query("limit", "Calls per page.", json!({"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100})),
    })
}
