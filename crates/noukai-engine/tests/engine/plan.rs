//! Random flows, for tests that compare one way through a flow with another.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

/// A flow, and inputs for it.
#[derive(Debug, Clone)]
pub struct AnyFlow {
    /// The document.
    pub document: Value,
    /// The run's inputs.
    pub inputs: Map<String, Value>,
    /// Whether it holds a block that fails items of a loop.
    pub fails: bool,
}

/// How blocks ask.
pub struct Style {
    /// The prompt of a block by its id. Its output should depend on `previous_output`.
    pub prompt: fn(&str) -> String,
    /// What makes a block in a loop fail in every other iteration, put behind its prompt.
    pub failing: &'static str,
    /// A code block by its id; `true`: one that fails where `index` is odd. Its output should depend on
    /// `previous_output`.
    pub code: fn(&str, bool) -> Value,
}

/// A flow that runs to its end, of a few dozen blocks at the most.
pub fn any_flow(style: &'static Style) -> impl Strategy<Value = AnyFlow> {
    let items = [json!("p"), json!({"message": "q", "label": "y"}), json!(3)];
    (vec(plan(), 1..4), 0..4_usize).prop_map(move |(plans, count)| {
        let (document, fails) = Writer::document(style, &plans);
        let inputs = json!({"message": "hi", "kind": "x", "items": items[..count]});
        AnyFlow { document, inputs: inputs.as_object().cloned().unwrap_or_default(), fails }
    })
}

/// A node before it has an id.
#[derive(Debug, Clone)]
enum Plan {
    Llm { schema: bool, fails: bool },
    Code { fails: bool },
    Passthrough,
    Sequence(Vec<Plan>),
    Parallel(Vec<Plan>),
    Loop { over_list: bool, goes_on: bool, concurrency: u32, steps: Vec<Plan> },
    Branch { on: On, cases: Vec<Vec<Plan>>, otherwise: Vec<Plan> },
}

#[derive(Debug, Clone, Copy)]
enum On {
    Fixed,
    Label,
    Length,
}

const LABEL: &str = "{% if label is defined %}{{ label }}{% else %}none{% endif %}";

fn plan() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        6 => (any::<bool>(), proptest::bool::weighted(0.3)).prop_map(|(schema, fails)| Plan::Llm { schema, fails }),
        3 => proptest::bool::weighted(0.3).prop_map(|fails| Plan::Code { fails }),
        1 => Just(Plan::Passthrough),
    ];
    leaf.prop_recursive(3, 14, 3, |inner| {
        let few = vec(inner.clone(), 1..4);
        let some = vec(inner, 0..3);
        let on = prop_oneof![Just(On::Fixed), Just(On::Label), Just(On::Length)];
        let head = (any::<bool>(), any::<bool>(), 1..4_u32);
        prop_oneof![
            1 => few.clone().prop_map(Plan::Sequence),
            2 => few.clone().prop_map(Plan::Parallel),
            3 => (head, few).prop_map(|((over_list, goes_on, concurrency), steps)| {
                Plan::Loop { over_list, goes_on, concurrency, steps }
            }),
            3 => (on, vec(some.clone(), 1..3), some)
                .prop_map(|(on, cases, otherwise)| Plan::Branch { on, cases, otherwise }),
        ]
    })
}

/// Turns plans into a document.
struct Writer {
    style: &'static Style,
    ids: usize,
    /// Failing blocks that may still be written: one in each outermost loop that goes on, so that it is certain which
    /// failure comes first.
    failures: usize,
    any_failure: bool,
    in_going_on: bool,
}

impl Writer {
    fn document(style: &'static Style, plans: &[Plan]) -> (Value, bool) {
        let mut writer = Self { style, ids: 0, failures: 0, any_failure: false, in_going_on: false };
        let mut steps = writer.list(plans);
        // Every flow has a block, and ends with one that sees everything.
        let last = writer.llm("last", false, false);
        steps.push(last);
        if writer.ids.is_multiple_of(2) {
            steps.rotate_right(1);
        }
        (json!({"schema": 1, "slug": "any-flow", "steps": steps}), writer.any_failure)
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("s{}", self.ids)
    }

    fn list(&mut self, plans: &[Plan]) -> Vec<Value> {
        plans.iter().map(|plan| self.node(plan)).collect()
    }

    fn node(&mut self, plan: &Plan) -> Value {
        let id = self.id();
        match plan {
            Plan::Llm { schema, fails } => self.llm(&id, *schema, *fails),
            Plan::Code { fails } => {
                let fails = self.may_fail(*fails);
                json!({"id": id, "code": (self.style.code)(&id, fails)})
            }
            Plan::Passthrough => json!({"id": id, "passthrough": {}}),
            Plan::Sequence(steps) => json!({"id": id, "sequence": self.list(steps)}),
            Plan::Parallel(steps) => json!({"id": id, "parallel": self.list(steps)}),
            Plan::Loop { over_list, goes_on, concurrency, steps } => {
                let outermost = *goes_on && !self.in_going_on;
                if outermost {
                    (self.in_going_on, self.failures) = (true, 1);
                }
                let steps = self.list(steps);
                if outermost {
                    (self.in_going_on, self.failures) = (false, 0);
                }
                let on_error = if *goes_on { "continue" } else { "fail" };
                let over = if *over_list { format!("{id}-list.list") } else { "initial.items".to_owned() };
                let each = json!({
                    "id": id,
                    "loop": {"over": over, "concurrency": concurrency, "on_item_error": on_error, "steps": steps},
                });
                if !over_list {
                    return each;
                }
                let list = self.llm(&format!("{id}-list"), true, false);
                json!({"id": format!("{id}-both"), "sequence": [list, each]})
            }
            Plan::Branch { on, cases, otherwise } => self.branch(&id, *on, cases, otherwise),
        }
    }

    fn branch(&mut self, id: &str, on: On, cases: &[Vec<Plan>], otherwise: &[Plan]) -> Value {
        let (on, keys) = match on {
            On::Fixed => ("{{ initial.kind }}", ["x", "z"]),
            On::Label => (LABEL, ["x", "y"]),
            On::Length => ("{{ previous_output|length % 3 }}", ["0", "1"]),
        };
        let cases: Map<String, Value> =
            keys.iter().zip(cases).map(|(key, steps)| ((*key).to_owned(), self.list(steps).into())).collect();
        json!({"id": id, "branch": {"on": on, "cases": cases, "else": self.list(otherwise)}})
    }

    fn may_fail(&mut self, fails: bool) -> bool {
        let fails = fails && std::mem::take(&mut self.failures) > 0;
        self.any_failure |= fails;
        fails
    }

    fn llm(&mut self, id: &str, schema: bool, fails: bool) -> Value {
        let fails = self.may_fail(fails);
        let failing = if fails { self.style.failing } else { "" };
        let prompt = format!("{}{failing}", (self.style.prompt)(id));
        let mut llm = json!({"prompt": prompt});
        if schema {
            llm["output"] = json!({"label": {"type": "string", "enum": ["x", "y"]}, "list": "array"});
        }
        json!({"id": id, "llm": llm})
    }
}
