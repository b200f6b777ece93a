//! Any flow gives the same result by one pass, step by step, from any cursor, and after a crash at any point.

use std::sync::Arc;

use noukai_engine::Until;
use noukai_flow::Flow;
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use serde_json::{Map, Value, json};

use crate::{
    passes::step_through,
    recovery::check_recovery,
    support::{Script, answer, drive, flow_of, spec},
};

/// A node before it has an id.
#[derive(Debug, Clone)]
enum Plan {
    Llm { schema: bool, fails: bool },
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
    ids: usize,
    /// Failing blocks that may still be written: one in each outermost loop that goes on, so that it is certain which
    /// failure comes first.
    failures: usize,
    any_failure: bool,
    in_going_on: bool,
}

impl Writer {
    fn document(plans: &[Plan]) -> (Value, bool) {
        let mut writer = Self { ids: 0, failures: 0, any_failure: false, in_going_on: false };
        let mut steps = writer.list(plans);
        // Every flow has a block, and ends with one that sees everything.
        steps.push(json!({"id": "last", "llm": {"prompt": "last {{ previous_output }}"}}));
        if writer.ids % 2 == 0 {
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

    fn llm(&mut self, id: &str, schema: bool, fails: bool) -> Value {
        let fails = fails && std::mem::take(&mut self.failures) > 0;
        self.any_failure |= fails;
        let fail = if fails { " [fail {{ index % 2 }}]" } else { "" };
        let prompt = format!("{id} {{{{ previous_output }}}} {{{{ initial.message }}}}{fail}");
        let mut llm = json!({"prompt": prompt});
        if schema {
            llm["output"] = json!({"label": {"type": "string", "enum": ["x", "y"]}, "list": "array"});
        }
        json!({"id": id, "llm": llm})
    }
}

/// At most so many crashes per flow.
const CRASHES: usize = 40;

async fn check(flow: Arc<Flow>, fails: bool, items: Value) {
    let initial = json!({"message": "hi", "kind": "x", "items": items});
    let script = Arc::new(Script::new(answer));
    let ran = drive(spec(&flow, &initial), &script).await;
    let whole = ran.result();
    let (stations, stepped) = step_through(&flow, &initial, &script).await;
    assert_eq!(stepped, whole, "step by step; one pass was\n{}", ran.text());
    for client in stations {
        let rest = drive(client.spec(&flow, &initial, Until::End), &script).await;
        assert_eq!(rest.result(), whole, "from cursor {}; one pass was\n{}", client.cursor, ran.text());
    }
    let every = (ran.events.len() / CRASHES).max(1);
    check_recovery(&ran, &initial, &script, every, !fails).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_through_gives_the_same(plans in vec(plan(), 1..4), items in 0..4_usize) {
        let (document, fails) = Writer::document(&plans);
        let items: Vec<Value> = [json!("p"), json!({"message": "q", "label": "y"}), json!(3)].into_iter().take(items).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime.block_on(check(flow_of(&document), fails, items.into()));
    }
}
